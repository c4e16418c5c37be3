"""What the pixels of a picture do not explain of each other, and where that is too much.

A picture whose pixels have the covariance of training's says of each pixel what the others expect
of it; the rest is its residual. Two controls look at residuals: a printed square has much of it
in one place (`Residuals.spot`), and a small step along a model's gradient has a little of it
everywhere, with the signs of the gradient (`methods.hidden_steps`).

References:
    Reed and Yu (1990), Adaptive multiple-band CFAR detection of an optical pattern with unknown
    spectral distribution (energy in a window, whitened). Tipping and Bishop (1999),
    Probabilistic principal component analysis.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

MAX_WIDTH = 1_024
"""Numbers of one row; the covariance of wider ones does not fit a bundle."""

MIN_ROWS = 300
FITTED = 0.6
"""Share of the rows that covariances are learnt of; the others say what is usual."""

SPOT_FLOOR = 1e-2
"""Noise of every pixel beside what training shows, in squares of the range of values: so much
that fine textures, which are ordinary, do not count."""

_SPOTS = ((3, 0.3), (4, 0.45))
"""Sides of the windows: pixels at least, and shares of a side of the picture."""

_USUAL = 0.9985
_ARRAYS = ("mean", "directions", "variances", "spots")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """How the pixels of training's pictures hang together.

    Attributes:
        planes: Channels, height and width of a row; of height 1 where nothing says it.
        low: Smallest value of training.
        span: Range of its values.
        mean: ``(width,)`` float32, of rows scaled to 0 to 1.
        directions: ``(width, width)`` float32, orthonormal.
        variances: ``(width,)`` along them.
        spots: ``(2,)``: energy of the fullest window, of each size, of all but a few ordinary
            rows.
    """

    planes: tuple[int, int, int]
    low: float
    span: float
    mean: Any
    directions: Any
    variances: Any
    spots: Any

    def scaled(self, rows: Any) -> Any:
        """Rows with the range of training's values as 0 to 1."""
        return ((np.asarray(rows, np.float64) - self.low) / self.span).astype(np.float32)

    def whitened(self, rows: Any, floor: float) -> Whitened:
        """Scaled rows, with so much noise of every pixel."""
        centred = rows - self.mean
        spreads = self.variances + np.float32(floor)
        by = ((centred @ self.directions) / spreads) @ self.directions.T
        size = np.sqrt(np.maximum((centred * by).mean(axis=1), 1e-9))
        own = (self.directions**2 / spreads).sum(axis=1)
        return Whitened(spreads=spreads, by=by, size=size, own=own)

    def spot(self, rows: Any) -> Any:
        """``(n_rows,)``: above 1 where one place of a row, as it comes, is not explained."""
        return (self._energies(self.scaled(rows)) / self.spots).max(axis=1)

    def _energies(self, scaled: Any) -> Any:
        """``(n_rows, 2)``: of the fullest window of each size."""
        found = self.whitened(scaled, SPOT_FLOOR)
        energy = (found.by**2 / found.own).reshape(-1, *self.planes).sum(axis=1)
        sizes = [_window(self.planes, *each) for each in _SPOTS]
        return np.stack([_fullest(energy, *size) for size in sizes], axis=1)

    def to_json(self) -> Mapping[str, Any]:
        """Plain values."""
        arrays = {name: packed(getattr(self, name)) for name in _ARRAYS}
        return {"planes": list(self.planes), "low": self.low, "span": self.span, **arrays}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whitened:
    """Rows as far as their pixels do not explain each other.

    Attributes:
        spreads: ``(width,)`` variances along the directions, with a floor of noise.
        by: Rows by the precision matrix.
        size: ``(n_rows,)``, how large these are; about 1 for rows like training's.
        own: ``(width,)`` diagonal of the precision matrix.
    """

    spreads: Any
    by: Any
    size: Any
    own: Any


