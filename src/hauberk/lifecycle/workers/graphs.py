"""Ask an ONNX graph about the rows of a table, whatever shape it takes them in.

Graphs take one tensor of all columns (pictures too, whose pixels are the columns), or one tensor
for each column; some take a fixed number of rows at a time. Only ever in the worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError
from hauberk.lifecycle.workers import native
from hauberk.lifecycle.workers.answers import advice

_MATRIX = 2
_MAX_SAID = 300


def opened(data: bytes) -> Graph:
    """A session of the graph in ``data``.

    Raises:
        ArtifactError: The runtime does not take it.
    """
    try:
        return Graph(native._session(data))  # noqa: SLF001 - the sibling that sets sessions up
    except Exception as error:
        raise ArtifactError("the graph does not load", found=str(error)[:_MAX_SAID]) from error


@dataclass(frozen=True, slots=True)
class Graph:
    """A session with its ends."""

    session: Any

    def outputs(self, rows: Any) -> list[Any]:
        """Every output for all of ``rows``, as arrays.

        Raises:
            ArtifactError: The graph takes other rows, or fails on them.
        """
        inputs = self.session.get_inputs()
        feed = {name: cells for node in inputs for name, cells in _cells(node, inputs, rows)}
        step = next((node.shape[0] for node in inputs if _is_fixed(node)), 0)
        if not step or step == len(rows):
            return self._run(feed)
        parts = [self._padded(feed, first, step) for first in range(0, len(rows), step)]
        return [np.concatenate(group)[: len(rows)] for group in zip(*parts, strict=True)]

    def scores(self, rows: Any) -> Any:
        """The last output with numbers for each row: ``(n, k)``, or ``(n,)``.

        Raises:
            ArtifactError: There is none.
        """
        found = self.outputs(rows)
        for output in reversed(found):
            if output.dtype.kind in "fiu" and output.ndim and len(output) == len(rows):
                flat = output.reshape(len(rows), -1)
                return np.asarray(flat if flat.shape[1] > 1 else flat[:, 0], np.float64)
        raise ArtifactError(
            "the graph gives no scores",
            rule="one of its outputs has numbers for each row",
            expected=f"{len(rows)} rows of numbers",
            found="; ".join(f"{output.dtype} {list(output.shape)}" for output in found),
        )

    def labels(self, rows: Any) -> list[Any] | None:
        """The class of each row, where the graph gives nothing else; else ``None``."""
        found = self.outputs(rows)
        plain = [one.reshape(-1) for one in found if one.size == len(rows)]
        if len(plain) != len(found) or any(one.dtype.kind == "f" for one in plain):
            return None
        return list(plain[0].tolist()) if plain else None

    def _padded(self, feed: dict[str, Any], first: int, step: int) -> list[Any]:
        part = {name: cells[first : first + step] for name, cells in feed.items()}
        short = step - len(next(iter(part.values())))
        if short:
            part = {k: np.concatenate([v, np.repeat(v[-1:], short, 0)]) for k, v in part.items()}
        return self._run(part)

    def _run(self, feed: dict[str, Any]) -> list[Any]:
        try:
            given = self.session.run(None, feed)
        except Exception as error:
            raise ArtifactError(
                "the graph cannot be run on the rows",
                found=str(error)[:_MAX_SAID],
                hint=advice(
                    error, "see its inputs, and name the columns in their order with --features"
                ),
            ) from error
        return [_array(output) for output in given]


def _is_fixed(node: Any) -> bool:
    return bool(node.shape) and isinstance(node.shape[0], int) and node.shape[0] > 0


def _array(output: Any) -> Any:
    """An output as an array; a list of classes with their scores by row becomes their scores."""
    if isinstance(output, list) and output and isinstance(output[0], dict):
        return np.array([list(row.values()) for row in output], np.float64)
    return np.asarray(output)


def _cells(node: Any, inputs: list[Any], rows: Any) -> list[tuple[str, Any]]:
    """The part of ``rows`` that one input takes."""
    kind = native._dtype(node.type)  # noqa: SLF001 - the sibling that knows the types
    if len(inputs) == 1 and len(rows.columns) > 1:
        return [(node.name, _shaped(node, _numbers(rows, kind)))]
    if len(inputs) != len(rows.columns):
        raise ArtifactError(
            "the graph takes several tensors that the columns do not fill",
            rule="one tensor of all columns, or one tensor for each column",
            expected=", ".join(f"{each.name} {list(each.shape)}" for each in inputs),
            found=f"{len(rows.columns)} columns",
            hint="name the columns in the order of the inputs with --features",
        )
    place = [each.name for each in inputs].index(node.name)
    column = node.name if node.name in rows.columns else rows.columns[place]
    return [(node.name, _numbers(rows[[column]], kind))]


def _numbers(rows: Any, kind: str) -> Any:
    try:
        return rows.to_numpy().astype(kind)
    except (ValueError, TypeError) as error:
        raise ArtifactError(
            "the graph takes another kind of cells than the columns hold",
            expected=kind,
            found=f"{', '.join(map(str, rows.columns[:10]))}: {str(error)[:_MAX_SAID]}",
            hint="name the columns that it takes with --features",
        ) from error


def _shaped(node: Any, cells: Any) -> Any:
    """``cells`` with the axes that the input declares, where they are known."""
    axes = list(node.shape or ())[1:]
    if not axes or not all(isinstance(size, int) and size > 0 for size in axes):
        return cells
    if int(np.prod(axes)) != cells.shape[1]:
        raise ArtifactError(
            "the graph takes another number of columns",
            subject=f"input {node.name}",
            expected=" x ".join(map(str, axes)),
            found=f"{cells.shape[1]} columns",
            hint="name the columns that it takes with --features",
        )
    return cells if len(axes) + 1 == _MATRIX else cells.reshape(len(cells), *axes)
