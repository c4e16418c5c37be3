"""Rows of a column that were written in another unit than the others.

Each column is predicted from the others by a regression that outliers do not move. What lies
far from its prediction and, all by one and the same change of unit, right where that change
puts it, was not measured that way: honest outliers scatter.

References:
    Huber (1964), Robust estimation of a location parameter, for the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Rows

_FACTORS = {
    "a power of ten": (10.0, 100.0, 1_000.0, 1_000_000.0),
    "pounds and kilograms": (2.20462,),
    "inches and centimetres": (2.54,),
    "inches and millimetres": (25.4,),
    "feet and metres": (3.28084,),
    "miles and kilometres": (1.60934,),
    "square feet and square metres": (10.7639,),
    "acres and hectares": (2.47105,),
    "gallons and litres": (3.78541,),
    "kilojoules and kilocalories": (4.184,),
    "horsepower and kilowatts": (1.34102,),
    "bars, pounds per square inch": (14.5038,),
    "ounces and grams": (28.3495,),
    "seconds, minutes or hours": (60.0, 3_600.0),
    "dozens": (12.0,),
}
_DEGREES = ((1.8, 32.0), (1 / 1.8, -32 / 1.8), (1.0, 273.15), (1.0, -273.15))

MIN_ROWS = 5
"""Fewer rows in one place may be chance."""

MAX_SHARE = 0.15
"""A larger part is a population of its own."""

MIN_VALUES = 30
"""Different values that a measured column has; codes and small counts have fewer."""

_FAR, _NEAR, _EDGE = 6.0, 3.0, 4.0
_IN_VALLEY = 0.15
_CENTRED = 1.0
_MOST_OUTLIERS = 0.6
_LARGEST_SPREAD = 0.2
_STEPS = 12
_HUBER = 1.5
_NORMAL_MAD = 1.4826
_RIDGE = 1e-3
_TINY = 1e-12
_SAME = 0.9
_ALIKE = 0.9
_COMMON = 0.5
_UNKNOWN = frozenset({-1.0, -9.0, *(s * (10.0**n - 1) for s in (1, -1) for n in range(2, 7))})
_MOST_UNKNOWN = 0.3
_REVERSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """Rows of one column that one change of unit explains.

    Attributes:
        column: Place among the numeric columns.
        rows: Row numbers, increasing.
        unit: Which units may have been mixed up.
        slope: What the values were multiplied by,
        offset: and what was added then.
        outliers: Rows of the column that lie far from their prediction.
        echo: What would be wrong instead if this column were right, in words.
        shared: A category that nearly all of the rows have and few others do.
    """

    column: int
    rows: Codes
    unit: str
    slope: float
    offset: float
    outliers: int
    echo: str = ""
    shared: str = ""


def changes(rows: Rows) -> list[Change]:
    """The changes of unit, those of most rows first.

    Where two columns say each other, rows of one in another unit look like the reverse change in
    the other: of such two the one with fewer rows is told as the echo of the other.
    """
    kept: list[Change] = []
    for change in sorted(_each(rows), key=lambda one: -one.rows.size):
        place = next((i for i, one in enumerate(kept) if _is_echo(one, change)), None)
        if place is None:
            kept.append(change)
        else:
            told = f"{rows.names[change.column]}: {change.slope:.4g} times the others"
            kept[place] = replace(kept[place], echo=told)
    return kept


def stand_ins(numbers: Any) -> Any:
    """Cells of ``(n_rows, n_columns)`` with a code for unknown, such as -1 or 9999.

    It recurs, and stands alone beyond all other values, by more than half of their range or on
    the other side of zero.
    """
    found = np.zeros(numbers.shape, bool)
    for column in range(numbers.shape[1]):
        cells = numbers[:, column]
        values = np.unique(cells[np.isfinite(cells)])
        if values.size < MIN_VALUES:
            continue
        for code, rest in ((values[0], values[1:]), (values[-1], values[:-1])):
            gap = min(abs(code - rest[0]), abs(code - rest[-1]))
            is_far = gap > (rest[-1] - rest[0]) / 2 or code < 0 <= rest[0]
            cell = cells == code
            is_some = MIN_ROWS <= cell.sum() <= _MOST_UNKNOWN * cells.size
            found[:, column] |= cell & bool(code in _UNKNOWN and is_far and is_some)
    return found


def _is_echo(first: Change, second: Change) -> bool:
    common = np.intersect1d(first.rows, second.rows).size
    is_reverse = abs(first.slope * second.slope - 1) < _REVERSE
    return is_reverse and common >= _SAME * second.rows.size


def _each(rows: Rows) -> Iterator[Change]:
    """For each column the change of unit that explains most of what lies far out, if any."""
    numbers = rows.numbers
    known = np.isfinite(numbers) & ~stand_ins(numbers)
    for column in range(numbers.shape[1]):
        own = np.flatnonzero(known[:, column])
        values = numbers[own, column]
        if own.size < 4 * MIN_ROWS or np.unique(values).size < MIN_VALUES:
            continue
        best = _best(values, _predicted(numbers, known, column, own))
        if best is None:
            continue
        inside, (unit, slope, offset), outliers = best
        change = Change(
            column=column,
            rows=own[inside],
            unit=unit,
            slope=slope,
            offset=offset,
            outliers=outliers,
            shared=_shared(rows, own[inside]),
        )
        if not _is_told(rows, change.rows, own):
            yield change


def _best(values: Any, predicted: Any) -> Any:
    away = values - predicted
    spread = _NORMAL_MAD * float(np.median(np.abs(away)))
    if spread <= _TINY:
        return None
    far = np.abs(away) > _FAR * spread
    if not MIN_ROWS <= far.sum() <= MAX_SHARE * values.size:
        return None
    valley = int(((np.abs(away) > _EDGE * spread) & ~far).sum())
    found = []
    for unit, slope, offset in _candidates(values, predicted, spread):
        leftover = values - (slope * predicted + offset)
        inside = far & (np.abs(leftover) < _NEAR * spread * slope)
        count = int(inside.sum())
        enough = count >= MIN_ROWS and count >= _MOST_OUTLIERS * far.sum()
        # A tail thins out; another unit stands apart from the rest and lies around its place.
        is_apart = valley <= _IN_VALLEY * count
        middle = abs(float(np.median(leftover[inside]))) / (spread * slope) if enough else 0.0
        if enough and is_apart and middle < _CENTRED:
            found.append((inside, (unit, slope, offset), int(far.sum()), middle))
    if not found:
        return None
    # Near factors (10 and 10.76) explain the same rows: the one whose middle they have is meant.
    most = max(int(inside.sum()) for inside, _, _, _ in found)
    alike = [one for one in found if one[0].sum() >= _ALIKE * most]
    return min(alike, key=lambda one: one[3])[:3]


def _candidates(values: Any, predicted: Any, spread: float) -> Iterator[tuple[str, float, float]]:
    """Changes that can be told from the column's own spread."""
    middle = float(np.median(predicted))
    if middle > 0 and values.min() > 0 and spread < _LARGEST_SPREAD * middle:
        for unit, factors in _FACTORS.items():
            for factor in chain(factors, (1 / f for f in factors)):
                yield unit, factor, 0.0
    for slope, offset in _DEGREES:
        if abs(slope * middle + offset - middle) > _FAR * spread * max(slope, 1.0):
            yield "degrees of temperature", slope, offset


