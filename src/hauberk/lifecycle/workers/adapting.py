"""Programs of torch and boosters as estimators, so that runs score and export them like others.

They do not say what their classes are called: these are 0, 1 and so on, as trainings number them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError
from hauberk.lifecycle.workers.forms import booster_form, torch_form

_MATRIX = 2
_MARGIN = 60.0


class Adapted:
    """A model that gives scores of a frame.

    Attributes:
        classes_: Numbers of the classes; known once rows were scored.
    """

    def __init__(self, ask: Callable[[Any], Any], features: list[str], program: Any = None) -> None:
        self._ask, self._program = ask, program
        self.classes_: Any = None
        if features:
            self.feature_names_in_ = np.array(features, object)

    def predict_proba(self, rows: Any) -> Any:
        """Probabilities, ``(n, n_classes)``; one score to a row stays what it is: a number."""
        import pandas as pd

        from hauberk.lifecycle.workers.answers import are_probabilities, softmax

        frame = rows if hasattr(rows, "columns") else pd.DataFrame(rows)
        found = np.asarray(self._ask(frame), np.float64)
        if found.ndim < _MATRIX:
            return found
        self.classes_ = np.arange(found.shape[1])
        return found if are_probabilities(found) else softmax(found)

    def to_onnx(self, rows: Any, name: str, opset: int) -> bytes:
        """The program as a graph of one tensor of all columns, with probabilities.

        Raises:
            UnavailableError: It is no program of torch.
        """
        if self._program is None:
            raise UnavailableError("boosters are not converted to ONNX here")
        self.predict_proba(rows)
        return bytes(self._program(rows, name, opset))


def adapted(path: Path) -> Adapted | None:
    """The model in a file, where it is a program of torch or a booster."""
    if form := torch_form(path):
        from hauberk.lifecycle.workers import torch_models

        return Adapted(*torch_models.asked(path, form))
    if form := booster_form(path):
        from hauberk.lifecycle.workers import boosters

        features, ask = boosters.asked(path, form)
        is_plain = boosters.are_made_up(features)
        return Adapted(lambda rows: _pair(ask(rows), form, path), [] if is_plain else features)
    return None


def _pair(found: Any, form: str, path: Path) -> Any:
    """Both classes where a booster gives the second one's probability, as its objective says."""
    from hauberk.lifecycle.workers.boosters import is_binary

    scores = np.asarray(found, np.float64)
    if scores.ndim == 1 and is_binary(path, form):
        return np.column_stack([1 - scores, scores])
    return scores


def written(
    module: Any, shape: tuple[int, ...], name: str, opset: int, *, is_logits: bool
) -> bytes:
    """A module of torch as a graph that takes lines of numbers and gives probabilities."""
    import onnx
    import torch

    buffer = io.BytesIO()
    torch.onnx.export(
        module,
        (torch.zeros(2, *shape),),
        buffer,
        input_names=["rows"],
        output_names=["scores"],
        dynamic_axes={"rows": {0: "n"}, "scores": {0: "n"}},
        opset_version=opset,
        dynamo=False,
    )
    model = onnx.load_model_from_string(buffer.getvalue())
    _take_lines(model.graph, shape, name)
    if is_logits:
        _give_probabilities(model.graph)
    return bytes(model.SerializeToString())


def _take_lines(graph: Any, shape: tuple[int, ...], name: str) -> None:
    """Put a reshape in front of the graph's input."""
    from onnx import TensorProto, helper

    sizes = helper.make_tensor("hauberk_row", TensorProto.INT64, [len(shape) + 1], [-1, *shape])
    lines = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", int(np.prod(shape))])
    graph.initializer.append(sizes)
    graph.node.insert(0, helper.make_node("Reshape", [name, "hauberk_row"], ["rows"]))
    del graph.input[:]
    graph.input.append(lines)


def _give_probabilities(graph: Any) -> None:
    """Put a softmax behind the graph's output."""
    from onnx import TensorProto, helper

    graph.node.append(helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1))
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", None])
    )
