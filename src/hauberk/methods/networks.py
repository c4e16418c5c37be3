"""Neural networks as plain arithmetic, forwards and backwards, without a framework.

A `Network` is a list of steps in the order of their data, made from an ONNX graph or from a
fitted scikit-learn model. It gives scores, and the gradient of a loss by its inputs, which
attacks and trigger inversion need. Only numpy is used; steps that are not known are refused by
name, and the caller falls back to attacks that need no gradients.

References:
    ONNX operator specification, opset 17. Griewank and Walther (2008), Evaluating derivatives,
    section 3.2 (reverse mode).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError

Array = Any
"""A numpy array, float32 or float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation.

    Attributes:
        kind: Name of the operation, as ONNX has it.
        inputs: Names of what it takes.
        output: Name of what it gives.
        settings: Attributes.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A model as steps.

    Attributes:
        steps: In the order of their data.
        constants: Weights by name.
        source: Name of the input.
        result: Name of the scores, ``(n, n_classes)``.
        is_probability: Whether the scores are probabilities; else they are logits.
        shape: Shape of one row at the input.
    """

    steps: tuple[Step, ...]
    constants: Mapping[str, Array]
    source: str
    result: str
    is_probability: bool
    shape: tuple[int, ...]

    def scores(self, rows: Array) -> Array:
        """``(n, n_classes)``."""
        return self._forward(rows)[self.result]

    def gradient(self, rows: Array, pull: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Scores, and the gradient by ``rows`` of what ``pull`` is the gradient of by scores.

        Args:
            rows: ``(n, ...)``; reshaped to the input's shape.
            pull: Scores to the gradient of the loss by the scores, of the same shape.
        """
        values = self._forward(rows)
        scores = values[self.result]
        grads: dict[str, Array] = {self.result: pull(scores)}
        for step in reversed(self.steps):
            upstream = grads.pop(step.output, None)
            if upstream is None:
                continue
            taken = [values.get(name) for name in step.inputs]
            back = _BACKWARD[step.kind](step, taken, values[step.output], upstream)
            for name, grad in zip(step.inputs, back, strict=False):
                if grad is not None and name not in self.constants:
                    grads[name] = grads[name] + grad if name in grads else grad
        found = grads.get(self.source)
        return scores, np.zeros_like(rows) if found is None else found.reshape(rows.shape)

    def _forward(self, rows: Array) -> dict[str, Array]:
        batch = np.asarray(rows, np.float32).reshape((len(rows), *self.shape))
        values: dict[str, Array] = {**self.constants, self.source: batch}
        for step in self.steps:
            values[step.output] = _FORWARD[step.kind](step, [values[n] for n in step.inputs])
        return values


def straightened(network: Network) -> Network:
    """The network without what hides its gradients: logits, and steps taken as if smooth.

    The last softmax or sigmoid is left out, and rounding passes gradients through.

    References:
        Athalye, Carlini and Wagner (2018), Obfuscated gradients give a false sense of security,
        section 4.
    """
    kept = [
        replace(step, kind="Through") if step.kind == "Round" else step for step in network.steps
    ]
    while kept and kept[-1].kind in ("Identity", "Normalized"):
        kept.pop()
    if kept and kept[-1].kind == "Softmax":
        kept.pop()
    result = kept[-1].output if kept else network.source
    return replace(network, steps=tuple(kept), result=result, is_probability=False)


def margin_pull(labels: Array) -> Callable[[Array], Array]:
    """Gradient of how far the best other class is above the own one, by the scores."""

    def pull(scores: Array) -> Array:
        places = np.arange(len(labels))
        others = scores.copy()
        others[places, labels] = -np.inf
        out = np.zeros_like(scores)
        out[places, others.argmax(axis=1)] = 1
        out[places, labels] = -1
        return out

    return pull


# Steps, forwards -----------------------------------------------------------------------


def _softmax(x: Array) -> Array:
    moved = np.exp(x - x.max(axis=-1, keepdims=True))
    return moved / moved.sum(axis=-1, keepdims=True)


def _gemm(step: Step, inputs: list[Array]) -> Array:
    a, b = inputs[0], inputs[1].T if step.settings.get("transB") else inputs[1]
    out = step.settings.get("alpha", 1.0) * (a @ b)
    return out + step.settings.get("beta", 1.0) * inputs[2] if len(inputs) > 2 else out  # noqa: PLR2004 - with a bias


def _windows(x: Array, kernel: Sequence[int], strides: Sequence[int]) -> Array:
    view = np.lib.stride_tricks.sliding_window_view(x, tuple(kernel), axis=(2, 3))
    return view[:, :, :: strides[0], :: strides[1]]