def _predicted(numbers: Any, known: Any, column: int, own: Codes) -> Any:
    """What the other columns say, by weights that give little to what lies far off."""
    others = np.delete(np.arange(numbers.shape[1]), column)
    target = numbers[own, column]
    x = _standard(np.where(known[own][:, others], numbers[own][:, others], np.nan))
    design = np.concatenate([np.ones((own.size, 1)), x], axis=1)
    fitted = np.full(own.size, np.median(target))
    penalty = _RIDGE * own.size * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    for _ in range(_STEPS):
        away = target - fitted
        scale = _NORMAL_MAD * float(np.median(np.abs(away))) + _TINY
        # Weights that fall to nothing far out: a second unit must not pull at all.
        weights = np.where(np.abs(away) < 4 * _HUBER * scale, 1.0, 0.0)
        weighted = design * weights[:, None]
        fitted = design @ np.linalg.solve(weighted.T @ design + penalty, weighted.T @ target)
    return fitted


def _standard(x: Any) -> Any:
    """By the middle and its spread, cut at 5, so that other units elsewhere pull little."""
    if not x.shape[1]:
        return x
    middle = np.nan_to_num(np.nanmedian(np.where(np.isnan(x).all(axis=0), 0.0, x), axis=0))
    away = np.nan_to_num(x - middle)
    spread = _NORMAL_MAD * np.median(np.abs(away), axis=0)
    spread = np.where(spread > _TINY, spread, away.std(axis=0))
    return np.clip(np.divide(away, spread, out=np.zeros_like(away), where=spread > _TINY), -5, 5)


def _is_told(rows: Rows, inside: Codes, own: Codes) -> bool:
    """Whether a column of categories says which rows these are: a unit that is written down."""
    marked = np.zeros(rows.n_rows, bool)
    marked[inside] = True
    for codes in rows.codes.T:
        for level in np.unique(codes[inside]):
            has = codes[own] == level
            both = int((has & marked[own]).sum())
            if both >= _SAME * inside.size and both >= _SAME * has.sum():
                return True
    return False


def _shared(rows: Rows, inside: Codes) -> str:
    """The category that nearly all of these rows have and most others do not, or nothing."""
    for codes, (name, texts) in zip(rows.codes.T, rows.levels, strict=True):
        level = int(np.bincount(codes[inside] + 1).argmax()) - 1
        is_most = (codes[inside] == level).mean() >= _SAME
        if level >= 0 and is_most and (codes == level).mean() < _COMMON:
            return f"{name} is {texts[level]}"
    return ""
