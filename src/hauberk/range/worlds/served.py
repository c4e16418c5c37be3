"""Small served models to talk to: a classifier of numbers, and one that repeats text.

Both are written node by node, so that a world needs neither training nor a converter and
stands in a fraction of a second. The classifier is a linear layer with a softmax; the
parrot gives every text back as it came, which is what a language model does at worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema
from hauberk.guard import bundle
from hauberk.guard.bundle import Bundle
from hauberk.guard.policy import GuardPolicy

WEIGHTS = ((1.5, -2.0), (-0.5, 1.0))
"""Two inputs by two classes."""

RANGE = 10.0
"""Inputs of the classifier lie between minus this and this."""


def classifier() -> bytes:
    """ONNX: ``x`` FP32 [rows, 2] to ``label`` INT64 [rows] and ``scores`` FP32 [rows, 2]."""
    from onnx import TensorProto, helper

    weights = helper.make_tensor(
        "w", TensorProto.FLOAT, [2, 2], [w for row in WEIGHTS for w in row]
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["scores"], axis=1),
        helper.make_node("ArgMax", ["z"], ["label"], axis=1, keepdims=0),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])
    return _serialized("classifier", nodes, [x], [label, scores], [weights])


def parrot() -> bytes:
    """ONNX: ``text`` BYTES [rows, 1] to ``answer`` of the same shape and content."""
    from onnx import TensorProto, helper

    text = helper.make_tensor_value_info("text", TensorProto.STRING, [None, 1])
    answer = helper.make_tensor_value_info("answer", TensorProto.STRING, [None, 1])
    nodes = [helper.make_node("Identity", ["text"], ["answer"])]
    return _serialized("parrot", nodes, [text], [answer], [])


def _serialized(
    name: str,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    data: Sequence[Any],
) -> bytes:
    from onnx import helper

    graph = helper.make_graph(nodes, name, inputs, outputs, data)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    raw: bytes = model.SerializeToString()
    return raw


CLASSIFIER_SCHEMA = InputSchema(
    inputs=(
        TensorSchema(
            name="x",
            datatype=Datatype.FP32,
            shape=(None, 2),
            columns=(
                Rule(name="a", low=-RANGE, high=RANGE),
                Rule(name="b", low=-RANGE, high=RANGE),
            ),
        ),
    ),
    outputs=(
        TensorSchema(name="label", datatype=Datatype.INT64, shape=(None,)),
        TensorSchema(name="scores", datatype=Datatype.FP32, shape=(None, 2)),
    ),
    max_rows=1000,
)
# No rule on the text: what a model says need not have come in as it goes out.
PARROT_SCHEMA = InputSchema(
    inputs=(
        TensorSchema(
            name="text",
            datatype=Datatype.BYTES,
            shape=(None, 1),
        ),
    ),
    outputs=(TensorSchema(name="answer", datatype=Datatype.BYTES, shape=(None, 1)),),
    max_rows=100,
)


def write_classifier(folder: Path, policy: GuardPolicy | None = None) -> Bundle:
    """A bundle with the classifier, written and loaded."""
    return _bundle(folder, "classifier", classifier(), CLASSIFIER_SCHEMA, policy)


def write_parrot(folder: Path, policy: GuardPolicy | None = None) -> Bundle:
    """A bundle with the parrot, written and loaded."""
    return _bundle(folder, "parrot", parrot(), PARROT_SCHEMA, policy)


@cache
def _profile() -> bytes:
    """A training profile with the columns of both models, even over their ranges."""
    import pyarrow as pa

    from hauberk.formats.tables import table_of
    from hauberk.sketches.profile import profile_of

    steps = [RANGE * (i / 100 - 1) for i in range(201)]
    rows = {"a": steps, "b": steps[::-1], "text": ["an everyday sentence"] * 201}
    return profile_of(table_of("training", [pa.record_batch(rows)])).to_bytes()


def profile_of_range() -> bytes:
    """A training profile for worlds whose models nobody watches."""
    return _profile()


def _bundle(
    folder: Path, name: str, model: bytes, schema: InputSchema, policy: GuardPolicy | None
) -> Bundle:
    digests = bundle.write(
        folder,
        name=name,
        version="1",
        model=model,
        schema=schema,
        profile=_profile(),
        policy=policy,
    )
    return bundle.load(folder, verify=bundle.pinned(digests[bundle.MANIFEST]))


def sponge() -> bytes:
    """ONNX: the classifier's inputs, and as many turns of a loop as the first value says."""
    from onnx import TensorProto, helper

    value, whole, truth = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    turn = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["total", "total"], ["next"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("i", whole, []),
            helper.make_tensor_value_info("go", truth, []),
            helper.make_tensor_value_info("total", value, [None, 2]),
        ],
        [
            helper.make_tensor_value_info("on", truth, []),
            helper.make_tensor_value_info("next", value, [None, 2]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["turns"], to=whole),
        helper.make_node("Loop", ["turns", "", "x"], ["y"], body=turn),
    ]
    x = helper.make_tensor_value_info("x", value, [None, 2])
    y = helper.make_tensor_value_info("y", value, [None, 2])
    return _serialized("sponge", nodes, [x], [y], [])


