"""Rows that are there twice, with different labels; see `ContradictedCopies`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed

_SHOWN = 1_000
_MIN_COLUMNS = 3
_MAX_ROWS = 2_000_000
_BY_CHANCE = 1.5
"""How many times as many rows may have an equal without one column as have one with it."""

_MOST = 0.6
"""Share of the groups that must have several labels; of pairs by chance at most half have two."""

_PAIRS = 2.5
"""Rows of such a group on average; what recurs honestly (an order of one book) recurs often."""

_CHANCE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictedCopies(Check[Dataset]):
    """Rows that are equal in every column, and whose labels differ.

    Where rows are equal by chance many more are equal in all columns but one. Where leaving out
    any column hardly finds more of them, and nearly all are pairs whose labels differ, they are
    copies that were relabelled, or came with a label of their own.

    Limits:
        Copies with a running number, a time or any noise of their own pass, as do fewer than
        ``min_groups`` of them and tables of fewer than three columns. Pictures and texts are not
        compared. Votes of several people on one thing are such rows honestly: where an annotator
        is named nothing is said, and a finding is of level ``review``.

    Args:
        min_groups: Groups of equal rows with more than one label before a finding is made.

    Example:
        >>> import numpy as np
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> x = np.random.default_rng(1).normal(size=(300, 3))
        >>> x[-20:] = x[:20]
        >>> y = np.where(np.arange(300) % 7 < 3, "yes", "no"); y[-20:] = "maybe"
        >>> rows = pa.RecordBatch.from_pydict({f"x{i}": x[:, i] for i in range(3)} | {"y": y})
        >>> found = ContradictedCopies().check(table_of("t", [rows], label="y"))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ['20 rows of t are there more than once with different labels, 40 rows in all']

    References:
        Northcutt, Athalye and Mueller (2021), Pervasive label errors in test sets.
    """

    title: ClassVar[str] = "Equal rows have different labels"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-1"), ThreatId("AQ-1"))
    subject: ClassVar[Any] = Dataset

    min_groups: int = 5

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and at most one finding.

        Raises:
            NotApplicable: There is no label, an annotator is named, or there is nothing to compare.
        """
        if subject.label is None or subject.annotator is not None:
            raise NotApplicable("no label, or several people labelled the same rows")
        rows = embed.load(subject)
        width = rows.numbers.shape[1] + rows.codes.shape[1]
        if rows.images is not None or rows.texts is not None:
            raise NotApplicable("pictures or texts")
        if width < _MIN_COLUMNS or rows.n_rows > _MAX_ROWS:
            raise NotApplicable(f"{rows.n_rows} rows of {width} columns")
        groups = _contradicted(rows)
        is_much = len(groups) >= self.min_groups
        places = np.sort(np.concatenate(groups)) if is_much else np.zeros(0, np.int64)
        chances = np.zeros(rows.n_rows)
        chances[places] = _CHANCE
        scores = chances.tolist()
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, scores)]),
            is_chance=True,
            flagged_above=0.5 if is_much else None,
        )
        if is_much:
            yield self._finding(subject, len(groups), places, rows.n_rows)

    def _finding(self, subject: Dataset, n_groups: int, places: Any, n_rows: int) -> Finding:
        return Finding(
            message=f"{n_groups} rows of {subject.name} are there more than once with different "
            f"labels, {places.size} rows in all",
            path=subject.name,
            severity=Severity.HIGH,
            level=Level.REVIEW,
            threats=ContradictedCopies.threats,
            confidence=_CHANCE,
            location=Location(rows=tuple(places[:_SHOWN].tolist()), field=subject.label),
            remedy="Set all of these rows aside, and find out who brought the second copies.",
            evidence=Evidence(
                statistic="groups of equal rows with more than one label",
                value=float(n_groups),
                threshold=float(self.min_groups),
                n=n_rows,
            ),
        )


def _contradicted(rows: embed.Rows) -> list[Any]:
    """Rows of each group that is equal by no chance and has more than one label."""
    terms = _terms(rows)
    with np.errstate(over="ignore"):
        whole = terms.sum(axis=1, dtype=np.uint64)
        n_equal = _repeated(whole).sum()
        if not n_equal:
            return []
        if any(_repeated(whole - term).sum() > _BY_CHANCE * n_equal for term in terms.T):
            return []
    order = np.argsort(whole, kind="stable")
    borders = np.flatnonzero(np.diff(whole[order]) != 0) + 1
    groups = [group for group in np.split(order, borders) if group.size > 1]
    found = [group for group in groups if np.unique(_known(rows.labels[group])).size > 1]
    is_most = len(found) > _MOST * len(groups)
    return found if is_most and sum(map(len, found)) <= _PAIRS * len(found) else []


def _known(labels: Any) -> Any:
    return labels[labels >= 0]


def _repeated(keys: Any) -> Any:
    """Whether each key is there more than once."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


def _terms(rows: embed.Rows) -> Any:
    """``(n_rows, n_columns)``: what each cell adds to the key of its row."""
    random = np.random.default_rng(0)
    columns = [np.unique(x, return_inverse=True)[1] for x in rows.numbers.T]
    columns += [codes + 1 for codes in rows.codes.T]
    parts = []
    for codes in columns:
        table = random.integers(0, 2**63, int(codes.max()) + 1, dtype=np.uint64)
        parts.append(table[codes])
    return np.stack(parts, axis=1)
