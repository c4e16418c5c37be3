"""How far one profile is from another, column by column, and whether chance explains it.

Each column is asked three questions, each with a p-value that knows both sample sizes:

* shape: Kolmogorov-Smirnov on the sketch for what is measured in numbers, the G-test for
  categories (with total variation as the size of the effect);
* missing cells: the difference of two shares;
* unseen values: new categories, or numbers outside the range, beyond what a further sample
  of the same source would bring.

A column has drifted when one of them is both larger than ``min_effect`` and rarer than
``alpha`` after Bonferroni's correction over all questions of all columns, so that ``alpha``
is the chance of any false alarm in a whole comparison, wide tables included.

References:
    Massey (1951), The Kolmogorov-Smirnov test for goodness of fit. Wilson and Hilferty
    (1931), The distribution of chi-square. Good (1953), The population frequencies of
    species, for the share of unseen categories.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hauberk.core.artifact import ColumnKind
from hauberk.sketches.measures import label_of
from hauberk.sketches.numbers import Floats, Int64s, Numbers
from hauberk.sketches.profile import ColumnProfile, Profile
from hauberk.sketches.values import Values

_QUESTIONS = 3
_MIN_EXPECTED = 5.0
_PSI_BINS = 10
_AFTER = 0.9
_MIN_DENSE = 50
_SPARSE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDistance:
    """One column of two profiles.

    Attributes:
        measure: What was compared: ``value``, ``length``, ``mean``, ``category`` ...
        shape: Kolmogorov-Smirnov distance or total variation, 0 to 1.
        psi: Population stability index, as monitoring tools show it; no test uses it.
        missing: Share of missing cells in the second profile minus that in the first.
        unseen: Share of the second profile's cells that the first never saw.
        p_value: The smallest of the three, before correction.
        threshold: The p-value below which the column counts as drifted.
        question: Which of the three questions gave the p-value.
        drifted: Whether the column has drifted.
    """

    name: str
    measure: str
    shape: float
    psi: float
    missing: float
    unseen: float
    p_value: float
    threshold: float
    question: str
    n: tuple[int, int]
    drifted: bool

    @property
    def label(self) -> str:
        """The column, with what was measured where it has several measures."""
        return label_of(self.name, self.measure)


def distance(
    profile: Profile, other: Profile, *, alpha: float = 0.01, min_effect: float = 0.05
) -> tuple[ColumnDistance, ...]:
    """Hold each column of ``other`` (live rows) against ``profile`` (the reference).

    Columns that only one of them has are left out; schemas are compared elsewhere.

    Args:
        alpha: Chance of any false alarm in the whole comparison, 0 to 1.
        min_effect: Smallest difference that matters, as a share of the rows, 0 to 1;
            with a million rows everything differs significantly.
    """
    names = {column.name for column in other.columns}
    pairs = [(mine, other.column(mine.name)) for mine in profile.columns if mine.name in names]
    measured = [(mine, theirs, m) for mine, theirs in pairs for m in _measures(mine, theirs)]
    threshold = alpha / max(_QUESTIONS * len(measured), 1)
    return tuple(
        _compare(mine, theirs, measure, threshold, min_effect) for mine, theirs, measure in measured
    )


def drifted_columns(
    found: Iterable[ColumnDistance],
) -> tuple[tuple[ColumnDistance, ...], ...]:
    """The measures of each column that drifted, the farthest one first."""
    columns: dict[str, list[ColumnDistance]] = {}
    for item in found:
        if item.drifted:
            columns.setdefault(item.name, []).append(item)
    return tuple(tuple(sorted(c, key=lambda item: -item.shape)) for c in columns.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDistance:
    """What is said of one group in two profiles.

    Attributes:
        names: The sensitive columns.
        group: Their values.
        shape: Total variation of the labels within the group, 0 to 1.
    """

    names: tuple[str, ...]
    group: tuple[str, ...]
    shape: float
    p_value: float
    threshold: float
    n: tuple[int, int]
    first: dict[str, int]
    second: dict[str, int]
    drifted: bool


def group_distances(
    profile: Profile, other: Profile, *, alpha: float = 0.01, min_effect: float = 0.05
) -> tuple[GroupDistance, ...]:
    """Hold the labels (or predictions) of each group of ``other`` against the same group's.

    A group that training did not have is a matter of its column, not of its labels.
    """
    pairs = []
    for names, sketch in profile.groups.items():
        if names not in other.groups or sketch.overflown or other.groups[names].overflown:
            continue
        mine, theirs = (_by_group(side.representation(names)) for side in (profile, other))
        pairs += [(names, group, mine[group], theirs[group]) for group in mine if group in theirs]
    threshold = alpha / max(len(pairs), 1)
    return tuple(_group(pair, threshold, min_effect) for pair in pairs)


def _by_group(counts: dict[tuple[str, ...], int]) -> dict[tuple[str, ...], dict[str, int]]:
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for (*group, label), n in counts.items():
        found.setdefault(tuple(group), {})[label] = n
    return found


def _group(
    pair: tuple[tuple[str, ...], tuple[str, ...], dict[str, int], dict[str, int]],
    threshold: float,
    min_effect: float,
) -> GroupDistance:
    names, group, first, second = pair
    keys = sorted(first.keys() | second.keys())
    left, right = (np.array([side.get(k, 0) for k in keys], np.int64) for side in (first, second))
    n, m = int(left.sum()), int(right.sum())
    shape = float(np.abs(left / n - right / m).sum() / 2)
    p_value = g_test(left, right)
    return GroupDistance(
        names=names,
        group=group,
        shape=shape,
        p_value=p_value,
        threshold=threshold,
        n=(n, m),
        first=first,
        second=second,
        drifted=shape >= min_effect and p_value < threshold,
    )


def _measures(mine: ColumnProfile, theirs: ColumnProfile) -> tuple[str, ...]:
    shared = tuple(name for name in mine.numbers if name in theirs.numbers)
    if mine.kind is ColumnKind.CATEGORY and theirs.values is not None:
        return ("category",)
    return shared


def _compare(
    mine: ColumnProfile, theirs: ColumnProfile, measure: str, threshold: float, min_effect: float
) -> ColumnDistance:
    if measure == "category" and mine.values is not None and theirs.values is not None:
        n = (mine.values.count, theirs.values.count)
        shape, shape_p, psi = _categories(mine.values, theirs.values)
        unseen, unseen_p = _new_categories(mine.values, theirs.values)
    else:
        first, second = mine.numbers[measure], theirs.numbers[measure]
        n = (first.count, second.count)
        shape, shape_p, psi = _numbers(first, second)
        unseen, unseen_p = _outside(first, second)
    missing, missing_p = shares_differ(mine.missing, theirs.missing, n)
    effects = {
        "shape": (shape, shape_p),
        "missing": (missing, missing_p),
        "unseen": (unseen, unseen_p),
    }
    question = min(effects, key=lambda name: effects[name][1])
    asked = ["missing"] if _goes_on(mine, theirs) else list(effects)
    drifted = any(abs(effects[q][0]) >= min_effect and effects[q][1] < threshold for q in asked)
    return ColumnDistance(
        name=mine.name,
        measure=measure,
        shape=shape,
        psi=psi,
        missing=missing,
        unseen=unseen,
        p_value=effects[question][1],
        threshold=threshold,
        question=question,
        n=n,
        drifted=drifted,
    )


def _goes_on(mine: ColumnProfile, theirs: ColumnProfile) -> bool:
    """Whether a column only counts on: times, or row numbers, that lie after training's.

    Row numbers are whole numbers without gaps, each there once, on both sides; a feature whose
    unit changed is not taken for one, since its values lie apart.
    """
    first, second = mine.numbers.get("value"), theirs.numbers.get("value")
    if first is None or second is None or not first.count or not second.count:
        return False
    if first.highest is None or mine.kind is not theirs.kind:
        return False
    after = int(second.counts[second.bins > (first.highest >> second.shift)].sum())
    if after < _AFTER * second.count:
        return False
    if mine.kind is ColumnKind.TIME:
        return True
    return "int" in mine.dtype and all(_is_dense(sketch) for sketch in (first, second))


def _is_dense(sketch: Numbers) -> bool:
    low, high = sketch.low, sketch.high
    if low is None or high is None or sketch.count < _MIN_DENSE:
        return False
    return sketch.count * _SPARSE >= high - low + 1 >= sketch.count / _SPARSE


# Numbers -----------------------------------------------------------------------------


def _numbers(first: Numbers, second: Numbers) -> tuple[float, float, float]:
    """Kolmogorov-Smirnov distance, its p-value, and the population stability index."""
    n, m = first.count, second.count
    if not n or not m:
        return 0.0, 1.0, 0.0
    left, right = aligned(first, second)
    gap = float(np.max(np.abs(np.cumsum(left) / n - np.cumsum(right) / m)))
    p_value = min(1.0, 2 * math.exp(-2 * gap * gap * n * m / (n + m)))
    return gap, p_value, psi_of(*_deciles(left, right))


def aligned(first: Numbers, second: Numbers) -> tuple[Int64s, Int64s]:
    """Counts of both over the same bins, at the coarser resolution of the two."""
    shift = max(first.shift, second.shift)
    left, right = first.bins >> (shift - first.shift), second.bins >> (shift - second.shift)
    bins = np.union1d(left, right)
    counts = [np.zeros(bins.size, np.int64) for _ in range(2)]
    for target, keys, sketch in zip(counts, (left, right), (first, second), strict=True):
        np.add.at(target, np.searchsorted(bins, keys), sketch.counts)
    return counts[0], counts[1]


def _deciles(left: Int64s, right: Int64s) -> tuple[Int64s, Int64s]:
    """Both counts over ten bins that hold equal shares of the first, where ties allow."""
    place = np.cumsum(left) - left
    group = np.minimum(place * _PSI_BINS // max(int(left.sum()), 1), _PSI_BINS - 1)
    return (
        np.bincount(group, left, _PSI_BINS).astype(np.int64),
        np.bincount(group, right, _PSI_BINS).astype(np.int64),
    )


def _outside(first: Numbers, second: Numbers) -> tuple[float, float]:
    """Share of the second sample outside the range of the first, and its p-value.

    Of one more exchangeable value, two in n + 1 fall outside; the probability itself varies
    from sample to sample, so it is taken at a pessimistic multiple.
    """
    if not first.count or not second.count or first.lowest is None or first.highest is None:
        return 0.0, 1.0
    below = second.bins + 1 <= (first.lowest >> second.shift)
    above = second.bins > (first.highest >> second.shift)
    n_outside = int(second.counts[below | above].sum())
    return excess(n_outside, second.count, 2 / (first.count + 1))


# Categories --------------------------------------------------------------------------


def _categories(first: Values, second: Values) -> tuple[float, float, float]:
    """Total variation, the p-value of the G-test, and the population stability index."""
    n, m = first.count, second.count
    if not n or not m or first.overflown or second.overflown:
        return 0.0, 1.0, 0.0
    keys = sorted(first.counts.keys() | second.counts.keys())
    left = np.array([first.counts.get(key, 0) for key in keys], np.int64)
    right = np.array([second.counts.get(key, 0) for key in keys], np.int64)
    variation = float(np.abs(left / n - right / m).sum() / 2)
    return variation, g_test(left, right), psi_of(left, right)


def g_test(left: Int64s, right: Int64s) -> float:
    """Homogeneity of two rows of counts; rare categories are taken together."""
    n, m = int(left.sum()), int(right.sum())
    expected = (left + right) * min(n, m) / (n + m)
    rare = expected < _MIN_EXPECTED
    rows = np.array([[*row[~rare], row[rare].sum()] for row in (left, right)], np.float64)
    total = rows.sum(axis=0)
    rows = rows[:, total > 0]
    total = rows.sum(axis=0)
    if rows.shape[1] < 2:  # noqa: PLR2004 - one category cannot differ
        return 1.0
    ideal = np.array([[n], [m]]) * total / (n + m)
    terms = rows * np.log(np.where(rows > 0, rows, 1) / ideal)
    return chi_square_tail(2 * float(terms[rows > 0].sum()), rows.shape[1] - 1)


def _new_categories(first: Values, second: Values) -> tuple[float, float]:
    """Share of cells with a category never seen, and its p-value (Good's estimate)."""
    if not second.count or first.overflown or second.overflown or not first.count:
        return 0.0, 1.0
    new = sum(count for key, count in second.counts.items() if key not in first.counts)
    once = sum(1 for count in first.counts.values() if count == 1)
    return excess(new, second.count, (once + 1) / (first.count + 1))


# Chance ------------------------------------------------------------------------------


def excess(hits: int, n: int, expected: float) -> tuple[float, float]:
    """Share of hits and a bound on the chance of so many (Chernoff on three times expected)."""
    share, rate = hits / n, min(3 * expected, 1.0)
    if share <= rate:
        return share, 1.0
    inner = share * math.log(share / rate)
    outer = (1 - share) * math.log((1 - share) / (1 - rate)) if share < 1 else 0.0
    return share, math.exp(-n * (inner + outer))


def shares_differ(first: int, second: int, n: tuple[int, int]) -> tuple[float, float]:
    """Difference of two shares of missing cells and its p-value."""
    a, b = first + n[0], second + n[1]
    if not a or not b:
        return 0.0, 1.0
    present = np.array([n[0], n[1]], np.int64)
    missing = np.array([first, second], np.int64)
    table = np.stack([missing, present], axis=1)
    return second / b - first / a, g_test(table[0], table[1])


def chi_square_tail(x: float, freedom: int) -> float:
    """Probability of a chi-square beyond ``x``, after Wilson and Hilferty.

    >>> round(chi_square_tail(3.841, 1), 3), round(chi_square_tail(18.307, 10), 3)
    (0.047, 0.05)
    """
    if x <= 0:
        return 1.0
    spread = 2 / (9 * freedom)
    z = ((x / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2)) / 2


def psi_of(left: Int64s, right: Int64s) -> float:
    """Population stability index with half a count added to each bin."""
    a: Floats = (left + 0.5) / (left.sum() + left.size / 2)
    b: Floats = (right + 0.5) / (right.sum() + right.size / 2)
    return float(((a - b) * np.log(a / b)).sum())
