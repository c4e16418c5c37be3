"""Columns that are means of the label over groups of the same rows (target encoding).

A category is often replaced by the mean of the label in it. Where that mean is taken over the
rows that a model then learns from, or is judged on, every row's own label is in its features.
Such a column gives itself away without a look at how it was made: the mean of the label over the
rows that hold one of its values *is* that value, for every value. Three ways of making it are
known:

1. plain: ``x = S / n`` for the sum and the number of the labels in a group;
2. shrunk: ``x = (S + m p) / (n + m)`` for one weight ``m`` and one prior ``p``, solved for;
3. without the own row: ``x = (S - y) / (n - 1)``, held against the groups of each category.

Equality is up to the digits that the column is written with; what so many groups could show by
chance is counted in bits, and no share, mean or rate that comes from elsewhere has enough of them.

References:
    Micci-Barreca (2001), A preprocessing scheme for high-cardinality categorical attributes.
    Prokhorenkova and others (2018), CatBoost: unbiased boosting with categorical features,
    section 3 (target leakage).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, log2
from typing import Any

import numpy as np

MIN_GROUPS = 4
MIN_ROWS = 100
MAX_CLASSES = 12
MAX_DIGITS = 7
MIN_BITS = 40.0
"""Agreement by chance is less likely than one in 2^40 then."""

_ROUNDING = 1e-9
_EXACT = 1e-14
_SINGLE = 2e-7
"""Of values that went through 32 bits, relative."""

_PLAIN, MAX_WEIGHT = 1e-3, 1e4
"""Weights of a prior; a smaller one is none."""

MAX_ALIKE = 4
_ALL = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOfLabels:
    """A column made of labels.

    Attributes:
        way: How, for people.
        n_groups: Values, or groups, that agree.
        bits: How improbable it is by chance.
    """

    way: str
    n_groups: int
    bits: float


def targets_of(label: Any) -> Mapping[str, Any]:
    """What means may be taken of: numbers as they are, and each class as 0 and 1.

    Args:
        label: ``(n_rows,)`` numbers, or texts.

    Returns:
        Name of a class, or nothing for numbers, to ``(n_rows,)`` float64.
    """
    label = np.asarray(label)
    names, codes = np.unique(label, return_inverse=True)
    found: dict[str, Any] = {}
    if label.dtype.kind in "biuf":
        found[""] = label.astype(np.float64)
    if 1 < names.size <= MAX_CLASSES:
        found |= {str(name): (codes == code).astype(np.float64) for code, name in enumerate(names)}
    return found


def means_of(values: Any, target: Any, groups: Mapping[str, Any]) -> MadeOfLabels | None:
    """How a column was made of a label; ``None`` where it was not.

    Args:
        values: ``(n_rows,)`` finite numbers.
        target: ``(n_rows,)`` of `targets_of`.
        groups: Categories by name, as ``(n_rows,)`` codes from 0.
    """
    if values.size < MIN_ROWS or np.ptp(target) == 0 or np.ptp(values) == 0:
        return None
    near = _tolerance(values)
    own, codes = np.unique(values, return_inverse=True)
    if MIN_GROUPS <= own.size <= values.size // 2:
        sums, counts = _sums(codes, target), np.bincount(codes).astype(np.float64)
        found = _plain(own, sums, counts, near) or _shrunk(own, sums, counts, near)
        if found is not None and not _is_copy(codes, target):
            return found
    for name, codes in groups.items():
        found = _without_own(values, target, (name, codes), near)
        if found is not None:
            return found
    return None


def _tolerance(values: Any) -> float:
    """Half of the last digit that the column is written with."""
    size = max(float(np.abs(values).max()), 1e-300)
    for digits in range(2, MAX_DIGITS):
        if (np.abs(values - np.round(values, digits)) <= _EXACT * size).all():
            return 0.5 * 10.0**-digits * (1 + 1e-6) + _ROUNDING * size
    return _SINGLE * size


def _sums(codes: Any, target: Any) -> Any:
    return np.bincount(codes, weights=target)


def _is_copy(codes: Any, target: Any) -> bool:
    """Whether every group has one label only: that is a copy of it, and no mean."""
    squares = _sums(codes, target * target)
    counts = np.bincount(codes)
    return bool((squares - _sums(codes, target) ** 2 / counts < _ROUNDING).all())


def _bits(found: Any, near: float) -> float:
    """Of so many equal numbers: each could have been anything between the smallest and largest."""
    span = float(np.ptp(found))
    return found.size * log2(max(span / (2 * near), 1.0)) if near > 0 else inf


def _agree(expected: Any, values: Any, counts: Any, near: float) -> bool:
    """Whether all but a row in a thousand have what is expected; groups of one row say nothing."""
    equal = np.abs(expected - values) <= near
    return float(counts[equal].sum()) >= _ALL * float(counts.sum())


def _plain(own: Any, sums: Any, counts: Any, near: float) -> MadeOfLabels | None:
    large = counts > 1
    if large.sum() < MIN_GROUPS or not _agree(sums / counts, own, counts, near):
        return None
    return _enough(own[large], near, "the mean of the label over the rows that hold it")


def _shrunk(own: Any, sums: Any, counts: Any, near: float) -> MadeOfLabels | None:
    """Solve ``S - n x = m x - m p`` for the weight and the prior."""
    if own.size < MIN_GROUPS + 1:
        return None
    weight, both = _weight_and_prior(own, sums, counts)
    if not _PLAIN < weight < MAX_WEIGHT:
        return None
    # Groups with the same sum and number hold the same value, and look like one.
    alike = np.arange(1, MAX_ALIKE + 1)[:, None]
    expected = (sums + alike * both) / (counts + alike * weight)
    nearest = np.abs(expected - own).argmin(axis=0)
    if not _agree(expected[nearest, np.arange(own.size)], own, counts, 2 * near):
        return None
    # Two of the groups were spent on weight and prior, and some bits on the choice.
    return _enough(own[2:], 8 * near, "the mean of the label over the rows that hold it, shrunk")


def _weight_and_prior(own: Any, sums: Any, counts: Any) -> tuple[float, float]:
    """``m`` and ``m p``, from the groups that agree best."""
    scale = 1 / (counts + 1)
    design = np.column_stack([own, -np.ones(own.size)]) * scale[:, None]
    left = (sums - counts * own) * scale
    kept = np.arange(own.size)
    weight = both = 0.0
    for _ in range(6):
        weight, both = np.linalg.lstsq(design[kept], left[kept], rcond=None)[0].tolist()
        apart = np.abs(design @ [weight, both] - left)
        kept = np.argsort(apart, kind="stable")[: max(MIN_GROUPS, own.size * 7 // 10)]
    return weight, both


def _without_own(
    values: Any, target: Any, group: tuple[str, Any], near: float
) -> MadeOfLabels | None:
    name, codes = group
    counts = np.bincount(codes).astype(np.float64)[codes]
    large = counts > 1
    if large.sum() < MIN_ROWS:
        return None
    expected = (_sums(codes, target)[codes] - target)[large] / (counts[large] - 1)
    if np.ptp(expected) == 0 or not _agree(expected, values[large], np.ones(large.sum()), near):
        return None
    way = f"the mean of the label over the other rows of the same {name}"
    return _enough(np.unique(expected), near, way)


def _enough(found: Any, near: float, way: str) -> MadeOfLabels | None:
    bits = _bits(found, near)
    if bits < MIN_BITS or found.size < 2:  # noqa: PLR2004 - one number is no agreement
        return None
    return MadeOfLabels(way=way, n_groups=int(found.size), bits=bits)
