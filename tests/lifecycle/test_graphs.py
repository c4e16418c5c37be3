"""Graphs of unusual ends, asked about the rows of a table."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from hauberk.errors import ArtifactError
from hauberk.lifecycle.workers.graphs import Graph, opened

WEIGHTS = np.arange(12, dtype=np.float32).reshape(6, 2)
ROWS = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 6)), columns=list("abcdef"))


def graph(nodes, inputs, outputs) -> Graph:
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in some]
        for some in (inputs, outputs)
    ]
    made = helper.make_graph(nodes, "g", *ends, [numpy_helper.from_array(WEIGHTS, "W")])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return Graph(onnxruntime.InferenceSession(model.SerializeToString(), options))


def product(shape=(None, 6)) -> Graph:
    node = helper.make_node("MatMul", ["x", "W"], ["y"])
    return graph([node], [("x", shape)], [("y", (shape[0], 2))])


def expected():
    return ROWS.to_numpy().astype(np.float32) @ WEIGHTS


@pytest.mark.parametrize("batch", [None, 1, 2, 5, 8])
def test_any_fixed_number_of_rows_gives_the_same_scores(batch):
    np.testing.assert_allclose(product((batch, 6)).scores(ROWS), expected(), rtol=1e-5)


def test_pixels_are_put_into_the_shape_of_a_picture():
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "W"], ["y"]),
    ]
    found = graph(nodes, [("x", (None, 1, 2, 3))], [("y", (None, 2))])
    np.testing.assert_allclose(found.scores(ROWS), expected(), rtol=1e-5)


def test_scores_are_the_last_output_with_numbers_for_each_row():
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["y"]),
        helper.make_node("ReduceSum", ["y"], ["z"], keepdims=0),
    ]
    found = graph(nodes, [("x", (None, 6))], [("y", (None, 2)), ("z", ())])
    assert found.scores(ROWS).shape == (5, 2)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            lambda: graph(
                [helper.make_node("Identity", ["x"], ["y"])], [("x", (None, 9))], [("y", (None, 9))]
            ),
            "another number of columns",
        ),
        (
            lambda: graph(
                [
                    helper.make_node("MatMul", ["x", "W"], ["p"]),
                    helper.make_node("Add", ["p", "s"], ["y"]),
                ],
                [("x", (None, 6)), ("s", (None, 2))],
                [("y", (None, 2))],
            ),
            "several tensors",
        ),
        (
            lambda: graph(
                [
                    helper.make_node("MatMul", ["x", "W"], ["p"]),
                    helper.make_node("ReduceSum", ["p"], ["y"], keepdims=0),
                ],
                [("x", (None, 6))],
                [("y", ())],
            ),
            "gives no scores",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_of_the_model(found, words):
    with pytest.raises(ArtifactError, match=words):
        found().scores(ROWS)


def test_a_graph_that_fails_on_the_rows_says_what_the_runtime_said():
    node = helper.make_node("MatMul", ["x", "W"], ["y"])
    found = graph([node], [("x", (None, None))], [("y", (None, 2))])
    with pytest.raises(ArtifactError, match="cannot be run"):
        found.scores(ROWS[["a", "b"]])


def test_a_graph_that_the_runtime_does_not_take_is_an_error_of_the_model():
    with pytest.raises(ArtifactError, match="does not load"):
        opened(b"\x08\x08nothing")
