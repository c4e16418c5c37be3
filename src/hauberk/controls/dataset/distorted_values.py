"""Numbers that do not fit the rest of their row; see `DistortedValues`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.apart import MIN_GAP, Apart, apart
from hauberk.methods.residuals import Misfits, misfits

_SHOWN = 10
_MIN_ROWS = 60
_MAX_COLUMNS = 300
_LIKELY = 0.5
_BEYOND_A_GAP = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class DistortedValues(Check[Dataset]):
    """Numbers far from what the other columns of their row say they should be.

    Each column is predicted from the others; what is left over is held against the spread
    and the tail of the column's own leftovers. Outliers stand out by themselves, a changed
    unit or a value from another row only against its neighbours in the row. Columns with a
    long tail have a long tail of leftovers: what its course lets expect does not stand out.
    Five numbers or more beyond a wide gap do so nonetheless, unless their rows are alike.
    Trusted rows (``reference``), where there are any, are what spreads are taken from.

    Limits:
        Pictures and texts are not looked at. In columns that the others do not explain only
        values far out of range stand out. A shift of many rows by about the spread passes
        (see `ShiftedColumns`), and honest measuring errors look the same: a finding is of
        level ``review``.

    Args:
        min_rows: Rows that must stand out before a finding is made.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> x = [i % 97 / 7 for i in range(400)]
        >>> z = [2 * v + (i * 31 % 17) / 50 for i, v in enumerate(x)]
        >>> for i in (5, 50, 150, 250, 350): z[i] *= 1_000
        >>> rows = pa.RecordBatch.from_pydict({"x": x, "z": z})
        >>> found = DistortedValues().check(table_of("t", [rows]))
        >>> [sorted(f.location.rows) for f in found if isinstance(f, Finding)]
        [[5, 50, 150, 250, 350]]

    References:
        Rousseeuw and Hubert (2011), Robust statistics for outlier detection.
    """

    title: ClassVar[str] = "Values do not fit their rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-5"), ThreatId("PP-2"))
    subject: ClassVar[Any] = Dataset

    min_rows: int = 3

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, one finding for misfits and one for each column with a gap.

        Raises:
            NotApplicable: There are no two columns of numbers, or too few rows.
            UsageError: The trusted rows have other columns.
        """
        whole = embed.with_target(subject)
        rows = embed.load(whole)
        width = rows.numbers.shape[1]
        if rows.images is not None or not 2 <= width <= _MAX_COLUMNS or rows.n_rows < _MIN_ROWS:  # noqa: PLR2004 - one says nothing of the other
            raise NotApplicable(f"{rows.n_rows} rows of {width} columns of numbers, or pictures")
        trusted = None
        if subject.reference is not None:
            trusted_rows = embed.load(replace(subject.reference, label=whole.label))
            vouched = embed.aligned(trusted_rows, rows).numbers
            trusted = vouched if len(vouched) >= _MIN_ROWS else None
        found = misfits(rows.numbers, trusted)
        isolated = list(apart(rows.numbers))
        chances = found.chances.copy()
        for group in isolated:
            chances[group.rows] = np.maximum(chances[group.rows], _BEYOND_A_GAP)
        scores = chances.tolist()
        places = np.flatnonzero(found.chances > _LIKELY)
        is_much = places.size >= self.min_rows
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, scores)]),
            is_chance=True,
            flagged_above=_LIKELY if is_much or isolated else None,
        )
        if is_much:
            yield _finding(subject, rows.names, found, places)
        for group in isolated:
            if not is_much or not np.isin(group.rows, places).all():
                yield _beyond(subject, rows.names[group.column], group, chances.size)


def _beyond(subject: Dataset, column: str, group: Apart, n_rows: int) -> Finding:
    return Finding(
        message=f"{group.rows.size} rows of {subject.name} hold a number far from all others in "
        f"{column}, though the rest of the row is like theirs",
        path=subject.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        threats=DistortedValues.threats,
        confidence=_BEYOND_A_GAP,
        location=Location(rows=tuple(group.rows[:_SHOWN].tolist()), field=column),
        remedy="Compare these cells with their source; statistics and scalers that are not robust "
        "follow them.",
        evidence=Evidence(
            statistic="gap before these values, of the range of all others",
            value=group.gap,
            threshold=MIN_GAP,
            n=n_rows,
            facts={"column": column},
        ),
    )


def _finding(subject: Dataset, names: tuple[str, ...], found: Misfits, places: Any) -> Finding:
    worst = places[np.argsort(-found.degrees[places], kind="stable")][:_SHOWN]
    counts = np.bincount(found.columns[places], minlength=len(names))
    column = names[int(counts.argmax())]
    return Finding(
        message=f"{places.size} rows of {subject.name} hold a number that does not fit the "
        f"rest of the row, most often in {column}",
        path=subject.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        threats=DistortedValues.threats,
        confidence=float(found.chances[places].mean()),
        location=Location(rows=tuple(worst.tolist()), field=column),
        remedy="Compare these cells with their source: another unit, a typing error, or a "
        "value that was put there.",
        evidence=Evidence(
            statistic="leftover in units of the column's tail",
            value=float(found.degrees[worst[0]]),
            threshold=found.threshold,
            n=found.chances.size,
            facts={"column": column, "rows in it": str(int(counts.max()))},
        ),
    )
