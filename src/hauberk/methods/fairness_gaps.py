"""How far apart groups of people are in one number, with an interval, from counts alone.

Rows of the same group, class and answer are alike for every rate, so drawing rows again is
drawing a table of counts from a multinomial distribution: a thousand tables cost as much as one
pass over a few thousand numbers, however many rows there are.

References:
    Efron and Tibshirani (1993), An introduction to the bootstrap, section 13.3 (percentiles).
    Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

N_DRAWS = 1000
_MAX_CELLS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The largest less the smallest rate of all groups of a column.

    Attributes:
        rate: ``selection``, ``true positives`` or ``false positives`` of ``given``.
        low: Lower end of the 90 % percentile interval.
        high: Upper end likewise.
    """

    column: str
    rate: str
    given: str
    value: float
    low: float
    high: float


def gaps(
    column: str,
    truth: Sequence[str],
    predicted: Sequence[str],
    groups: Sequence[str],
    *,
    given: str,
    rng: np.random.Generator,
    n_draws: int = N_DRAWS,
) -> tuple[Gap, ...]:
    """Gaps of the three rates for one class, each with a bootstrap interval.

    A rate over no rows is left out of its draw.

    Args:
        given: The class that is given or not.
    """
    table = _table(truth, predicted, groups, given)
    total = int(table.sum())
    draws = max(2, min(n_draws, _MAX_CELLS // table.size))
    drawn = rng.multinomial(total, (table / total).reshape(-1), size=draws)
    drawn = drawn.reshape(draws, *table.shape)
    found = []
    for rate, own, many in zip(_RATES, _gap(table[None]), _gap(drawn), strict=True):
        low, high = np.nanquantile(many, [0.05, 0.95]) if np.isfinite(many).any() else (0.0, 1.0)
        if np.isfinite(own[0]):
            found.append(
                Gap(
                    column=column,
                    rate=rate,
                    given=given,
                    value=float(own[0]),
                    low=float(low),
                    high=float(high),
                )
            )
    return tuple(found)


_RATES = ("selection", "true positives", "false positives")


def _table(
    truth: Sequence[str], predicted: Sequence[str], groups: Sequence[str], given: str
) -> Any:
    """Counts ``(n_groups, 2, 2)``: group, whether of the class, whether given it."""
    _, places = np.unique(np.asarray(groups, str), return_inverse=True)
    cells = places * 4 + (np.asarray(truth) == given) * 2 + (np.asarray(predicted) == given)
    return np.bincount(cells, minlength=4 * (int(places.max()) + 1)).reshape(-1, 2, 2)


def _gap(tables: Any) -> tuple[Any, Any, Any]:
    """Of each table ``(n, n_groups, 2, 2)`` the gaps of selection, true and false positives."""
    chosen, all_rows = tables[..., 1], tables.sum(axis=3)
    pairs = (
        (chosen.sum(axis=2), all_rows.sum(axis=2)),
        (chosen[:, :, 1], all_rows[:, :, 1]),
        (chosen[:, :, 0], all_rows[:, :, 0]),
    )
    return tuple(_spread(part, whole) for part, whole in pairs)


def _spread(part: Any, whole: Any) -> Any:
    known = whole > 0
    rates = np.divide(part, whole, out=np.zeros(part.shape), where=known)
    largest = np.where(known, rates, -np.inf).max(axis=1)
    smallest = np.where(known, rates, np.inf).min(axis=1)
    return np.where(known.any(axis=1), largest - smallest, np.nan)