def _padded(x: Array, pads: Sequence[int], value: float) -> Array:
    top, left, bottom, right = pads
    if not any(pads):
        return x
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _geometry(step: Step, kernel: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    found = step.settings
    return list(kernel), list(found.get("strides", (1, 1))), list(found.get("pads", (0, 0, 0, 0)))


def _conv(step: Step, inputs: list[Array]) -> Array:
    weights = inputs[1]
    kernel, strides, pads = _geometry(step, weights.shape[2:])
    view = _windows(_padded(inputs[0], pads, 0.0), kernel, strides)
    n, _, height, width = view.shape[:4]
    columns = view.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, -1)
    out = columns @ weights.reshape(len(weights), -1).T
    out = out.reshape(n, height, width, len(weights)).transpose(0, 3, 1, 2)
    return out + inputs[2][None, :, None, None] if len(inputs) > 2 else out  # noqa: PLR2004 - with a bias


def _max_pool(step: Step, inputs: list[Array]) -> Array:
    kernel, strides, pads = _geometry(step, step.settings["kernel_shape"])
    return _windows(_padded(inputs[0], pads, -np.inf), kernel, strides).max(axis=(4, 5))


def _average_pool(step: Step, inputs: list[Array]) -> Array:
    kernel, strides, _ = _geometry(step, step.settings["kernel_shape"])
    return _windows(inputs[0], kernel, strides).mean(axis=(4, 5))


def _flatten(_step: Step, inputs: list[Array]) -> Array:
    return inputs[0].reshape(len(inputs[0]), -1)


def _reshape(step: Step, inputs: list[Array]) -> Array:
    return inputs[0].reshape((len(inputs[0]), *step.settings["row"]))


_FORWARD: Mapping[str, Callable[[Step, list[Array]], Array]] = {
    "Gemm": _gemm,
    "MatMul": lambda _, x: x[0] @ x[1],
    "Add": lambda _, x: x[0] + x[1],
    "Sub": lambda _, x: x[0] - x[1],
    "Mul": lambda _, x: x[0] * x[1],
    "Div": lambda _, x: x[0] / x[1],
    "Relu": lambda _, x: np.maximum(x[0], 0),
    "Tanh": lambda _, x: np.tanh(x[0]),
    "Sigmoid": lambda _, x: 1 / (1 + np.exp(-np.clip(x[0], -60, 60))),
    "Softmax": lambda _, x: _softmax(x[0]),
    "Identity": lambda _, x: x[0],
    "Concat": lambda step, x: np.concatenate(x, axis=step.settings["axis"]),
    "Round": lambda _, x: np.round(x[0]),
    "Through": lambda _, x: np.round(x[0]),
    "Pair": lambda _, x: np.concatenate([1 - x[0], x[0]], axis=1),
    "Normalized": lambda _, x: x[0] / np.maximum(np.abs(x[0]).sum(axis=1, keepdims=True), 1e-12),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda _, x: x[0].mean(axis=(2, 3), keepdims=True),
}


# Steps, backwards ----------------------------------------------------------------------

Back = Callable[[Step, list[Array], Array, Array], Sequence[Array]]


def _fitted(grad: Array, like: Array) -> Array:
    """``grad`` summed over the axes along which ``like`` was spread."""
    while grad.ndim > np.ndim(like):
        grad = grad.sum(axis=0)
    for axis, size in enumerate(np.shape(like)):
        if size == 1 and grad.shape[axis] != 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


def _back_gemm(step: Step, x: list[Array], _y: Array, g: Array) -> Sequence[Array]:
    b = x[1].T if step.settings.get("transB") else x[1]
    return (step.settings.get("alpha", 1.0) * (g @ b.T),)


def _scattered(windows: Array, step: Step, kernel: Sequence[int], shape: Sequence[int]) -> Array:
    """Gradients of windows ``(n, c, h, w, kh, kw)`` added up where they came from."""
    kernel, strides, pads = _geometry(step, kernel)
    top, left, bottom, right = pads
    n, c, height, width = shape
    out = np.zeros((n, c, height + top + bottom, width + left + right), windows.dtype)
    rows, columns = windows.shape[2], windows.shape[3]
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows_to = slice(i, i + strides[0] * rows, strides[0])
            columns_to = slice(j, j + strides[1] * columns, strides[1])
            out[:, :, rows_to, columns_to] += windows[..., i, j]
    return out[:, :, top : top + height, left : left + width]


def _back_conv(step: Step, x: list[Array], _y: Array, g: Array) -> Sequence[Array]:
    weights = x[1]
    spread = np.tensordot(g, weights, axes=([1], [0]))  # n, h, w, c, kh, kw
    return (_scattered(spread.transpose(0, 3, 1, 2, 4, 5), step, weights.shape[2:], x[0].shape),)


