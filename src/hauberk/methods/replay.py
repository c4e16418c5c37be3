"""Declared transforms done again, and their parameters fitted again.

A contract (`hauberk.core.artifact.ColumnChange`) is data, never code: each deed is a few
lines here, so that what a step says can be compared with what it did without running it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hauberk.core.artifact import ColumnChange
from hauberk.errors import UsageError
from hauberk.methods.embed import MAX_MAGNITUDE

_TINY = 1e-12
_PIXEL = 255

Parameters = Mapping[str, float]


def replayed(cells: Any, changes: Sequence[ColumnChange]) -> Any:
    """``cells`` after ``changes``: texts after ``map``, else numbers.

    Args:
        cells: Of one column, a list of canonical texts for ``map``, else ``(n_rows,)``
            numbers with NaN for missing ones, or ``(n_rows, height, width[, channels])``.

    Raises:
        UsageError: A filter is declared for what is no picture.
    """
    for change in changes:
        if change.deed == "map":
            cells = [None if cell is None else change.words.get(cell, cell) for cell in cells]
        else:
            cells = _DEEDS[change.deed](np.asarray(cells, np.float64), change.numbers)
    return cells


def _standardise(x: Any, of: Parameters) -> Any:
    return (x - of["mean"]) / _divisor(of["scale"])


def _min_max(x: Any, of: Parameters) -> Any:
    return (x - of["low"]) / _divisor(of["high"] - of["low"])


def _robust(x: Any, of: Parameters) -> Any:
    return (x - of["median"]) / _divisor(of["scale"])


def _fill(x: Any, of: Parameters) -> Any:
    return np.where(np.isnan(x), of["value"], x)


def _log1p(x: Any, _of: Parameters) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log1p(x)


def _smooth(x: Any, of: Parameters) -> Any:
    from scipy.ndimage import uniform_filter

    return uniform_filter(x, size=_window(x, of), mode="nearest")


def _median(x: Any, of: Parameters) -> Any:
    from scipy.ndimage import median_filter

    return median_filter(x, size=_window(x, of), mode="nearest")


def _window(x: Any, of: Parameters) -> tuple[int, ...]:
    if x.ndim < 3:  # noqa: PLR2004 - rows, height, width
        raise UsageError(
            "a filter is declared for a column without pictures",
            expected="smooth and median on a column of pictures",
            found=f"cells of shape {x.shape[1:]}",
            hint="declare what the step does to this column",
        )
    size = int(of["size"])
    return (1, size, size, *(1 for _ in x.shape[3:]))


def _divisor(scale: float) -> float:
    """A column without spread is only moved, as scalers do."""
    return scale if abs(scale) > _TINY else 1.0


_DEEDS: Mapping[str, Callable[[Any, Parameters], Any]] = {
    "standardise": _standardise,
    "min_max": _min_max,
    "robust": _robust,
    "fill": _fill,
    "multiply": lambda x, of: x * of["factor"],
    "clip": lambda x, of: np.clip(x, of["low"], of["high"]),
    "log1p": _log1p,
    "round": lambda x, of: np.round(x, int(of["digits"])),
    "smooth": _smooth,
    "median": _median,
}


# Parameters fitted again ---------------------------------------------------------------


def fitted(change: ColumnChange, cells: Any) -> tuple[Mapping[str, float], ...]:
    """The parameters that ``cells`` of the training rows give, one set for each usual way.

    A scale is the deviation with or without Bessel's correction, or the distance of the
    quartiles; a fill is the mean, the median or the commonest value. Deeds whose parameters
    follow from no rows give nothing.
    """
    known = finite(cells)
    if not known.size:
        return ()
    ways = _WAYS.get(change.deed)
    return () if ways is None else ways(known)


def _moments(x: Any) -> tuple[Mapping[str, float], ...]:
    mean = float(x.mean())
    return tuple(
        {"mean": mean, "scale": float(x.std(ddof=degree))} for degree in (0, 1) if x.size > degree
    )


def _quartiles(x: Any) -> tuple[Mapping[str, float], ...]:
    low, middle, high = (float(q) for q in np.quantile(x, [0.25, 0.5, 0.75]))
    return ({"median": middle, "scale": high - low},)


def _fills(x: Any) -> tuple[Mapping[str, float], ...]:
    values, counts = np.unique(x, return_counts=True)
    commonest = float(values[counts.argmax()])
    ways = (float(x.mean()), float(np.median(x)), commonest, 0.0)
    return tuple({"value": value} for value in ways)


_WAYS: Mapping[str, Callable[[Any], tuple[Mapping[str, float], ...]]] = {
    "standardise": _moments,
    "min_max": lambda x: ({"low": float(x.min()), "high": float(x.max())},),
    "robust": _quartiles,
    "fill": _fills,
}


# Comparing -----------------------------------------------------------------------------


def differs(expected: Any, found: Any, tolerance: float) -> Any:
    """Which rows of two columns of numbers differ, ``(n_rows,)`` bool.

    Args:
        tolerance: As a share of the column's spread; what single precision and decimals in
            text lose stays below a millionth.
    """
    expected, found = np.asarray(expected, np.float64), np.asarray(found, np.float64)
    known = finite(expected)
    largest = float(np.abs(known).max(initial=0.0))
    room = tolerance * max(spread_of(expected), 1e-3 * largest, _TINY)
    apart = ~np.isclose(expected, found, rtol=0.0, atol=room, equal_nan=True)
    return apart.reshape(len(apart), -1).any(axis=1)


def spread_of(cells: Any) -> float:
    """Standard deviation of the finite cells; 0 where there is none."""
    known = finite(cells)
    return float(known.std()) if known.size else 0.0


def finite(cells: Any) -> Any:
    """The finite cells, flat, cut so that their squares are numbers still."""
    flat = np.asarray(cells, np.float64).reshape(-1)
    return np.clip(flat[np.isfinite(flat)], -MAX_MAGNITUDE, MAX_MAGNITUDE)
