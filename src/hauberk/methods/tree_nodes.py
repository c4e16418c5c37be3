"""The nodes of trees: where they part their features, and on how many rows each was grown.

Read from fitted estimators of scikit-learn, from boosters of LightGBM and XGBoost, and from the
tree operators of ONNX, none of which is called for it. What is no tree, or is behind a step that
is not known to keep values or to scale them, has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

_SCALERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")
_PLAIN = {"Cast", "Concat", "Identity", "Reshape", "ArrayFeatureExtractor", "FeatureVectorizer"}
_LEAF, _AT_MOST, _BELOW = "LEAF", "BRANCH_LEQ", "BRANCH_LT"
_NUMBERED = {0: _AT_MOST, 1: _BELOW}
"""The comparisons of ``TreeEnsemble`` of ai.onnx.ml 5 that are known here."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """One tree, node by node; the first is its root.

    Attributes:
        feature: ``(n,)`` place of the feature that a node parts, -1 for a leaf.
        cut: ``(n,)``; rows of at most this go left.
        left: ``(n,)`` place of the node there.
        right: ``(n,)`` likewise.
        count: ``(n,)`` rows that it was grown on; empty where it does not say.
    """

    feature: Any
    cut: Any
    left: Any
    right: Any
    count: Any

    def reached(self, rows: Any) -> Any:
        """How many of ``rows`` ``(m, d)`` come by each node, ``(n,)``."""
        at = np.zeros(len(rows), np.int64)
        counts = np.zeros(len(self.feature), np.int64)
        alive = np.arange(len(rows))
        for _ in range(len(self.feature)):
            counts += np.bincount(at[alive], minlength=len(counts))
            alive = alive[self.feature[at[alive]] >= 0]
            if not len(alive):
                break
            here = at[alive]
            goes_left = rows[alive, self.feature[here]] <= self.cut[here]
            at[alive] = np.where(goes_left, self.left[here], self.right[here])
        return counts

    def box(self, node: int) -> dict[int, tuple[float, float]]:
        """Feature to the interval (open below, closed above) that leads to ``node``."""
        parent = np.full(len(self.feature), -1, np.int64)
        inner = np.flatnonzero(self.feature >= 0)
        parent[self.left[inner]] = inner
        parent[self.right[inner]] = inner
        box: dict[int, tuple[float, float]] = {}
        child, above = node, int(parent[node])
        while above >= 0:
            low, high = box.get(int(self.feature[above]), (-np.inf, np.inf))
            cut = float(self.cut[above])
            if self.left[above] == child:
                high = min(high, cut)
            else:
                low = max(low, cut)
            box[int(self.feature[above])] = (low, high)
            child, above = above, int(parent[above])
        return box


def of_estimator(model: Any, n_features: int) -> list[Tree]:
    """Of a fitted estimator of scikit-learn, of one like it, or of a pipeline of scalers and one.

    Returns:
        An empty list where it has none that are known.
    """
    back: list[Any] = []
    if hasattr(model, "steps"):
        for _, part in model.steps[:-1]:
            if part == "passthrough":
                continue
            if type(part).__name__ not in _SCALERS:
                return []
            back.insert(0, part)
        model = model.steps[-1][1]
    found = list(_trees(model))
    for part in back:
        found = _unscaled(found, part, n_features)
    return found


def _trees(model: Any) -> Iterator[Tree]:
    for name, read in _READERS.items():
        if hasattr(model, name):
            yield from read(model)
            return
    for name in ("estimators_", "calibrated_classifiers_", "estimator_", "best_estimator_"):
        for one in np.ravel(np.asarray(getattr(model, name, ()), object)):
            if hasattr(one, "get_params") or hasattr(one, "estimator"):
                yield from _trees(getattr(one, "estimator", one))


def _of_plain(model: Any) -> Iterator[Tree]:
    tree = model.tree_
    yield Tree(
        feature=np.maximum(np.asarray(tree.feature, np.int64), -1),
        cut=np.asarray(tree.threshold, np.float64),
        left=np.asarray(tree.children_left, np.int64),
        right=np.asarray(tree.children_right, np.int64),
        count=np.asarray(tree.n_node_samples, np.int64),
    )


def _of_rounds(model: Any) -> Iterator[Tree]:
    """Of histogram boosting; there is no public way to its trees."""
    return (_of_histogram(one.nodes) for row in model._predictors for one in row)  # noqa: SLF001


_READERS: dict[str, Callable[[Any], Iterable[Tree]]] = {
    "tree_": _of_plain,
    "_predictors": _of_rounds,
    "booster_": lambda model: of_lightgbm(model.booster_),
    "get_booster": lambda model: of_xgboost(model.get_booster()),
}
"""What only one kind of estimator has, to how its trees are read."""


def _of_histogram(nodes: Any) -> Tree:
    is_leaf = (nodes["is_leaf"] != 0) | (nodes["is_categorical"] != 0)
    return Tree(
        feature=np.where(is_leaf, -1, nodes["feature_idx"]).astype(np.int64),
        cut=np.asarray(nodes["num_threshold"], np.float64),
        left=np.asarray(nodes["left"], np.int64),
        right=np.asarray(nodes["right"], np.int64),
        count=np.asarray(nodes["count"], np.int64),
    )


def _unscaled(found: list[Tree], part: Any, width: int) -> list[Tree]:
    """Cuts before a scaler, feature by feature: it is linear, and rises."""
    zero, one = (part.inverse_transform(np.full((1, width), value))[0] for value in (0.0, 1.0))
    slope = np.append(one - zero, 1.0)  # the last is for leaves, whose feature is -1
    shift = np.append(zero, 0.0)
    return [
        replace(tree, cut=tree.cut * slope[tree.feature] + shift[tree.feature]) for tree in found
    ]


@dataclass(slots=True)
class _Growing:
    """Nodes one after another, as a walk over nested ones meets them."""

    rows: list[list[float]]

    @classmethod
    def walk(cls, root: Any, read: Any) -> Tree:
        """A tree of nested nodes.

        Args:
            read: A node to its feature (-1 for a leaf), cut, count and two children.
        """
        grown, stack = cls([]), [(root, -1, 0)]
        while stack:
            node, parent, side = stack.pop()
            feature, cut, count, children = read(node)
            here = len(grown.rows)
            grown.rows.append([feature, cut, -1, -1, count])
            if parent >= 0:
                grown.rows[parent][side] = here
            stack += [(child, here, 2 + at) for at, child in enumerate(children)]
        feature, cut, left, right, count = np.array(grown.rows, np.float64).T
        return Tree(
            feature=feature.astype(np.int64),
            cut=cut,
            left=left.astype(np.int64),
            right=right.astype(np.int64),
            count=count.astype(np.int64) if (count >= 0).all() else np.zeros(0, np.int64),
        )


def of_lightgbm(booster: Any) -> list[Tree]:
    """Of a booster of LightGBM; a choice among words ends a tree, as no cut tells it."""

    def read(node: Any) -> tuple[float, float, float, tuple[Any, ...]]:
        if "left_child" not in node or node.get("decision_type") != "<=":
            return -1, 0.0, node.get("leaf_count", node.get("internal_count", -1)), ()
        cut, count = float(node["threshold"]), node.get("internal_count", -1)
        return node["split_feature"], cut, count, (node["left_child"], node["right_child"])

    return [_Growing.walk(one["tree_structure"], read) for one in booster.dump_model()["tree_info"]]


def of_xgboost(booster: Any) -> list[Tree]:
    """Of a booster of XGBoost, which keeps weights and no counts."""
    place = {str(name): at for at, name in enumerate(booster.feature_names or ())}

    def read(node: Any) -> tuple[float, float, float, tuple[Any, ...]]:
        split, cut = str(node.get("split", "")), node.get("split_condition")
        at = place.get(split, int(split[1:]) if split[1:].isdecimal() else -1)
        if at < 0 or not isinstance(cut, (int, float)):
            return -1, 0.0, -1, ()
        children = {one["nodeid"]: one for one in node["children"]}
        below = float(np.nextafter(cut, -np.inf))  # it parts by less than, not at most
        return at, below, -1, (children[node["yes"]], children[node["no"]])

    return [_Growing.walk(json.loads(text), read) for text in booster.get_dump(dump_format="json")]


def of_onnx(data: bytes, n_features: int) -> list[Tree]:
    """Of the tree operators of a graph that does nothing to its features before them."""
    import onnx

    graph = onnx.load_model_from_string(data).graph
    trees = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    first = next((at for at, node in enumerate(graph.node) if node in trees), 0)
    if not trees or any(node.op_type not in _PLAIN for node in graph.node[:first]):
        return []
    found = [tree for node in trees for tree in _of_operator(node)]
    return [] if any(tree.feature.max(initial=-1) >= n_features for tree in found) else found


def _of_operator(node: Any) -> Iterator[Tree]:
    """Of ``TreeEnsembleClassifier`` and ``TreeEnsembleRegressor``."""
    from onnx import helper, numpy_helper

    given = {part.name: helper.get_attribute_value(part) for part in node.attribute}
    if "nodes_modes" not in given or "nodes_treeids" not in given:
        return
    tensor = given.get("nodes_values_as_tensor")
    cuts = np.asarray(
        given.get("nodes_values", ()) if tensor is None else numpy_helper.to_array(tensor),
        np.float64,
    )
    modes = [bytes(one).decode() for one in given["nodes_modes"]]
    if set(modes) - {_LEAF, _AT_MOST, _BELOW}:
        return
    cuts = np.where([mode == _BELOW for mode in modes], np.nextafter(cuts, -np.inf), cuts)
    names = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
    trees, nodes, features, yes, no = (np.asarray(given[f"nodes_{name}"]) for name in names)
    features = np.where([mode == _LEAF for mode in modes], -1, features)
    for number in np.unique(trees):
        mine = np.flatnonzero(trees == number)
        place = {int(name): at for at, name in enumerate(nodes[mine])}
        left, right = (
            np.array([place.get(int(one), 0) for one in side[mine]], np.int64) for side in (yes, no)
        )
        yield Tree(
            feature=features[mine].astype(np.int64),
            cut=cuts[mine],
            left=left,
            right=right,
            count=np.zeros(0, np.int64),
        )


def grown_on(trees: Sequence[Tree], rows: Any) -> list[Tree]:
    """The trees with the counts of ``rows`` where they do not say their own."""
    return [tree if len(tree.count) else replace(tree, count=tree.reached(rows)) for tree in trees]
