"""Groups of rows whose labels the other rows contradict, beside rows that look as they do.

How often a label is contradicted depends on how firm the belief is, and in which class: so a
group is held against the rows outside of it with the same believed class and a like firmness.
A hard group, whose beliefs are weak, is expected to be contradicted; one whose labels were
turned is contradicted where its beliefs are firm.

References:
    Northcutt, Jiang and Chuang (2021), Confident learning. Page (1954), Continuous inspection
    schemes, for the stretch of rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Floats
from hauberk.methods.opinions import MAX_TREE_ROWS
from hauberk.methods.statistics import binomial_tail
from hauberk.methods.value_groups import Group

MIN_RATE = 0.5
"""Share of contradicted rows from which on labels are turned, and not only doubtful."""

MOST_DOUBT = 0.35
"""Share of contradicted rows to expect above which a contradiction says nothing."""

_BINS = 8
_BIN_ROWS = 25
_TURNED = 0.8
"""Contradicted rows to expect of a stretch that was turned, for the search."""

_FLOOR = 0.02
_TINY = 1e-4
_N_TREES = 40
_FEW, _EACH = 3, 0.4
"""Rows of a label from which on it counts, and the share of them that is contradicted."""

_OVERLAP = 0.5
_BLOCKS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contradicted:
    """A group that is contradicted far more often than rows like its own.

    Attributes:
        rows: The judged rows of the group, as places in ``labels``,
        wrong: and whether each of them is contradicted.
        expected: Share of them that is contradicted elsewhere.
        p_value: Chance of so many, corrected for all groups looked at.
    """

    group: Group
    rows: Codes
    wrong: Any
    expected: float
    p_value: float

    def has_all_labels(self, labels: Codes) -> bool:
        """Whether rows of every label that the group gives are contradicted, and of two at least.

        A value that decides the label itself is contradicted in the one label that it decides.
        """
        given, places = np.unique(labels[self.rows], return_inverse=True)
        counts = np.bincount(places)
        shares = np.bincount(places, self.wrong) / counts
        n_given = int((np.bincount(places, self.wrong) > 0).sum())
        return n_given > 1 and bool((shares[counts >= _FEW] >= _EACH).all()) and given.size > 1

    def corrected(self, n_looked: int) -> Contradicted:
        """The same after ``n_looked`` groups were looked at."""
        return replace(self, p_value=min(1.0, self.p_value * n_looked))


class Doubts:
    """How often the labels of rows with a like belief are contradicted."""

    def __init__(self, logs: Any, labels: Codes) -> None:
        chances = np.sort(np.exp(logs), axis=1)
        believed = logs.argmax(axis=1)
        self.wrong = believed != labels
        self._cells = _cells(believed, chances[:, -1] - chances[:, -2])
        self._totals = np.bincount(self._cells)
        self._hits = np.bincount(self._cells, self.wrong)

    def expected(self, rows: Codes) -> Any:
        """For each of ``rows`` the share of contradicted rows like it outside of them."""
        totals = self._totals - np.bincount(self._cells[rows], minlength=self._totals.size)
        hits = self._hits - np.bincount(
            self._cells[rows], self.wrong[rows], minlength=self._totals.size
        )
        return ((hits + 0.5) / (totals + 1))[self._cells[rows]]

    def stretch(self) -> tuple[int, int]:
        """First and last row, plus one, of the stretch that most looks as if it was turned."""
        share = np.clip(((self._hits + 0.5) / (self._totals + 1))[self._cells], _FLOOR, _TURNED)
        steps = np.where(
            self.wrong, np.log(_TURNED / share), np.log((1 - _TURNED) / (1 - share + _FLOOR))
        )
        sums = np.concatenate([[0.0], np.cumsum(steps)])
        lowest = np.minimum.accumulate(sums)
        end = int((sums - lowest).argmax())
        return int(sums[: end + 1].argmin()), end


def _cells(believed: Codes, firmness: Any) -> Codes:
    """Rows of one believed class by firmness, in steps of equally many rows."""
    cells = np.empty(believed.size, np.int64)
    for code in np.unique(believed):
        own = np.flatnonzero(believed == code)
        steps = min(_BINS, max(1, own.size // _BIN_ROWS))
        place = np.empty(own.size, np.int64)
        place[np.argsort(firmness[own], kind="stable")] = np.arange(own.size)
        cells[own] = code * _BINS + place * steps // own.size
    return cells


def contradicted(
    doubts: Doubts, groups: Iterable[Group], places: Codes, *, least: int
) -> list[Contradicted]:
    """Groups by how little chance explains their contradictions, the clearest first.

    Args:
        places: Of every row its place among the judged ones, or -1.
        least: Contradicted rows that a group has at least.
    """
    found, n_looked = [], 0
    for group in groups:
        rows = places[group.rows]
        rows = rows[rows >= 0]
        if rows.size < least:
            continue
        n_looked += 1
        wrong = doubts.wrong[rows]
        n_wrong = int(wrong.sum())
        if n_wrong < least or n_wrong < MIN_RATE * rows.size:
            continue
        expected = float(doubts.expected(rows).mean())
        if expected > MOST_DOUBT:
            continue
        p_value = float(binomial_tail(n_wrong, rows.size, expected))
        found.append(
            Contradicted(group=group, rows=rows, wrong=wrong, expected=expected, p_value=p_value)
        )
    found.sort(key=lambda one: (one.p_value, -one.rows.size, one.group.told))
    return [one.corrected(n_looked) for one in found]


def blind(x: Floats, labels: Codes) -> Any:
    """Logarithms of class probabilities by trees that did not see the row."""
    from sklearn.ensemble import ExtraTreesClassifier

    step = -(-labels.size // MAX_TREE_ROWS)
    taught = np.arange(0, labels.size, step)
    forest = ExtraTreesClassifier(
        _N_TREES, min_samples_leaf=3, bootstrap=True, oob_score=True, random_state=0, n_jobs=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a row may be in every bag: then nothing is believed
        forest.fit(x[taught], labels[taught])
    out = np.zeros((labels.size, int(labels.max()) + 1))
    if step > 1:
        out[:, forest.classes_] = forest.predict_proba(x)
    out[np.ix_(taught, forest.classes_)] = np.nan_to_num(forest.oob_decision_function_)
    return np.log(np.maximum(out, _TINY))


def come_in_blocks(labels: Codes) -> bool:
    """Whether rows below each other share their label far more often than chance has it."""
    usual = np.bincount(labels) / labels.size
    by_chance = float((usual**2).sum())
    same = float((labels[1:] == labels[:-1]).mean())
    return same > by_chance + _BLOCKS * (1 - by_chance)


def distinct(found: Iterable[Contradicted]) -> Iterator[Contradicted]:
    """Of groups that share most of their rows only the first."""
    taken: list[Any] = []
    for one in found:
        if all(np.isin(one.rows, other).mean() < _OVERLAP for other in taken):
            taken.append(one.rows)
            yield one
