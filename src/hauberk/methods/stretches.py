"""Stretches of a series that stand still, or say again what an earlier stretch said.

Both happen honestly for a few rows, by rounding and by calm weather; how long by chance follows
from how often neighbours are equal, and how often short stretches come back, elsewhere in the
same series. What is far longer than chance gives, and than the next longest, was held or copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes

MIN_ROWS = 60
MIN_VALUES = 30
"""Different values that a measured series has; counts and states have fewer."""

_MIN_STANDING, _MIN_COPIED = 6, 10
_SHORT = 5
"""Rows of the short stretches whose returns tell what is usual."""

_FEW = 3
_TIMES = 3.0
_MOST_EQUAL = 0.5
_USUAL = 0.05
_MOST_AGAIN = 0.3
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """Rows of a series, by their place in it.

    Attributes:
        first: Place of the first row,
        size: and how many rows follow each other.
        source: Place of the stretch that says the same, or ``None`` where all rows are equal.
        usual: Rows of the next longest stretch of its kind.
        log_p: Natural logarithm of the chance of one so long, corrected for all places.
    """

    first: int
    size: int
    source: int | None
    usual: int
    log_p: float


def stretches(values: Any, starts: Any, *, log_alpha: float) -> Iterator[Stretch]:
    """The stretches of a series that stand still or come back.

    Args:
        values: ``(n,)`` in the order of time, NaN where missing.
        starts: ``(n,)`` bool, where another series begins.
        log_alpha: Largest logarithm of the chance of one.
    """
    known = np.isfinite(values)
    if known.sum() < MIN_ROWS:
        return
    levels, codes = np.unique(np.where(known, values, np.nan), return_inverse=True)
    if np.isfinite(levels).sum() < MIN_VALUES:
        return
    standing = list(_standing(codes, known, starts, log_alpha))
    yield from standing
    yield from _copied(codes, known, starts, log_alpha)


def _standing(codes: Codes, known: Any, starts: Any, log_alpha: float) -> Iterator[Stretch]:
    equal = (codes[1:] == codes[:-1]) & known[1:] & ~starts[1:]
    if not equal.any() or equal.mean() > _MOST_EQUAL:
        return
    firsts, sizes = _runs(equal)
    # Sensors saturate and amounts are zero: what stands at an end, or at a usual value, is usual.
    counts = np.bincount(codes[known])
    last = int(codes[known].max())
    own = codes[firsts]
    elsewhere = (counts[own] - sizes - 1) / known.sum()
    is_free = (own > 0) & (own < last) & (elsewhere < _USUAL)
    firsts, sizes = firsts[is_free], sizes[is_free] + 1
    order = np.argsort(-sizes, kind="stable")
    longest = sizes[order]
    for few in range(1, min(_FEW, longest.size) + 1):
        usual = int(longest[few]) if few < longest.size else 1
        size = int(longest[few - 1])
        if size < _MIN_STANDING or size < _TIMES * usual:
            continue
        rest = max(int(equal.sum()) - int((longest[:few] - 1).sum()), 1)
        log_p = log(codes.size) + (size - 1) * log(rest / (equal.size - size + 1))
        if log_p < log_alpha:
            for place in order[:few]:
                yield Stretch(
                    first=int(firsts[place]),
                    size=int(sizes[place]),
                    source=None,
                    usual=usual,
                    log_p=log_p,
                )
            return


def _runs(flags: Any) -> tuple[Any, Any]:
    """Where runs of true flags begin, and how long each is."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    firsts = np.flatnonzero(edges == 1)
    return firsts, np.flatnonzero(edges == -1) - firsts


def _copied(codes: Codes, known: Any, starts: Any, log_alpha: float) -> Iterator[Stretch]:
    varies = np.concatenate([[False], codes[1:] != codes[:-1]])
    found = _again(codes, known, starts, varies, _SHORT)
    if not found or sum(size for _, _, size in found) > _MOST_AGAIN * codes.size:
        return
    found.sort(key=lambda one: -one[2])
    first, source, size = found[0]
    apart = [one for one in found[1:] if not _touches(one, found[0])]
    usual = apart[0][2] if apart else _SHORT - 1
    if size < _MIN_COPIED or size < _TIMES * usual:
        return
    again = [one[2] for one in apart]
    # Of short stretches that came back by chance: how many went on for one row more.
    longer = sum(size > _SHORT for size in again)
    rate = (longer + 1) / (len(again) + 2)
    log_p = log(len(again) + 1) + (size - _SHORT) * log(rate)
    if log_p < log_alpha:
        yield Stretch(first=first, size=size, source=source, usual=usual, log_p=log_p)


def _touches(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return any(a < b + other[2] and b < a + one[2] for a in one[:2] for b in other[:2])


def _again(
    codes: Codes, known: Any, starts: Any, varies: Any, width: int
) -> list[tuple[int, int, int]]:
    """Stretches of at least ``width`` rows that an earlier stretch said: place, source, size."""
    n = codes.size - width + 1
    keys = np.zeros(n, np.uint64)
    with np.errstate(over="ignore"):
        for step in range(width):
            keys = keys * _MULTIPLIER + codes[step : step + n].astype(np.uint64) + np.uint64(1)
    sums = [np.concatenate([[0], np.cumsum(flags)]) for flags in (known, starts, varies)]
    is_known = sums[0][width:][:n] - sums[0][:n] == width
    is_whole = sums[1][width:][:n] - sums[1][1:][:n] == 0
    # At least three changes: a stretch that stands still says nothing.
    is_said = sums[2][width:][:n] - sums[2][1:][:n] >= width - 2
    places = np.flatnonzero(is_known & is_whole & is_said)
    order = places[np.argsort(keys[places], kind="stable")]
    same = keys[order[1:]] == keys[order[:-1]]
    later, earlier = order[1:][same], order[:-1][same]
    by = np.lexsort((later, later - earlier))
    later, earlier = later[by], earlier[by]
    if not later.size:
        return []
    gap = later - earlier
    goes_on = (np.diff(later) == 1) & (np.diff(gap) == 0)
    begins = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    sizes = np.diff(np.concatenate([begins, [later.size]])) + width - 1
    return [
        (int(later[at]), int(earlier[at]), int(size))
        for at, size in zip(begins, sizes, strict=True)
    ]
