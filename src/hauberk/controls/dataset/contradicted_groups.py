"""Groups of rows whose labels were turned; see `ContradictedGroups`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.contradicted import (
    Contradicted,
    Doubts,
    blind,
    come_in_blocks,
    contradicted,
    distinct,
)
from hauberk.methods.opinions import Case, case_of, held_against
from hauberk.methods.value_groups import Group, groups_of, without_columns

_SHOWN = 1_000
_MIN_ROWS = 120
_MAX_FINDINGS = 3
_MAX_COLUMNS = 8
"""Columns of which models are made blind; each costs some trees."""
_MIN_GROUPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictedGroups(Check[Dataset]):
    """Rows that share a value, and whose labels the other rows contradict.

    What one step, one day or one contributor labelled wrongly is a small part of the rows, too
    small to raise the rate of contradictions of all. But these rows share a value: a batch, a
    day, a site, a word of a note, or they stand below each other in the file. Of each such
    group the contradicted labels are counted, and held against rows outside of it whose
    beliefs are as firm. A group of which at least half is contradicted was turned, or follows
    another rule than all other rows.

    Limits:
        A group that has one label alone passes: years of a country have one continent, whatever
        the other columns say. So do groups in which a minority of the labels is wrong, or fewer
        than ``min_rows`` of them, and those of more than ``max_share`` of the rows, or where rows
        like theirs are contradicted in more than a third of the cases anyhow. Values of numbers and
        categories that models learn from are judged by models without that column for the
        eight columns of the fewest such values. A site that really goes by another rule looks
        the same: a finding is of level ``review``. Where labels come in blocks in the file, as in
        one that is sorted, stretches of rows are not looked for.

    Args:
        min_rows: Contradicted rows that a group has at least.
        alpha: Largest chance of so many, after correction for all groups.
        max_share: Share of the rows that a group has at most, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i * 7 % 600 for i in range(600)]
        >>> site = [f"s{i % 20}" for i in range(600)]
        >>> ys = ["hi" if (x >= 300) != (s == "s7") else "lo" for x, s in zip(xs, site)]
        >>> rows = pa.RecordBatch.from_pydict({"x": xs, "site": site, "y": ys})
        >>> found = ContradictedGroups().check(table_of("t", [rows], label="y"))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ['30 of 30 labels of t with site s7 contradict what the other rows say, elsewhere 2 %']

    References:
        For the statistics see `hauberk.methods.contradicted`.
    """

    title: ClassVar[str] = "Labels of a group were turned"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-1"), ThreatId("AQ-1"))
    subject: ClassVar[Any] = Dataset

    min_rows: int = 8
    alpha: float = 1e-4
    max_share: float = 0.15

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and a finding for each group.

        Raises:
            NotApplicable: There is no label, it is no class, or there are too few rows.
            UsageError: The trusted rows have other columns.
        """
        case = case_of(subject)
        if case.labels.size < _MIN_ROWS:
            raise NotApplicable(f"{case.labels.size} rows with a label")
        found = list(islice(distinct(self._found(subject, case)), _MAX_FINDINGS))
        scores = np.zeros(case.everyone.n_rows)
        for one in found:
            places = case.known[one.rows]
            scores[places] = np.where(one.wrong, 1 - one.expected, 0.6)
        values = scores.tolist()
        yield RowScores(
            path=subject.name,
            n_rows=case.everyone.n_rows,
            read=lambda: iter([(0, values)]),
            is_chance=True,
            flagged_above=0.5 if found else None,
        )
        for one in found:
            yield _finding(subject, case, one, self.alpha)

    def _found(self, subject: Dataset, case: Case) -> list[Contradicted]:
        doubts = Doubts(case.opinions.fine, case.labels)
        places = np.full(case.everyone.n_rows, -1, np.int64)
        places[case.known] = np.arange(case.labels.size)
        most = int(self.max_share * case.labels.size)
        groups = list(groups_of(subject, case.everyone, least=self.min_rows, most=most))
        found = contradicted(doubts, groups, places, least=self.min_rows)
        found += self._learnt(case, groups, places)
        found += self._stretch(case, doubts, places, most)
        found = [
            one for one in found if one.p_value < self.alpha and one.has_all_labels(case.labels)
        ]
        return sorted(found, key=lambda one: (one.p_value, one.group.told))

    def _stretch(
        self, case: Case, doubts: Doubts, places: Any, most: int
    ) -> Iterator[Contradicted]:
        """Rows below each other, where they do not share anything else."""
        first, end = doubts.stretch()
        if not self.min_rows <= end - first <= most or come_in_blocks(case.labels):
            return
        rows = case.known[first:end]
        group = Group(column="rows", value=f"{rows[0] + 1} to {rows[-1] + 1}", rows=rows)
        for one in contradicted(doubts, [group], places, least=self.min_rows):
            # Any row may be the first, and any of the next ones the last.
            yield one.corrected(case.labels.size * most)

    def _learnt(self, case: Case, groups: list[Group], places: Any) -> Iterator[Contradicted]:
        """Groups by columns that models may have learnt from, which are taken from them here."""
        named = {name for name, _ in case.rows.levels} | {*case.rows.names}
        of: dict[str, list[Group]] = {}
        for group in groups:
            if not group.is_word and group.column in named:
                of.setdefault(group.column, []).append(group)
        n_looked = sum(len(own) for own in of.values())
        for column in sorted(of, key=lambda name: len(of[name]))[:_MAX_COLUMNS]:
            left = without_columns(case.rows, (column,))
            x = embed.table_features(left, ranked=True) if left.texts is None else None
            x = embed.features(left) if x is None else x
            if not x.shape[1] or len(of[column]) < _MIN_GROUPS:
                continue
            doubts = Doubts(blind(x, case.labels), case.labels)
            for one in contradicted(doubts, of[column], places, least=self.min_rows)[:1]:
                chance = one.corrected(n_looked)
                if chance.p_value < self.alpha:
                    yield from self._without(case, one, n_looked)

    def _without(self, case: Case, one: Contradicted, n_looked: int) -> Iterator[Contradicted]:
        """The group as all models see it that were fitted to the other rows."""
        others = np.setdiff1d(np.arange(case.labels.size), one.rows)
        order = np.concatenate([others, one.rows])
        parts = [embed.picked(case.rows, part) for part in (one.rows, others)]
        believed, inside = held_against(*parts)
        doubts = Doubts(np.concatenate([inside, believed]), case.labels[order])
        places = np.empty(order.size, np.int64)
        places[order] = np.arange(order.size)
        group = replace(one.group, rows=one.rows)
        for heard in contradicted(doubts, [group], places, least=self.min_rows):
            yield replace(heard, rows=one.rows).corrected(n_looked)


def _finding(subject: Dataset, case: Case, one: Contradicted, alpha: float) -> Finding:
    order = np.argsort(~one.wrong, kind="stable")
    rows = case.known[one.rows[order]]
    n_wrong = int(one.wrong.sum())
    given = case.labels[one.rows[one.wrong]]
    usual = case.rows.classes[int(np.bincount(given).argmax())]
    return Finding(
        message=f"{n_wrong} of {one.rows.size} labels of {subject.name} with {one.group.told} "
        f"contradict what the other rows say, elsewhere {100 * one.expected:.0f} %",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=ContradictedGroups.threats,
        confidence=1 - one.p_value,
        location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=subject.label),
        remedy="Ask whether another rule holds for these rows; if none does, compare their "
        "labels with the source, and find the step or the contributor that wrote them.",
        evidence=Evidence(
            statistic="chance of so many contradicted labels, corrected for all groups",
            value=one.p_value,
            threshold=alpha,
            n=int(one.rows.size),
            facts={
                "group": one.group.told,
                "contradicted": str(n_wrong),
                "expected": f"{one.expected * one.rows.size:.1f}",
                "usual label of the contradicted": usual,
            },
        ),
    )
