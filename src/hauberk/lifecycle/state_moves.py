"""How far each segment of a training moved its state, measured from the checkpoints it left.

The runner measures it from outside: a training that was bent from some segment on often takes
steps of another size there, which a person sees in the curve. It is shown and judges nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hauberk.core.finding import Curve
from hauberk.lifecycle.segments import MAGIC, Saved, decode

MAX_BYTES = 1 << 30
MAX_SERIES = 6
_SIZE = struct.Struct("<Q")


def moves_plot(path: Path) -> Curve | None:
    """Length of each segment's change, by part of the state; ``None`` where it has no numbers.

    The file is the step's own: what cannot be read is no curve, and is for the replay to refuse.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        series = _series(path)
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError, struct.error):
        return None
    if not series:
        return None
    return Curve(
        title="How far each segment moved the state", x="segment", y="L2 length", series=series
    )


def _series(path: Path) -> dict[str, tuple[tuple[float, float], ...]]:
    found: dict[str, list[tuple[float, float]]] = {}
    before: dict[str, dict[str, Any]] | None = None
    for number, data in enumerate(_frames(path)):
        after = {name: dict(_numbers(value, "")) for name, value in decode(data).items()}
        for name, parts in after.items():
            if before is not None and parts:
                moved = _length(before.get(name, {}), parts)
                if math.isfinite(moved):
                    found.setdefault(name, []).append((float(number - 1), moved))
        before = after
    kept = {name: tuple(points) for name, points in found.items() if any(y for _, y in points)}
    return dict(list(kept.items())[:MAX_SERIES])


def _frames(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("no checkpoints")
        while head := file.read(_SIZE.size):
            (size,) = _SIZE.unpack(head)
            if size > MAX_BYTES:
                raise ValueError("a checkpoint longer than its file")
            yield file.read(size)


def _numbers(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Arrays of fractions in a state, and single fractions, by where they stand."""
    import numpy as np

    if isinstance(value, Saved):
        yield from _numbers(value.state, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{path}/{key}")
    elif isinstance(value, list):
        if value and all(isinstance(item, float) for item in value):
            yield path, np.array(value)
            return
        for place, item in enumerate(value):
            yield from _numbers(item, f"{path}/{place}")
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        yield path, value


def _length(before: dict[str, Any], after: dict[str, Any]) -> float:
    import numpy as np

    total = 0.0
    for name, value in after.items():
        old = before.get(name)
        change = value if old is None or old.shape != value.shape else value - old
        total += float(np.square(change.astype(np.float64)).sum())
    return math.sqrt(total)
