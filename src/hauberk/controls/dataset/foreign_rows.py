"""Rows of another kind than those that somebody vouches for; see `ForeignRows`."""

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
from hauberk.methods.domains import Foreign, foreign, places_of

_SHOWN = 10
_LIKELY = 0.5
_MIN_ROWS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRows(Check[Dataset]):
    """Rows that a model can tell from trusted ones, whatever their labels say.

    Models learn to tell the data from the trusted rows (``reference``). Most rows are of one
    kind, so what they learn is what sets the others apart: a trigger in rows that keep their
    label, a signal laid over pictures, values that were moved. Each row is judged by models
    that did not see it; the trusted rows are the null.

    Limits:
        Without a reference nothing is judged. Trusted rows from another source, another
        year or another camera make all rows foreign: a finding is of level ``review``. A
        faint signal over few rows (sinusoids at 20 of 255 grey levels in 2 % of 4,000
        pictures) mostly passes, and so does whatever leaves the columns as they were.

    Args:
        min_surprise: Rows beyond what trusted rows explain, in standard errors.
        min_excess: The same as a share of all rows, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from dataclasses import replace
        >>> from hauberk.formats.tables import table_of
        >>> def table(*xs):
        ...     rows = pa.RecordBatch.from_pydict({"x": list(xs), "z": list(xs)[::-1]})
        ...     return table_of("t", [rows])
        >>> trusted = table(*(i % 50 / 10 for i in range(400)))
        >>> data = table(*(i % 50 / 10 for i in range(400)), *([90.0] * 40))
        >>> found = ForeignRows().check(replace(data, reference=trusted))
        >>> [item.level.value for item in found if isinstance(item, Finding)]
        ['review']

    References:
        Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests. For the statistics
        see `hauberk.methods.domains`.
    """

    title: ClassVar[str] = "Rows are unlike the trusted ones"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"), ThreatId("PP-2"))
    subject: ClassVar[Any] = Dataset

    min_surprise: float = 4.0
    min_excess: float = 0.002

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and at most one finding.

        Raises:
            NotApplicable: Nobody vouches for any rows, or there are too few.
            UsageError: The trusted rows have other columns.
        """
        if subject.reference is None:
            raise NotApplicable("no rows are named as trusted (--reference)")
        rows = embed.load(subject)
        trusted = embed.aligned(embed.load(subject.reference), rows)
        if min(rows.n_rows, trusted.n_rows) < _MIN_ROWS:
            raise NotApplicable(f"fewer than {_MIN_ROWS} rows or trusted rows")
        found = foreign(rows, trusted)
        scores = found.chances.tolist()
        is_much = found.surprise > self.min_surprise and found.excess > self.min_excess
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, scores)]),
            is_chance=True,
            flagged_above=_LIKELY if is_much else None,
        )
        if is_much:
            yield _finding(subject, found, self.min_surprise)


def _finding(subject: Dataset, found: Foreign, threshold: float) -> Finding:
    places = places_of(found.chances, _LIKELY)
    return Finding(
        message=f"{places.size} rows of {subject.name} are unlike the trusted rows, "
        f"{found.excess:.1%} of all rows more than those explain",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=ForeignRows.threats,
        confidence=float(np.mean(found.chances[places])) if places.size else _LIKELY,
        location=Location(rows=tuple(places[:_SHOWN].tolist())),
        remedy="Look at what these rows share; find who contributed them, or vouch for rows "
        "of the same source.",
        evidence=Evidence(
            statistic="rows beyond what trusted rows explain, in standard errors",
            value=found.surprise,
            threshold=threshold,
            n=found.chances.size,
            facts={"share of all rows": f"{found.excess:.4f}"},
        ),
    )
