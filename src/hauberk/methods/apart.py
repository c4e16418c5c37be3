"""Numbers beyond a gap: a few cells far from all others of their column, in rows like any others.

A gap is wide where it measures a good part of the range of all values before it. Honest columns
have such gaps where a few rows belong together (one county in seven years, one large firm):
there the rows are alike in their other columns too. Values that were put there, or typed in
another unit, stand in rows whose likes lie before the gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, neighbours, ranks, standardised
from hauberk.methods.statistics import binomial_tail

MIN_ROWS = 5
"""Fewer values beyond a gap are what any long tail has."""

MAX_SHARE = 0.035
"""Share of the rows above which what lies beyond a gap is a group of its own."""

MIN_GAP = 0.5
"""Of the range of all values before the gap."""

MIN_VALUES = 40
"""Different values from which on a column is measured, and not coded."""

MIN_CHANCE = 0.01
"""Chance of so many nearest rows beyond the gap, below which the rows explain it."""

_MIN_DISTINCT = 3
_N_NEAREST = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Apart:
    """Cells of one column beyond a gap.

    Attributes:
        column: Its place.
        rows: Rows of the cells, increasing.
        gap: Width of the gap, of the range of all values before it.
    """

    column: int
    rows: Codes
    gap: float


def apart(numbers: Any) -> Iterator[Apart]:
    """What lies beyond a wide gap in each column of ``(n_rows, n_columns)`` numbers."""
    features = None
    for column in range(numbers.shape[1]):
        found = _beyond(numbers[:, column])
        if found is None:
            continue
        if features is None:
            features = standardised(ranks(numbers))
        rest = np.delete(features, column, axis=1).astype(np.float32)
        rows, gap = found
        if rest.shape[1] and _are_like(rest, rows):
            continue
        yield Apart(column=column, rows=rows, gap=gap)


def _beyond(cells: Any) -> tuple[Codes, float] | None:
    """Rows beyond the widest gap near either end, where it is wide enough."""
    known = np.flatnonzero(np.isfinite(cells))
    most = int(MAX_SHARE * known.size)
    if most < MIN_ROWS or np.unique(cells[known]).size < MIN_VALUES:
        return None
    best: tuple[Codes, float] | None = None
    for sign in (1.0, -1.0):
        order = known[np.argsort(sign * cells[known], kind="stable")]
        values = sign * cells[order]
        sizes = np.arange(MIN_ROWS, most + 1)
        last = values[-sizes - 1]
        spans = last - values[0]
        gaps = np.divide(values[-sizes] - last, spans, out=np.zeros(sizes.size), where=spans > 0)
        at = int(gaps.argmax())
        rows = np.sort(order[-sizes[at] :])
        is_wide = gaps[at] > (MIN_GAP if best is None else best[1])
        if is_wide and np.unique(cells[rows]).size >= _MIN_DISTINCT:
            best = (rows, float(gaps[at]))
    return best


def _are_like(rest: Any, rows: Codes) -> bool:
    beyond = np.zeros(len(rest), bool)
    beyond[rows] = True
    near, _ = neighbours(rest[rows], rest, _N_NEAREST + 1)
    others = near != rows[:, None]
    likes, asked = int((beyond[near] & others).sum()), int(others.sum())
    return float(binomial_tail(likes, asked, rows.size / len(rest))) < MIN_CHANCE
