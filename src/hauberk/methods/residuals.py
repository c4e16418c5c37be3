"""How far each number lies from what the other columns of its row predict.

References:
    Rousseeuw and Hubert (2011), Robust statistics for outlier detection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes

TAIL = 0.01
"""Share of a column's leftovers that makes up its tail."""

_NEAR, _FAR = 0.2, 0.05
"""Shares of a column's cells beyond the two points that its tail is drawn through."""

_LEAST_STEP = 0.25
"""Slope of the thinnest tail; that of a normal is 0.31."""

_RIDGE = 1e-3
_NORMAL_MAD = 1.4826
_NORMAL_TAIL = 2.5758
_STANDS_OUT = 16.0
_SOFTNESS = 1.5
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Misfits:
    """What does not fit.

    Attributes:
        degrees: Of each row the largest over its columns.
        columns: Which column that is.
        chances: 0 to 1; one half at the threshold.
        threshold: Degree from which on a value stands out.
    """

    degrees: Any
    columns: Codes
    chances: Any
    threshold: float


def misfits(numbers: Any, like: Any = None) -> Misfits:
    """Judge every cell of ``(n_rows, n_columns)`` numbers; missing cells fit.

    Args:
        like: Trusted rows of the same columns, whose spreads, relations and tails are the
            measure; the rows themselves where it is ``None``.
    """
    n = len(numbers)
    both = numbers if like is None else np.concatenate([numbers, like])
    of = slice(None) if like is None else slice(n, None)
    known = np.isfinite(both)
    plain = _robust(_eased(np.where(known, both, np.nan), of), of)
    cut = np.clip(plain, -8, 8)
    leftover = _leftovers(cut, of)
    each = np.maximum(*(_judged(part, of, known, n) for part in (leftover, plain)))
    rows, columns = np.arange(n), each.argmax(axis=1).astype(np.int64)
    degrees = each[rows, columns]
    chances = 1 / (1 + np.exp(-(degrees - _STANDS_OUT) / _SOFTNESS))
    return Misfits(degrees=degrees, columns=columns, chances=chances, threshold=_STANDS_OUT)


def _judged(x: Any, of: slice, known: Any, n: int) -> Any:
    """Degrees of the first ``n`` rows, less where the column's own tail explains them."""
    degrees = np.where(known, _in_tails(x, of), 0.0)[:n]
    return degrees * (1 - _explained(x, of, known, n))


def _explained(x: Any, of: slice, known: Any, n: int) -> Any:
    """Of as many cells as lie this far out, the share that the column's tail lets expect.

    The tail is a power law through the points that a fifth and a twentieth of the cells
    exceed: further out are the cells that are judged.
    """
    away = np.abs(x - np.median(x[of], axis=0))
    near, far = np.quantile(away[of], [1 - _NEAR, 1 - _FAR], axis=0)
    steps = np.log(np.maximum(far, _TINY) / np.maximum(near, _TINY)) / np.log(_NEAR / _FAR)
    out = np.log(np.maximum(away[:n], _TINY) / np.maximum(far, _TINY))
    beyond = _FAR * np.exp(-np.maximum(out, 0) / np.maximum(steps, _LEAST_STEP))
    order = np.argsort(
        np.argsort(np.where(known[:n], -away[:n], 0.0), axis=0, kind="stable"), axis=0
    )
    return np.minimum(n * beyond / (order + 1), 1.0)


def _eased(numbers: Any, of: slice) -> Any:
    """Columns of amounts (never negative, with a long upper tail) as logarithms."""
    filled = np.where(_empty(numbers), 0.0, numbers)[of]
    filled = np.where(_empty(filled), 0.0, filled)
    low, lower, middle, high = np.nanquantile(filled, [0.0, 0.05, 0.5, 0.95], axis=0)
    is_amount = (low >= 0) & (middle > 0) & (high - middle > 1.5 * (middle - lower))
    floor = np.maximum(0.01 * middle, _TINY)
    return np.where(is_amount, np.log(np.maximum(numbers, 0) + floor), numbers)


def _robust(numbers: Any, of: slice) -> Any:
    """Distance from the median in units of the middle's spread; missing cells are 0."""
    measured = numbers[of]
    middle = np.nan_to_num(np.nanmedian(np.where(_empty(measured), 0.0, measured), axis=0))
    away = np.nan_to_num(numbers - middle)
    spread = _NORMAL_MAD * np.median(np.abs(away[of]), axis=0)
    # A column of which half the cells are equal has no spread to stand out from.
    return np.divide(away, spread, out=np.zeros_like(away), where=spread > 0)


def _empty(numbers: Any) -> Any:
    return np.isnan(numbers).all(axis=0)


def _leftovers(x: Any, of: slice) -> Any:
    """What the other columns do not explain, by the inverse of the covariance."""
    measured = x[of]
    spread = measured.std(axis=0)
    away = x - measured.mean(axis=0)
    centred = np.divide(away, spread, out=np.zeros_like(away), where=spread > _TINY)
    covariance = centred[of].T @ centred[of] / len(measured)
    inverse = np.linalg.inv(covariance + _RIDGE * np.eye(len(covariance)))
    return centred @ inverse / np.diag(inverse)


def _in_tails(x: Any, of: slice) -> Any:
    """In units of a normal's spread that its own tail would suggest, whichever is larger."""
    away = np.abs(x - np.median(x[of], axis=0))
    middle = _NORMAL_MAD * np.median(away[of], axis=0)
    # The tail without its far end, which may be what is looked for.
    tail = np.quantile(away[of], 1 - 5 * TAIL, axis=0) / 1.96
    scale = np.maximum(middle, tail)
    return np.divide(away, scale, out=np.zeros_like(away), where=scale > _TINY)
