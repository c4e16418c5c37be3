"""Networks whose scores and gradients torch computes; see `methods.networks`.

Two kinds: a module of torch itself (TorchScript, an exported program), and a `Network` read from
a graph, whose steps torch runs several times faster than numpy. Both are networks to everybody
who asks for scores and gradients, and run on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError
from hauberk.methods.networks import Array, Network, Step

_FOUR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchNetwork(Network):
    """A network that torch runs.

    Attributes:
        call: A tensor of rows in their shape to a tensor of scores ``(n, n_classes)``.
    """

    call: Callable[[Any], Any]

    def scores(self, rows: Array) -> Array:
        """``(n, n_classes)``."""
        import torch

        with torch.no_grad():
            return self.call(self._tensor(rows)).numpy()

    def gradient(self, rows: Array, pull: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Scores, and the gradient by ``rows`` of what ``pull`` is the gradient of by scores."""
        import torch

        given = self._tensor(rows).requires_grad_()
        scores = self.call(given)
        plain = scores.detach().numpy()
        pulled = torch.from_numpy(np.asarray(pull(plain), np.float32))
        (found,) = torch.autograd.grad(scores, given, pulled, allow_unused=True)
        gradient = torch.zeros_like(given) if found is None else found
        return plain, gradient.numpy().reshape(rows.shape)

    def _tensor(self, rows: Array) -> Any:
        import torch

        cells = np.ascontiguousarray(np.asarray(rows, np.float32).reshape(len(rows), *self.shape))
        tensor = torch.from_numpy(cells)
        if tensor.dim() == _FOUR:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor


def torch_module(
    call: Callable[[Any], Any], shape: tuple[int, ...], *, is_probability: bool
) -> TorchNetwork:
    """The network that a module of torch is."""
    return TorchNetwork(
        steps=(),
        constants={},
        source="",
        result="",
        is_probability=is_probability,
        shape=shape,
        call=call,
    )


def quickened(network: Network) -> Network:
    """The same network on torch, where torch is there and knows its steps; else as it is.

    Straightening comes first: what is quickened keeps no steps to leave out.
    """
    try:
        import torch
    except ImportError:
        return network
    torch.set_num_threads(1)
    constants = {
        name: torch.from_numpy(np.ascontiguousarray(value))
        for name, value in network.constants.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
    }
    for step in network.steps:
        name = step.inputs[1] if step.kind == "Conv" else ""
        if name in constants and constants[name].dim() == _FOUR:
            constants[name] = constants[name].contiguous(memory_format=torch.channels_last)
    call = runner(network, constants)
    if call is None:
        return network

    # Where it begins and ends is one name: there are no steps that straightening could leave out.
    return TorchNetwork(
        steps=(),
        constants={},
        source=network.result,
        result=network.result,
        is_probability=network.is_probability,
        shape=network.shape,
        call=call,
    )


def runner(network: Network, constants: Mapping[str, Any]) -> Callable[[Any], Any] | None:
    """A tensor of rows to the network's scores; ``None`` where a step is not known to torch.

    Args:
        constants: Tensors by name, in place of the network's own.
    """
    if not network.steps or any(step.kind not in _RUN for step in network.steps):
        return None

    def call(rows: Any) -> Any:
        values: dict[str, Any] = {**constants, network.source: rows}
        for step in network.steps:
            values[step.output] = _RUN[step.kind](step, [values[name] for name in step.inputs])
        return values[network.result]

    return call


def checked(network: TorchNetwork, rows: Array) -> TorchNetwork:
    """``network`` if gradients can be taken of it.

    Raises:
        UnavailableError: They cannot, as with a program that was exported for inference only.
    """
    try:
        network.gradient(np.asarray(rows, np.float32), np.ones_like)
    except (RuntimeError, ValueError, TypeError) as error:
        raise UnavailableError(
            "torch takes no gradients of the model", found=str(error)[:200]
        ) from error
    return network


# Steps ---------------------------------------------------------------------------------


def _gemm(step: Step, x: list[Any]) -> Any:
    b = x[1].T if step.settings.get("transB") else x[1]
    out = step.settings.get("alpha", 1.0) * (x[0] @ b)
    return out + step.settings.get("beta", 1.0) * x[2] if len(x) > 2 else out  # noqa: PLR2004 - with a bias


def _padded(x: Any, pads: Any, value: float) -> Any:
    from torch.nn.functional import pad

    top, left, bottom, right = pads
    return pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def _conv(step: Step, x: list[Any]) -> Any:
    from torch.nn.functional import conv2d

    top, left, bottom, right = pads = tuple(step.settings.get("pads", (0, 0, 0, 0)))
    bias = x[2] if len(x) > 2 else None  # noqa: PLR2004 - with a bias
    strides = tuple(step.settings.get("strides", (1, 1)))
    if (top, left) == (bottom, right):
        return conv2d(x[0], x[1], bias, stride=strides, padding=(top, left))
    return conv2d(_padded(x[0], pads, 0.0), x[1], bias, stride=strides)


def _max_pool(step: Step, x: list[Any]) -> Any:
    from torch.nn.functional import max_pool2d

    given = _padded(x[0], step.settings.get("pads", (0, 0, 0, 0)), float("-inf"))
    kernel = tuple(step.settings["kernel_shape"])
    return max_pool2d(given, kernel, stride=tuple(step.settings.get("strides", (1, 1))))


def _average_pool(step: Step, x: list[Any]) -> Any:
    from torch.nn.functional import avg_pool2d

    kernel = tuple(step.settings["kernel_shape"])
    return avg_pool2d(x[0], kernel, stride=tuple(step.settings.get("strides", (1, 1))))


def _concat(step: Step, x: list[Any]) -> Any:
    import torch

    return torch.cat(x, dim=step.settings["axis"])


def _pair(_step: Step, x: list[Any]) -> Any:
    import torch

    return torch.cat([1 - x[0], x[0]], dim=1)


_RUN: Mapping[str, Callable[[Step, list[Any]], Any]] = {
    "Gemm": _gemm,
    "MatMul": lambda _, x: x[0] @ x[1],
    "Add": lambda _, x: x[0] + x[1],
    "Sub": lambda _, x: x[0] - x[1],
    "Mul": lambda _, x: x[0] * x[1],
    "Div": lambda _, x: x[0] / x[1],
    "Relu": lambda _, x: x[0].relu(),
    "Tanh": lambda _, x: x[0].tanh(),
    "Sigmoid": lambda _, x: x[0].sigmoid(),
    "Softmax": lambda _, x: x[0].softmax(dim=-1),
    "Identity": lambda _, x: x[0],
    "Concat": _concat,
    "Pair": _pair,
    "Flatten": lambda _, x: x[0].reshape(len(x[0]), -1),
    "Reshape": lambda step, x: x[0].reshape(len(x[0]), *step.settings["row"]),
    "Conv": _conv,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda _, x: x[0].mean(dim=(2, 3), keepdim=True),
}
"""What torch runs; rounding and what else hides gradients stays with numpy."""
