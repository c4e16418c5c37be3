"""Values in another unit than the rest of their column; see `ChangedUnits`."""

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
from hauberk.methods.units import MIN_ROWS, Change, changes, stand_ins

_SHOWN = 20
_MIN_ROWS = 60
_MAX_COLUMNS = 300
_MAX_ROWS = 500_000
_CHANCE = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedUnits(Check[Dataset]):
    """Values in another unit than the rest of their column.

    Each column of numbers is predicted from the others. Rows that lie far from their prediction
    are held against the usual changes of unit (powers of ten, pounds and kilograms, inches,
    feet, miles, hours, degrees): where most of them lie just where one change puts them, they
    are named. Honest outliers scatter. Codes for unknown (-1, 999) that stand alone beyond all
    values of their column are named as such and explain nothing. A second unit that a column of
    categories tells is none.

    Limits:
        Columns that vary by more than a fifth around their prediction, amounts of money for
        example, hide most changes. A change of fewer than five rows passes, as does one of
        more than one in seven, or by a factor that no pair of usual units has. Of real mixtures
        (coins of two metals) one may look like this: a finding is of level ``review``.

    Args:
        max_findings: Columns that are named at most.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> heights = [150.0 + i % 41 + i / 800 for i in range(800)]
        >>> for i in range(20): heights[40 * i] /= 100
        >>> rows = pa.RecordBatch.from_pydict({"height": heights})
        >>> found = ChangedUnits().check(table_of("t", [rows]))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ['20 of 800 values of height in t look as if in another unit: 0.01 times the others']

    References:
        Rahm and Do (2000), Data cleaning: problems and current approaches. Huber (1964),
        Robust estimation of a location parameter.
    """

    title: ClassVar[str] = "Values are in another unit"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-5"),)
    subject: ClassVar[Any] = Dataset

    max_findings: int = 5

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and a finding for each column with another unit.

        Raises:
            NotApplicable: There are no numbers, too few or too many rows, or pictures.
        """
        rows = embed.load(embed.with_target(subject))
        width = rows.numbers.shape[1]
        if rows.images is not None or not 1 <= width <= _MAX_COLUMNS:
            raise NotApplicable(f"{width} columns of numbers, or pictures")
        if not _MIN_ROWS <= rows.n_rows <= _MAX_ROWS:
            raise NotApplicable(f"{rows.n_rows} rows")
        found = changes(rows)
        chances = np.zeros(rows.n_rows)
        for change in found:
            chances[change.rows] = _CHANCE
        scores = chances.tolist()
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, scores)]),
            is_chance=True,
            flagged_above=0.5 if found else None,
        )
        for change in found[: self.max_findings]:
            yield _finding(subject, rows, change)
        unknown = stand_ins(rows.numbers)
        for column in np.flatnonzero(unknown.any(axis=0))[: self.max_findings]:
            yield _stand_in(subject, rows, int(column), np.flatnonzero(unknown[:, column]))


def _stand_in(subject: Dataset, rows: embed.Rows, column: int, places: Any) -> Finding:
    name, code = rows.names[column], rows.numbers[places[0], column]
    return Finding(
        message=f"{places.size} of {rows.n_rows} values of {name} in {subject.name} are "
        f"{code:.6g}, alone beyond all others: a code for unknown that is counted as a number",
        path=subject.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        threats=ChangedUnits.threats,
        location=Location(rows=tuple(places[:_SHOWN].tolist()), field=name),
        remedy="Make these cells empty, or say in a column of its own that the value is unknown.",
        evidence=Evidence(
            statistic="cells with the code",
            value=float(places.size),
            threshold=float(MIN_ROWS),
            n=rows.n_rows,
        ),
    )


def _finding(subject: Dataset, rows: embed.Rows, change: Change) -> Finding:
    name = rows.names[change.column]
    deed = f"{change.slope:.4g} times the others"
    if change.offset:
        deed = f"{change.slope:.4g} times the others {change.offset:+.4g}"
    return Finding(
        message=f"{change.rows.size} of {rows.n_rows} values of {name} in {subject.name} look as "
        f"if in another unit: {deed}",
        path=subject.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        threats=ChangedUnits.threats,
        confidence=change.rows.size / change.outliers,
        location=Location(rows=tuple(change.rows[:_SHOWN].tolist()), field=name),
        remedy="Ask whoever brought these rows for their unit, and bring them to one.",
        evidence=Evidence(
            statistic="rows where the change of unit puts them, of those that lie far out",
            value=float(change.rows.size),
            threshold=float(change.outliers),
            n=rows.n_rows,
            facts={"units": change.unit}
            | ({"or in another unit": change.echo} if change.echo else {})
            | ({"what the rows share": change.shared} if change.shared else {}),
        ),
    )