EXIT_WIDTH = 128
EXIT_TURNS = 70
"""Blocks of the early-exit model: one matrix of this width each, so many at most."""


def early_exit() -> bytes:
    """ONNX: the classifier with blocks in front that go on until the answer is sure.

    Each block makes the evidence grow by a tenth and costs one product of matrices; an input
    far from the border between the classes leaves after a few blocks, one near it after all.
    """
    from onnx import TensorProto, helper

    value, whole, truth = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    block = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["z"], ["evidence"], keepdims=0),
            helper.make_node("Mul", ["load", "evidence"], ["loaded"]),
            helper.make_node("MatMul", ["loaded", "block"], ["work"]),
            helper.make_node("ReduceMax", ["work"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "nothing"], ["none"]),
            helper.make_node("Mul", ["z", "growth"], ["grown"]),
            helper.make_node("Add", ["grown", "none"], ["next"]),
            helper.make_node("Abs", ["next"], ["size"]),
            helper.make_node("ReduceMax", ["size"], ["sure"], keepdims=0),
            helper.make_node("Less", ["sure", "enough"], ["on"]),
        ],
        "block",
        [
            helper.make_tensor_value_info("i", whole, []),
            helper.make_tensor_value_info("go", truth, []),
            helper.make_tensor_value_info("z", value, [None, 2]),
        ],
        [
            helper.make_tensor_value_info("on", truth, []),
            helper.make_tensor_value_info("next", value, [None, 2]),
        ],
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["first"]),
        helper.make_node("Loop", ["turns", "", "first"], ["last"], body=block),
        helper.make_node("Softmax", ["last"], ["scores"], axis=1),
        helper.make_node("ArgMax", ["last"], ["label"], axis=1, keepdims=0),
    ]
    size = EXIT_WIDTH
    data = [
        helper.make_tensor("w", value, [2, 2], [w for row in WEIGHTS for w in row]),
        helper.make_tensor("load", value, [size, size], [0.5] * size**2),
        helper.make_tensor("block", value, [size, size], [0.5] * size**2),
        helper.make_tensor("nothing", value, [], [0.0]),
        helper.make_tensor("growth", value, [], [1.1]),
        helper.make_tensor("enough", value, [], [20.0]),
        helper.make_tensor("turns", whole, [], [EXIT_TURNS]),
    ]
    x = helper.make_tensor_value_info("x", value, [None, 2])
    label = helper.make_tensor_value_info("label", whole, [None])
    scores = helper.make_tensor_value_info("scores", value, [None, 2])
    return _serialized("early_exit", nodes, [x], [label, scores], data)


def write_early_exit(folder: Path, policy: GuardPolicy | None = None) -> Bundle:
    """A bundle with the early-exit model under the classifier's name, written and loaded."""
    return _bundle(folder, "classifier", early_exit(), CLASSIFIER_SCHEMA, policy)


SPONGE_SCHEMA = InputSchema(
    inputs=(TensorSchema(name="x", datatype=Datatype.FP32, shape=(None, 2)),),
    outputs=(TensorSchema(name="y", datatype=Datatype.FP32, shape=(None, 2)),),
)


def write_sponge(folder: Path, policy: GuardPolicy | None = None) -> Bundle:
    """A bundle with the sponge, written and loaded."""
    return _bundle(folder, "sponge", sponge(), SPONGE_SCHEMA, policy)
