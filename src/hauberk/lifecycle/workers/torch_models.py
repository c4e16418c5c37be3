"""Load programs of torch, TorchScript and torch.export; only ever in the worker.

A state dictionary is numbers without the program that uses them, and a pickled module wants the
project's own classes: both are refused with the way out. Rows of a table are given to a program
in the shape that it declares, that the caller names, or in which it answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.lifecycle.workers.answers import (
    advice,
    are_probabilities,
    is_choice,
    labels_of,
    named,
    two_columns,
)
from hauberk.lifecycle.workers.attacking import Opened
from hauberk.lifecycle.workers.forms import SCRIPT, STATE
from hauberk.lifecycle.workers.relearning import (
    Trainable,
    fresh_module,
    is_retrained,
    learning,
)

if TYPE_CHECKING:
    from hauberk.methods.networks import Network

_PROBED = 2
_MATRIX = 2
_CHUNK = 4096


def opened(path: Path, kind: str, frames: Sequence[Any], request: Mapping[str, Any]) -> Opened:
    """The program in a file.

    Raises:
        UnavailableError: torch is not installed.
        ArtifactError: The file holds no program, or the program does not take the rows.
    """
    module, declared = _loaded(path, kind)
    frame = frames[0]
    features = list(request["features"]) or [
        str(name) for name in frame.columns if name != request["label"]
    ]
    call = _Call(module, _shape(module, declared, frame[features], request))
    first = call(frame[features].iloc[:_CHUNK])
    labels = labels_of(frames, request["label"])
    made = Opened(
        features=features, classes=[], scores=call, network=_none, weights=lambda: _weights(module)
    )
    if first.ndim == _MATRIX:
        is_logits = not are_probabilities(first)
        made = replace(
            made,
            classes=named(first.shape[1], labels),
            network=lambda: call.network(is_probability=not is_logits),
            are_logits=is_logits,
        )
    elif is_choice(labels):
        names, both = two_columns(call, labels, first)
        made = replace(made, classes=names, scores=both)
        is_logits = bool(first.min(initial=0.0) < 0 or first.max(initial=0.0) > 1)
    if not made.classes or not is_retrained(request):
        return made
    if call.is_fixed:
        return replace(
            made,
            not_again="the program takes a fixed number of rows at a time; export "
            "it with a dynamic first size, and its shadows can be trained",
        )

    def fresh(seed: int) -> Trainable:
        module, _ = _loaded(path, kind)
        weights = fresh_module(module, seed)
        return Trainable(
            call=lambda given: _tensor(module(given), len(given)),
            weights=weights,
            shape=call.shape,
            is_probability=not is_logits,
            mode=module.train if kind == SCRIPT else bool,
        )

    return learning(made, fresh, frames, request)


def asked(path: Path, kind: str) -> tuple[Any, list[str], Any]:
    """Scores of a frame by the program in a file, no names of columns, and its writer to ONNX.

    Raises:
        UnavailableError: torch is not installed.
        ArtifactError: The file holds no program.
    """
    from hauberk.lifecycle.workers.adapting import written

    module, declared = _loaded(path, kind)

    def ask(rows: Any) -> Any:
        return _Call(module, _shape(module, declared, rows, {}))(rows)

    def writer(rows: Any, name: str, opset: int) -> bytes:
        step, *shape = _shape(module, declared, rows, {})
        if step:
            raise UnavailableError("the program takes a fixed number of rows")
        is_logits = not are_probabilities(ask(rows))
        return written(module, tuple(shape), name, opset, is_logits=is_logits)

    return ask, [], writer


def _loaded(path: Path, kind: str) -> tuple[Any, tuple[int, ...]]:
    """A module to call, and the shape of its input where the file says it; 0 is any size."""
    if kind == STATE:
        raise ArtifactError(
            "the file holds numbers of torch without the program that uses them",
            subject=path.name,
            expected="TorchScript, an exported program, or ONNX",
            found="a state dictionary or a pickled module",
            hint="write torch.jit.trace(model, rows).save(FILE), "
            "torch.export.save(torch.export.export(model, (rows,)), FILE) or torch.onnx.export",
        )
    try:
        import torch
    except ImportError:
        raise UnavailableError(
            "torch is not installed beside Hauberk",
            rule="a model is scored by the library that made it",
            hint="pip install 'hauberk[torch]', or name an interpreter that has it with --python",
        ) from None
    torch.set_num_threads(1)
    try:
        if kind == SCRIPT:
            module = torch.jit.load(str(path), map_location="cpu")
            return module.eval(), ()
        program = torch.export.load(str(path))
        return program.module(), _declared(program)
    except Exception as error:  # a foreign library may raise anything; it becomes our error
        raise ArtifactError(
            "torch does not take the model",
            subject=path.name,
            found=f"{type(error).__name__}: {str(error)[:200]}",
            hint="the torch beside Hauberk may be older than the one that wrote the file",
        ) from error


def _declared(program: Any) -> tuple[int, ...]:
    wanted = set(program.graph_signature.user_inputs)
    nodes = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in wanted]
    if len(nodes) != 1:
        raise ValueError(f"it takes {len(nodes)} tensors, and a table is one")
    sizes = nodes[0].meta["val"].shape
    return tuple(size if isinstance(size, int) else 0 for size in sizes)


class _Call:
    """A module that answers rows of a table."""

    def __init__(self, module: Any, shape: tuple[int, ...]) -> None:
        self._module = module
        self._step, self._shape = shape[0], shape[1:]
        self.is_fixed, self.shape = bool(self._step), self._shape

    def __call__(self, rows: Any) -> Any:
        """Scores as float64, ``(n, k)``, or ``(n,)`` where each row has one."""
        cells = rows.to_numpy(np.float32)
        size = self._step or _CHUNK
        parts = [
            _said(self._module, self._filled(cells[first : first + size]))
            for first in range(0, len(cells), size)
        ]
        found = np.concatenate([part[: len(cells)] for part in parts])[: len(cells)]
        return found[:, 0] if found.shape[1] == 1 else found

    def network(self, *, is_probability: bool) -> Network:
        """The module with its gradients."""
        from hauberk.methods.torch_networks import checked, torch_module

        if self._step:
            raise UnavailableError("the program takes a fixed number of rows")
        module = self._module
        found = torch_module(
            lambda given: _tensor(module(given), len(given)),
            self._shape,
            is_probability=is_probability,
        )
        return checked(found, np.zeros((_PROBED, math.prod(self._shape)), np.float32))

    def _filled(self, cells: Any) -> Any:
        short = self._step - len(cells) if self._step else 0
        whole = np.concatenate([cells, np.repeat(cells[-1:], short, 0)]) if short > 0 else cells
        return np.ascontiguousarray(whole.reshape(len(whole), *self._shape))


def _said(module: Any, cells: Any) -> Any:
    import torch

    try:
        with torch.no_grad():
            return _tensor(module(torch.from_numpy(cells)), len(cells)).numpy().astype(np.float64)
    except ArtifactError:
        raise
    except Exception as error:  # foreign code may raise anything; it becomes our error
        raise ArtifactError(
            "the model cannot score the rows",
            found=f"{type(error).__name__}: {str(error).strip().splitlines()[-1][:200]}",
            hint=advice(error, "say in which shape it takes a row with --shape, as in 3,32,32"),
        ) from error


def _tensor(given: Any, n_rows: int) -> Any:
    """The last tensor of numbers with a line for each row, as ``(n, k)``."""
    import torch

    parts = list(given.values()) if isinstance(given, dict) else given
    parts = [parts] if isinstance(parts, torch.Tensor) else list(parts)
    for part in reversed(parts):
        if isinstance(part, torch.Tensor) and part.dim() and len(part) == n_rows:
            return part.reshape(n_rows, -1).float()
    raise ArtifactError(
        "the model gives no scores",
        rule="one of its outputs has numbers for each row",
        expected=f"{n_rows} rows of numbers",
        found=", ".join(f"{type(p).__name__} {list(getattr(p, 'shape', ()))}" for p in parts),
    )


def _shape(
    module: Any, declared: tuple[int, ...], rows: Any, request: Mapping[str, Any]
) -> tuple[int, ...]:
    """Rows at a time (0 is any number) and the shape of one."""
    if not all(rows.dtypes.map(lambda kind: kind.kind in "biuf")):
        raise ArtifactError(
            "the model takes numbers, and the rows hold text",
            expected="columns of numbers",
            found=", ".join(map(str, rows.columns[[d.kind not in "biuf" for d in rows.dtypes]])),
            hint="name the columns that it takes with --features",
        )
    width = rows.shape[1]
    step = declared[0] if declared else 0
    asked = tuple(int(size) for size in request.get("shape") or declared[1:])
    if asked:
        if math.prod(asked) != width:
            raise ArtifactError(
                "the model takes another number of columns",
                expected=" x ".join(map(str, asked)),
                found=f"{width} columns",
                hint="name the columns that it takes with --features",
            )
        return (step, *asked)
    probe = rows.iloc[:1].to_numpy(np.float32).repeat(_PROBED, 0)
    problem: ArtifactError | None = None
    for shape in _shapes(width):
        try:
            _said(module, np.ascontiguousarray(probe.reshape(_PROBED, *shape)))
        except ArtifactError as error:
            problem = problem or error
            continue
        return (0, *shape)
    raise problem or ArtifactError("the rows have no columns")


def _shapes(width: int) -> Iterator[tuple[int, ...]]:
    """Ways to give a row: as it is, or as a square picture of one or three colours."""
    yield (width,)
    for channels in (1, 3):
        side = math.isqrt(width // channels)
        if channels * side * side == width and side > 1:
            yield (channels, side, side)
            if channels == 1:
                yield (side, side)


def _weights(module: Any) -> dict[str, Any]:
    return {name: part.detach().numpy() for name, part in module.state_dict().items()}


def _none() -> Any:
    raise UnavailableError("a model of one score has no gradients here")
