"""Metrics from one table of counts, and from scores by rank.

`Counts` is what validation keeps: how often each true class was given each predicted class,
by group. Accuracy, confusion and fairness all follow from it, so they cannot disagree, and
counts of parts add up to the counts of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.errors import UsageError

ALL_ROWS = ""
"""The group of everybody, where rows have no group."""

Cube = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Rows by group, true class and predicted class.

    Attributes:
        cube: ``(n_groups, n_classes, n_classes)``, int64.
    """

    classes: tuple[str, ...]
    groups: tuple[str, ...]
    cube: Cube

    @property
    def confusion(self) -> Cube:
        """``(true, predicted)`` over all groups."""
        return np.asarray(self.cube.sum(axis=0), np.int64)

    @property
    def n_rows(self) -> int:
        """Rows counted."""
        return int(self.cube.sum())

    @property
    def accuracy(self) -> float:
        """Share of rows given their true class; 0 without rows."""
        return float(np.trace(self.confusion)) / max(self.n_rows, 1)

    def accuracy_by_group(self) -> dict[str, float]:
        """Accuracy of each group that has rows."""
        return {
            group: float(np.trace(table)) / int(table.sum())
            for group, table in zip(self.groups, self.cube, strict=True)
            if table.sum()
        }

    def equalized_odds_difference(self) -> float:
        """Largest gap between two groups in a true- or false-positive rate, 0 to 1.

        With more than two classes, each class against the rest; groups without rows of the
        true class in question say nothing about it.

        References:
            Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning.
        """
        gaps = [
            _gap(rates)
            for place in self._judged_classes()
            for rates in (self._rates(place, own=True), self._rates(place, own=False))
        ]
        return max(gaps, default=0.0)

    def _judged_classes(self) -> tuple[int, ...]:
        """In a problem of two classes, one of them says all."""
        n = len(self.classes)
        return (n - 1,) if n == 2 else tuple(range(n))  # noqa: PLR2004 - two classes

    def _rates(self, place: int, *, own: bool) -> list[float]:
        """Rate at which each group is given class ``place``: of its own or of other rows."""
        rows = self.cube[:, place, :][:, None] if own else np.delete(self.cube, place, axis=1)
        given, total = rows[:, :, place].sum(axis=1), rows.sum(axis=(1, 2))
        return [float(a) / int(b) for a, b in zip(given, total, strict=True) if b]

    def __add__(self, other: Counts) -> Counts:
        """The counts of both parts; they must share classes and groups."""
        if (self.classes, self.groups) != (other.classes, other.groups):
            raise UsageError("Counts of different classes or groups cannot be added")
        return Counts(classes=self.classes, groups=self.groups, cube=self.cube + other.cube)


def _gap(rates: Sequence[float]) -> float:
    return max(rates) - min(rates) if rates else 0.0


def count(
    truth: Sequence[str],
    predicted: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    classes: Sequence[str] = (),
    group_names: Sequence[str] = (),
) -> Counts:
    """The table of counts for rows given as parallel sequences.

    Args:
        groups: The group of each row; everybody is one group where there is none.
        classes: Fixes the classes and their order, for counts that are added later.
        group_names: Fixes the groups likewise.

    Raises:
        UsageError: The sequences differ in length or hold a class outside ``classes``.
    """
    people = [ALL_ROWS] * len(truth) if groups is None else list(groups)
    names = tuple(classes) or tuple(sorted({*truth, *predicted}))
    kinds = tuple(group_names) or tuple(sorted(set(people))) or (ALL_ROWS,)
    class_place = {name: place for place, name in enumerate(names)}
    group_place = {name: place for place, name in enumerate(kinds)}
    cube = np.zeros((len(kinds), len(names), len(names)), np.int64)
    try:
        rows = zip(people, truth, predicted, strict=True)
        places = [(group_place[g], class_place[t], class_place[p]) for g, t, p in rows]
    except (KeyError, ValueError) as error:
        raise UsageError(
            "The rows do not fit the classes or each other", found=str(error)
        ) from None
    if places:
        np.add.at(cube, tuple(np.array(places).T), 1)
    return Counts(classes=names, groups=kinds, cube=cube)


def roc_auc(is_positive: Sequence[bool], scores: Sequence[float]) -> float:
    """Chance that a positive row scores above a negative one, ties counted half.

    Returns:
        0 to 1; 0.5 where one of the two kinds has no rows, because nothing was shown.

    >>> roc_auc([False, True, True], [0.1, 0.9, 0.1])
    0.75
    """
    positive = np.asarray(is_positive, bool)
    values = np.asarray(scores, np.float64)
    n_positive = int(positive.sum())
    n_negative = positive.size - n_positive
    if not n_positive or not n_negative:
        return 0.5
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = float(ranks[places][positive].sum())
    return (total - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def roc_auc_of_classes(truth: Sequence[str], scores: Any, classes: Sequence[str]) -> float:
    """`roc_auc` of the second of two classes, or the mean of each class against the rest.

    Args:
        scores: ``(n_rows, n_classes)``, in the order of ``classes``.
    """
    truths = np.asarray(truth, object)
    matrix = np.asarray(scores, np.float64)
    if len(classes) == 2:  # noqa: PLR2004 - two classes
        return roc_auc((truths == classes[1]).tolist(), matrix[:, 1].tolist())
    seen = [place for place, name in enumerate(classes) if (truths == name).any()]
    parts = [roc_auc((truths == classes[i]).tolist(), matrix[:, i].tolist()) for i in seen]
    return float(np.mean(parts)) if parts else 0.5


def rate_at(is_positive: Sequence[bool], scores: Sequence[float], false_rate: float) -> float:
    """Share of positives above the threshold that at most ``false_rate`` of negatives exceed.

    Ties with the threshold do not count, so a score that many rows share earns nothing.
    """
    positive = np.asarray(is_positive, bool)
    values = np.asarray(scores, np.float64)
    clean = np.sort(values[~positive])[::-1]
    if not positive.any() or not clean.size:
        return 0.0
    allowed = int(false_rate * clean.size)
    threshold = clean[allowed] if allowed < clean.size else -np.inf
    return float(np.mean(values[positive] > threshold))
