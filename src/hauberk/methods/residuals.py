"""How far each number lies from what the other columns of its row predict.

References:
    Rousseeuw and Hubert (2011), Robust statistics for outlier detection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, standardised

TAIL = 0.01
"""Share of a column's leftovers that makes up its tail."""

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


def misfits(numbers: Any) -> Misfits:
    """Judge every cell of ``(n_rows, n_columns)`` numbers; missing cells fit."""
    known = np.isfinite(numbers)
    plain = _robust(_eased(np.where(known, numbers, np.nan)))
    leftover = _leftovers(np.clip(plain, -8, 8)) + (plain - np.clip(plain, -8, 8))
    each = np.maximum(_in_tails(leftover), _in_tails(plain))
    each = np.where(known, each, 0.0)
    degrees = each.max(axis=1)
    chances = 1 / (1 + np.exp(-(degrees - _STANDS_OUT) / _SOFTNESS))
    return Misfits(
        degrees=degrees,
        columns=each.argmax(axis=1).astype(np.int64),
        chances=chances,
        threshold=_STANDS_OUT,
    )


def _eased(numbers: Any) -> Any:
    """Columns of amounts (never negative, with a long upper tail) as logarithms."""
    filled = np.where(_empty(numbers), 0.0, numbers)
    low, middle, high = np.nanquantile(filled, [0.0, 0.5, 0.95], axis=0)
    lower = np.nanquantile(filled, 0.05, axis=0)
    is_amount = (low >= 0) & (middle > 0) & (high - middle > 1.5 * (middle - lower))
    floor = np.maximum(0.01 * middle, _TINY)
    return np.where(is_amount, np.log(np.maximum(numbers, 0) + floor), numbers)


def _robust(numbers: Any) -> Any:
    """Distance from the median in units of the middle's spread; missing cells are 0."""
    middle = np.nan_to_num(np.nanmedian(np.where(_empty(numbers), 0.0, numbers), axis=0))
    away = np.nan_to_num(numbers - middle)
    spread = _NORMAL_MAD * np.median(np.abs(away), axis=0)
    # A column of which half the cells are equal has no spread to stand out from.
    return np.divide(away, spread, out=np.zeros_like(away), where=spread > 0)


def _empty(numbers: Any) -> Any:
    return np.isnan(numbers).all(axis=0)


def _leftovers(x: Any) -> Any:
    """What the other columns do not explain, by the inverse of the covariance."""
    centred = standardised(x)
    covariance = centred.T @ centred / len(x)
    inverse = np.linalg.inv(covariance + _RIDGE * np.eye(len(covariance)))
    return centred @ inverse / np.diag(inverse)


def _in_tails(x: Any) -> Any:
    """In units of a normal's spread that its own tail would suggest, whichever is larger."""
    away = np.abs(x - np.median(x, axis=0))
    middle = _NORMAL_MAD * np.median(away, axis=0)
    # The tail without its far end, which may be what is looked for.
    tail = np.quantile(away, 1 - 5 * TAIL, axis=0) / 1.96
    scale = np.maximum(middle, tail)
    return np.divide(away, scale, out=np.zeros_like(away), where=scale > _TINY)
