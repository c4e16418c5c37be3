"""Links of trees in ONNX models, and lists that are passed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from hauberk.formats import onnx_trees
from hauberk.formats.onnx_files import judge_onnx, read_onnx
from hauberk.formats.protobuf import Walk, fields, run_of
from hauberk.formats.spans import span_of

DEPTH = 3
N_NODES = 2 ** (DEPTH + 1) - 1
N_INNER = 2**DEPTH - 1


def problems(model: Any) -> list[str]:
    data = model.SerializeToString()
    return [remark.text for remark in judge_onnx(span_of(data))]


def forest(change: Any = None, *, operator: str = "TreeEnsembleRegressor") -> Any:
    """Two whole trees by numbered nodes; ``change`` is given their lists."""
    lists: dict[str, list[Any]] = {
        name: []
        for name in (
            *("treeids", "nodeids", "featureids", "values", "modes"),
            *("truenodeids", "falsenodeids"),
        )
    }
    for tree in range(2):
        for node in range(N_NODES):
            is_inner = node < N_INNER
            lists["treeids"].append(tree)
            lists["nodeids"].append(node)
            lists["featureids"].append(0)
            lists["values"].append(0.5)
            lists["modes"].append("BRANCH_LEQ" if is_inner else "LEAF")
            lists["truenodeids"].append(2 * node + 1 if is_inner else 0)
            lists["falsenodeids"].append(2 * node + 2 if is_inner else 0)
    if change is not None:
        change(lists)
    return whole(operator, {f"nodes_{name}": values for name, values in lists.items()})


def whole(operator: str, attributes: dict[str, Any]) -> Any:
    node = helper.make_node(operator, ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph([node], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)])


def test_whole_trees_are_ordinary() -> None:
    assert problems(forest()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a["truenodeids"].__setitem__(1, 0), "reached twice"),
        (lambda a: a["truenodeids"].__setitem__(1, 2), "reached twice"),
        (lambda a: a["falsenodeids"].__setitem__(0, 0), "reached twice"),
        (lambda a: a["truenodeids"].__setitem__(N_NODES, 1000), "not there"),
        (lambda a: a["truenodeids"].__setitem__(0, -1), "not there"),
        (lambda a: a["nodeids"].__setitem__(3, 4), "one number"),
        (lambda a: a["modes"].pop(), "several lengths"),
    ],
    ids=["to the root", "to a sibling", "to itself", "outside", "negative", "double", "short"],
)
def test_links_that_no_writer_makes_are_told(change: Any, told: str) -> None:
    (text,) = problems(forest(change))
    assert told in text


def test_a_forest_beyond_the_bound_is_for_review_and_never_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looped = forest(lambda a: a["truenodeids"].__setitem__(1, 0))
    for bound in ("MAX_NODES", "_MAX_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(onnx_trees, bound, 10)
            assert problems(looped) == [onnx_trees.NOT_FOLLOWED]


def test_an_attribute_that_is_there_twice_is_told() -> None:
    model = forest()
    node = model.graph.node[0]
    node.attribute.append(next(a for a in node.attribute if a.name == "nodes_truenodeids"))
    assert "there twice" in problems(model)[0]


def placed(**changes: Any) -> Any:
    attributes = {
        "nodes_truenodeids": [1, 0, 2],
        "nodes_falsenodeids": [2, 1, 3],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_falseleafs": [0, 1, 1],
        "nodes_featureids": [0, 0, 0],
        "tree_roots": [0],
    }
    return whole("TreeEnsemble", {**attributes, **changes})


def test_trees_by_places_are_followed_too() -> None:
    assert problems(placed()) == []
    assert "reached twice" in problems(placed(nodes_truenodeids=[0, 0, 2]))[0]
    assert "not there" in problems(placed(nodes_falsenodeids=[9, 1, 3]))[0]
    assert "begins at" in problems(placed(tree_roots=[7]))[0]


@pytest.mark.parametrize("kind", [RandomForestClassifier, GradientBoostingClassifier])
def test_forests_of_a_real_converter_are_ordinary(kind: Any) -> None:
    from skl2onnx import to_onnx

    rows, labels = load_iris(return_X_y=True)
    model = kind(n_estimators=5, random_state=0).fit(rows.astype(np.float32), labels)
    assert problems(to_onnx(model, rows[:1].astype(np.float32))) == []


def test_a_forest_of_many_nodes_is_not_taken_for_malformed() -> None:
    n = 600_000
    lists = {
        "nodes_treeids": [0] * n,
        "nodes_nodeids": list(range(n)),
        "nodes_truenodeids": [2 * k + 1 if 2 * k + 2 < n else 0 for k in range(n)],
        "nodes_falsenodeids": [2 * k + 2 if 2 * k + 2 < n else 0 for k in range(n)],
        "nodes_modes": ["BRANCH_LEQ" if 2 * k + 2 < n else "LEAF" for k in range(n)],
        "nodes_values": [0.5] * n,
    }
    # The last node of an even number hangs at none: a tree of its own would be a second root.
    lists["nodes_modes"][-1] = "LEAF"
    assert problems(whole("TreeEnsembleRegressor", lists)) == []


def test_a_graph_in_a_list_of_small_ones_is_still_read() -> None:
    inner = [
        helper.make_graph([helper.make_node(name, [], ["o"], domain="evil.example")], "g", [], [])
        for name in ("One", "Two", "Three", "Four")
    ]
    node = helper.make_node("Holder", [], ["y"], domain="evil.example", bodies=inner)
    model = helper.make_model(helper.make_graph([node], "g", [], []))
    names = {name for _, name in read_onnx(span_of(model.SerializeToString())).operators}
    assert {"One", "Two", "Three", "Four"} <= names


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("i"), st.lists(st.integers(-5, 1 << 40), max_size=30)),
            st.tuples(st.just("f"), st.lists(st.floats(width=32), max_size=30)),
            st.tuples(st.just("s"), st.lists(st.binary(max_size=200), max_size=10)),
        ),
        max_size=6,
    )
)
def test_what_is_passed_over_changes_nothing_else(parts: list[tuple[str, list[Any]]]) -> None:
    attribute = onnx.AttributeProto(name="a", doc_string="behind")
    for kind, values in parts:
        {"i": attribute.ints, "f": attribute.floats, "s": attribute.strings}[kind].extend(values)
    data = attribute.SerializeToString()
    skipped = frozenset({7, 8, 9})
    every = [(f.number, f.wire, f.value, f.text()) for f in fields(span_of(data), Walk("a"))]
    some = [
        (f.number, f.wire, f.value, f.text())
        for f in fields(span_of(data), Walk("a"), passing=skipped)
    ]
    assert [one for one in some if one[0] not in skipped] == [
        one for one in every if one[0] not in skipped
    ]


@given(st.binary(max_size=300))
def test_a_run_never_reaches_beyond_its_bytes(data: bytes) -> None:
    assert 0 <= run_of(data) <= len(data)