def learn(rows: Any, shape: tuple[int, ...] = ()) -> Residuals | None:
    """How pixels hang together.

    Args:
        rows: ``(n_rows, width)`` of training, all columns of one kind, in any order.
        shape: Of one row, where it is known.

    Returns:
        ``None`` where it cannot be learnt: too few rows, too wide ones, or all alike.
    """
    n_rows, width = rows.shape
    low, span = float(rows.min()), float(np.ptp(rows))
    if n_rows < MIN_ROWS or width > MAX_WIDTH or span <= 0:
        return None
    known = (rows - low) / span
    fitted, others = np.split(known, [int(n_rows * FITTED)])
    first = _fitted(fitted, planes_of(width, shape), low, span)
    usual = np.quantile(first._energies(others.astype(np.float32)), _USUAL, axis=0)  # noqa: SLF001 - its own class
    whole = _fitted(known, first.planes, low, span)
    return replace(whole, spots=np.maximum(usual, 1e-6).astype(np.float32))


def _fitted(known: Any, planes: tuple[int, int, int], low: float, span: float) -> Residuals:
    covariance = np.cov(known, rowvar=False).reshape(known.shape[1], known.shape[1])
    values, vectors = np.linalg.eigh(covariance)
    return Residuals(
        planes=planes,
        low=low,
        span=span,
        mean=known.mean(axis=0).astype(np.float32),
        directions=vectors.astype(np.float32),
        variances=np.maximum(values, 0).astype(np.float32),
        spots=np.ones(len(_SPOTS), np.float32),
    )


def planes_of(width: int, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of a row: as the network takes it, or a square of one channel.

    >>> planes_of(192, (3, 8, 8)), planes_of(64, (64,)), planes_of(60, (60,))
    ((3, 8, 8), (1, 8, 8), (1, 1, 60))
    """
    if len(shape) == 3 and math.prod(shape) == width:  # noqa: PLR2004 - channels, height, width
        return (int(shape[0]), int(shape[1]), int(shape[2]))
    side = math.isqrt(width)
    return (1, side, side) if side * side == width else (1, 1, width)


def _window(planes: tuple[int, int, int], least: int, share: float) -> tuple[int, int]:
    """Height and width of a window."""
    down, right = (min(size, max(least, round(share * size))) for size in planes[1:])
    return down, right


def _fullest(energy: Any, down: int, right: int) -> Any:
    """Largest sum over a window, of each picture."""
    sums = np.pad(energy, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    whole = sums[:, down:, right:] - sums[:, :-down, right:]
    whole = whole - sums[:, down:, :-right] + sums[:, :-down, :-right]
    return whole.max(axis=(1, 2))


def from_json(value: Mapping[str, Any], width: int) -> Residuals:
    """What `Residuals.to_json` gave.

    Raises:
        ValueError: It is something else.
    """
    shapes = {
        "mean": (width,),
        "directions": (width, width),
        "variances": (width,),
        "spots": (len(_SPOTS),),
    }
    arrays = {name: unpacked(value[name]).reshape(shape) for name, shape in shapes.items()}
    low, span = float(value["low"]), float(value["span"])
    planes = tuple(int(size) for size in value["planes"])
    if len(planes) != 3 or min(planes) < 1 or math.prod(planes) != width:  # noqa: PLR2004
        raise ValueError(planes)
    is_whole = np.isfinite([low, span]).all() and span > 0
    if not is_whole or (arrays["variances"] < 0).any() or (arrays["spots"] <= 0).any():
        raise ValueError(value["span"])
    return Residuals(planes=(planes[0], planes[1], planes[2]), low=low, span=span, **arrays)


def packed(array: Any) -> str:
    """As text."""
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode("ascii")


def unpacked(text: str) -> Any:
    """What `packed` gave, flat.

    Raises:
        ValueError: It is something else.
    """
    array = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    if not np.isfinite(array).all():
        raise ValueError(text[:20])
    return array