def _back_max_pool(step: Step, x: list[Array], y: Array, g: Array) -> Sequence[Array]:
    kernel, strides, pads = _geometry(step, step.settings["kernel_shape"])
    view = _windows(_padded(x[0], pads, -np.inf), kernel, strides)
    hit = (view == y[..., None, None]).astype(g.dtype)
    hit /= np.maximum(hit.sum(axis=(4, 5), keepdims=True), 1)
    return (_scattered(hit * g[..., None, None], step, kernel, x[0].shape),)


def _back_average_pool(step: Step, x: list[Array], _y: Array, g: Array) -> Sequence[Array]:
    kernel = step.settings["kernel_shape"]
    share = np.ones(tuple(kernel), g.dtype) / float(np.prod(kernel))
    return (_scattered(g[..., None, None] * share, step, kernel, x[0].shape),)


def _back_global(_s: Step, x: list[Array], _y: Array, g: Array) -> Sequence[Array]:
    return (np.broadcast_to(g / (x[0].shape[2] * x[0].shape[3]), x[0].shape),)


def _back_softmax(_s: Step, _x: list[Array], y: Array, g: Array) -> Sequence[Array]:
    return (y * (g - (g * y).sum(axis=-1, keepdims=True)),)


def _back_normalized(_s: Step, x: list[Array], y: Array, g: Array) -> Sequence[Array]:
    total = np.maximum(np.abs(x[0]).sum(axis=1, keepdims=True), 1e-12)
    return ((g - np.sign(x[0]) * (g * y).sum(axis=1, keepdims=True)) / total,)


def _back_concat(step: Step, x: list[Array], _y: Array, g: Array) -> Sequence[Array]:
    axis = step.settings["axis"]
    ends = np.cumsum([part.shape[axis] for part in x])[:-1]
    return np.split(g, ends, axis=axis)


_BACKWARD: Mapping[str, Back] = {
    "Gemm": _back_gemm,
    "MatMul": lambda _s, x, _y, g: (g @ x[1].T,),
    "Add": lambda _s, x, _y, g: (_fitted(g, x[0]), _fitted(g, x[1])),
    "Sub": lambda _s, x, _y, g: (_fitted(g, x[0]), _fitted(-g, x[1])),
    "Mul": lambda _s, x, _y, g: (_fitted(g * x[1], x[0]), _fitted(g * x[0], x[1])),
    "Div": lambda _s, x, _y, g: (_fitted(g / x[1], x[0]), None),
    "Relu": lambda _s, x, _y, g: (g * (x[0] > 0),),
    "Tanh": lambda _s, _x, y, g: (g * (1 - y * y),),
    "Sigmoid": lambda _s, _x, y, g: (g * y * (1 - y),),
    "Softmax": _back_softmax,
    "Identity": lambda _s, _x, _y, g: (g,),
    "Concat": _back_concat,
    # What is rounded has no slope: that is what hides gradients, and it is kept as it is.
    "Round": lambda _s, x, _y, _g: (np.zeros_like(x[0]),),
    "Through": lambda _s, _x, _y, g: (g,),
    "Pair": lambda _s, _x, _y, g: (g[:, 1:] - g[:, :1],),
    "Normalized": _back_normalized,
    "Flatten": lambda _s, x, _y, g: (g.reshape(x[0].shape),),
    "Reshape": lambda _s, x, _y, g: (g.reshape(x[0].shape),),
    "Conv": _back_conv,
    "MaxPool": _back_max_pool,
    "AveragePool": _back_average_pool,
    "GlobalAveragePool": _back_global,
}

KINDS = frozenset(_FORWARD)


# Losses --------------------------------------------------------------------------------


def cross_entropy_pull(labels: Array, *, is_probability: bool) -> Callable[[Array], Array]:
    """Gradient of the cross entropy of each row by its scores."""

    def pull(scores: Array) -> Array:
        places = np.arange(len(labels))
        if is_probability:
            out = np.zeros_like(scores)
            out[places, labels] = -1 / np.maximum(scores[places, labels], 1e-30)
            return out
        out = _softmax(scores)
        out[places, labels] -= 1
        return out

    return pull


def unknown(kind: str) -> UnavailableError:
    """The error for a step that has no gradient here."""
    return UnavailableError(
        "the model has a step without a known gradient",
        rule="gradients are taken through steps that are known",
        expected=", ".join(sorted(KINDS)),
        found=kind,
        hint="attacks that need no gradient are used instead",
    )
