"""A served model with what stands around its weights: normalisation, label map, input order.

A linear layer over normalised features whose answer is a word from the label map. All parts
are in the bundle as files of their own or as parts of the graph, so that each can be changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema
from hauberk.guard import bundle

N_FEATURES = 6
RANGE = 100.0
_WORDS = ("approve", "refuse", "review", "wait", "escalate", "archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a sorter is made of.

    Attributes:
        order: Names of the columns in the order in which the graph takes them.
        weights: ``n_features`` rows of one number for each label.
    """

    labels: tuple[str, ...]
    order: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]


def parts(rng: Random) -> Parts:
    """Random weights that give every label some rows."""
    labels = tuple(rng.sample(_WORDS, rng.randint(2, len(_WORDS))))
    return Parts(
        labels=labels,
        order=tuple(f"f{number}" for number in range(N_FEATURES)),
        mean=tuple(rng.uniform(-20, 20) for _ in range(N_FEATURES)),
        std=tuple(rng.uniform(5, 50) for _ in range(N_FEATURES)),
        weights=tuple(tuple(rng.gauss(0, 1) for _ in labels) for _ in range(N_FEATURES)),
    )


def rows(rng: Random, count: int) -> list[dict[str, float]]:
    """Rows by column name."""
    names = [f"f{number}" for number in range(N_FEATURES)]
    return [{name: rng.uniform(-RANGE, RANGE) for name in names} for _ in range(count)]


def answers(made: Parts, asked: list[dict[str, float]]) -> list[str]:
    """What the parts say of rows, computed without a runtime."""
    return [made.labels[_best(made, row)] for row in asked]


def _best(made: Parts, row: dict[str, float]) -> int:
    values = [
        (row[name] - mean) / std
        for name, mean, std in zip(made.order, made.mean, made.std, strict=True)
    ]
    scores = [
        sum(value * line[label] for value, line in zip(values, made.weights, strict=True))
        for label in range(len(made.labels))
    ]
    return scores.index(max(scores))


def write(folder: Path, made: Parts) -> Digest:
    """The parts as a bundle; the digest that a release would pin."""
    from hauberk.range.worlds.served import profile_of_range

    columns = tuple(Rule(name=name, low=-RANGE, high=RANGE) for name in made.order)
    schema = InputSchema(
        inputs=(
            TensorSchema(
                name="x", datatype=Datatype.FP32, shape=(None, N_FEATURES), columns=columns
            ),
        ),
        outputs=(TensorSchema(name="label", datatype=Datatype.BYTES, shape=(None,)),),
        max_rows=1000,
    )
    digests = bundle.write(
        folder,
        name="sorter",
        version="1",
        model=_graph(made),
        schema=schema,
        profile=profile_of_range(),
    )
    return digests[bundle.MANIFEST]


def changed(made: Parts, **parts_: Any) -> Parts:
    """The same with other parts."""
    return replace(made, **parts_)


def _graph(made: Parts) -> bytes:
    from onnx import TensorProto, helper

    def constant(name: str, shape: list[int], values: list[float]) -> Any:
        return helper.make_tensor(name, TensorProto.FLOAT, shape, values)

    flat = [weight for line in made.weights for weight in line]
    words = [label.encode() for label in made.labels]
    data = [
        constant("mean", [1, N_FEATURES], list(made.mean)),
        constant("std", [1, N_FEATURES], list(made.std)),
        constant("w", [N_FEATURES, len(words)], flat),
        helper.make_tensor("labels", TensorProto.STRING, [len(words)], words),
    ]
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["c"]),
        helper.make_node("Div", ["c", "std"], ["n"]),
        helper.make_node("MatMul", ["n", "w"], ["z"]),
        helper.make_node("ArgMax", ["z"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["labels", "best"], ["label"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, N_FEATURES])
    label = helper.make_tensor_value_info("label", TensorProto.STRING, [None])
    graph = helper.make_graph(nodes, "sorter", [x], [label], data)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    raw: bytes = model.SerializeToString()
    return raw
