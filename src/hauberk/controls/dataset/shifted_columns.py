"""Columns, classes or relations that moved between two versions; see `ShiftedColumns`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.sketches.drift import ColumnDistance, distance, drifted_columns
from hauberk.sketches.profile import profile_of

_MIN_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedColumns(Check[Comparison[Dataset]]):
    """Columns, the label among them, that are distributed otherwise than in an older version.

    Both versions are profiled in one pass each, and every column is asked for its shape, its
    missing cells and values that the older version never had; a column counts when one of
    them differs by more than chance explains and by enough to matter. The label's column
    shows a skewed or thinned class, a measured one a slow shift that no single row betrays.

    Limits:
        Versions that were collected at other times differ honestly: a finding is of level
        ``review``. A change that leaves every single column as it was passes, and so does one
        below ``min_effect`` per version.

    Args:
        alpha: Chance of any false alarm in one comparison, 0 to 1.
        min_effect: Smallest difference that matters, as a share of the rows, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> old = table_of("old", [pa.record_batch({"x": [i % 50 for i in range(900)]})])
        >>> new = table_of("new", [pa.record_batch({"x": [i % 50 + 9 for i in range(900)]})])
        >>> pair = Comparison(old=old, new=new)
        >>> [finding.location.field for finding in ShiftedColumns().check(pair)]
        ['x']

    References:
        Rabanser, Guennemann and Lipton (2019), Failing loudly: an empirical study of methods
        for detecting dataset shift; for the tests see `hauberk.sketches.drift`.
    """

    title: ClassVar[str] = "Columns moved since the older version"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("PK-3"),
        ThreatId("VD-1"),
        ThreatId("PP-5"),
    )
    subject: ClassVar[Any] = (Comparison, Dataset)

    alpha: float = 0.001
    min_effect: float = 0.02

    def check(self, subject: Comparison[Dataset]) -> Iterator[Finding]:
        """One finding for each column that moved.

        Raises:
            NotApplicable: There is no older version, or one of both is small.
        """
        if subject.old is None:
            raise NotApplicable("there is no older version")
        old, new = profile_of(subject.old), profile_of(subject.new)
        if min(old.rows, new.rows) < _MIN_ROWS:
            raise NotApplicable(f"fewer than {_MIN_ROWS} rows in one version")
        found = distance(old, new, alpha=self.alpha, min_effect=self.min_effect)
        for item, *_ in drifted_columns(found):
            yield _finding(subject.new, item)


def _finding(new: Dataset, item: ColumnDistance) -> Finding:
    what = "the label" if item.name == new.label else "the column"
    return Finding(
        message=f"{what} {item.name} of {new.name} moved since the older version "
        f"({item.question}): {item.measure} by {item.shape:.3f}, {item.unseen:.1%} of its "
        "cells hold what the older version never had",
        path=new.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=ShiftedColumns.threats,
        confidence=1.0 - item.p_value,
        location=Location(field=item.name),
        remedy="Find the step or the contributor behind the change; accept the version only "
        "if the change is known.",
        evidence=Evidence(
            statistic=f"distance of {item.measure}",
            value=item.shape,
            threshold=item.threshold,
            n=item.n[1],
            facts={"p": f"{item.p_value:.2g}", "missing": f"{item.missing:+.3f}"},
        ),
    )
