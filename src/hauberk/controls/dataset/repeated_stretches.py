"""Stretches of a series that stand still or repeat another; see `RepeatedStretches`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.days import time_column
from hauberk.methods.stretches import MIN_ROWS, Stretch, stretches

_SHOWN = 1_000
_MAX_ROWS = 2_000_000
_MAX_COLUMNS = 200
_MAX_SERIES = 500
_CHANCE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedStretches(Check[Dataset]):
    """Measurements over time that stand still for long, or say again what they said before.

    Rows are put in the order of their time; where several share a time, a column of categories
    must tell the series apart. For each column of measurements the longest run of one value and
    the longest stretch that comes back are held against the others of that column: both are
    named where chance does not give one so long and none else is a third of it.

    Limits:
        Runs at the smallest, the largest or a usual value are saturation and pass, as do runs
        below six rows and copies below ten. Copies with noise or another scale pass, and so do
        series of less than thirty different values and those that repeat by nature. A sensor
        that failed and a gap that was filled look the same: a finding is of level ``review``.

    Args:
        alpha: Largest chance of a stretch so long, after correction for all places.

    Example:
        >>> import numpy as np
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> load = np.random.default_rng(1).normal(500, 40, 600).round(1)
        >>> load[200:236] = load[200]
        >>> load[480:560] = load[80:160]
        >>> hours = np.datetime64("2024-01-01T00", "s") + np.arange(600) * np.timedelta64(3600, "s")
        >>> rows = pa.RecordBatch.from_pydict({"at": hours, "load": load})
        >>> for one in RepeatedStretches().check(table_of("t", [rows])):
        ...     if isinstance(one, Finding): print(one.message)
        load of t stands still for 36 rows from 2024-01-09 08:00:00; elsewhere for at most 1
        load of t says from 2024-01-21 00:00:00 for 80 rows what it said from 2024-01-04 08:00:00

    References:
        Leigh et al. (2019), A framework for automated anomaly detection in high frequency
        water-quality data from in situ sensors, for runs of one value.
    """

    title: ClassVar[str] = "A stretch of a series was held or copied"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-1"), ThreatId("PP-5"))
    subject: ClassVar[Any] = Dataset

    alpha: float = 1e-6

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and a finding for each stretch.

        Raises:
            NotApplicable: There is no one column of times, no series, or too few or many rows.
        """
        time = time_column(subject)
        if time is None:
            raise NotApplicable("no column, or more than one, holds times")
        rows = embed.load(embed.with_target(subject))
        width = rows.numbers.shape[1]
        if not MIN_ROWS <= rows.n_rows <= _MAX_ROWS or not 1 <= width <= _MAX_COLUMNS:
            raise NotApplicable(f"{rows.n_rows} rows of {width} numbers")
        order, starts, texts = _in_order(subject, time, rows)
        found = [
            (name, one)
            for name, values in zip(rows.names, rows.numbers.T, strict=True)
            for one in stretches(values[order], starts, log_alpha=log(self.alpha))
        ]
        scores = np.zeros(rows.n_rows)
        for _, one in found:
            scores[order[one.first : one.first + one.size]] = _CHANCE
        chances = scores.tolist()
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, chances)]),
            is_chance=True,
            flagged_above=0.5 if found else None,
        )
        for name, one in found:
            yield _finding(subject, name, one, order, texts)


def _in_order(subject: Dataset, time: str, rows: embed.Rows) -> tuple[Any, Any, list[str]]:
    """Rows in order of series and time, where each series begins, and the times as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = [batch.column(time) for batch in subject.read()]
    whole: Any = pa.chunked_array(cells)
    kinds = {column.name: column.kind for column in subject.columns}
    if kinds.get(time) is not ColumnKind.TIME:
        raise NotApplicable(f"column {time} holds no times")
    stamps = pc.fill_null(whole.cast(pa.timestamp("us"), safe=False).cast(pa.int64()), 0)
    when = stamps.to_numpy()
    for series in (np.zeros(rows.n_rows, np.int64), *rows.codes.T):
        order = np.lexsort((when, series))
        starts = np.concatenate([[True], series[order][1:] != series[order][:-1]])
        is_told = ~starts[1:] & (when[order][1:] == when[order][:-1])
        if not is_told.any() and starts.sum() <= _MAX_SERIES:
            texts = pc.cast(whole.cast(pa.timestamp("s"), safe=False), pa.string()).to_pylist()
            return order, starts, [text or "" for text in texts]
    raise NotApplicable("several rows have one time, and no column of categories tells them apart")


def _finding(subject: Dataset, name: str, one: Stretch, order: Any, times: list[str]) -> Finding:
    rows = order[one.first : one.first + one.size]
    begin = times[rows[0]]
    if one.source is None:
        told = f"stands still for {one.size} rows from {begin}; elsewhere for at most {one.usual}"
    else:
        told = f"says from {begin} for {one.size} rows what it said from {times[order[one.source]]}"
    return Finding(
        message=f"{name} of {subject.name} {told}",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=RepeatedStretches.threats,
        confidence=1 - exp(max(one.log_p, log(1e-12))),
        location=Location(rows=tuple(int(row) for row in rows[:_SHOWN]), field=name),
        remedy="Compare these rows with their source; if it has others, or none, set them aside.",
        evidence=Evidence(
            statistic="chance of a stretch so long, corrected for all places",
            value=exp(max(one.log_p, -700.0)),
            threshold=1e-6,
            n=one.size,
            facts={"rows of the next longest": str(one.usual)},
        ),
    )
