"""Rows that few others resemble in what outsiders know; see `SingledOutRows`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import (
    Evidence,
    Finding,
    Histogram,
    Level,
    Location,
    RowScores,
    Severity,
)
from hauberk.core.threat import ThreatId
from hauberk.methods.privacy import USUAL_GROUP, Groups, groups

_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SingledOutRows(Check[Dataset]):
    """Combinations of the sensitive columns that only a few rows have.

    Rows are counted by the combination of their sensitive columns (k-anonymity); where a
    label is named, groups that all have the same label tell it to everybody who finds a
    person in the group (l-diversity), and the distance of each large group's labels from all
    labels is stated (t-closeness). Where a smallest group was promised (``--min-group``,
    ``min_group``), a smaller one is a defect; else rows that stand alone or nearly so are
    shown for review.

    Limits:
        Only the named columns count: other columns, alone or together, may single out the
        same people. Counting says nothing of what an attacker knows from elsewhere.

    Args:
        usual: Rows of a combination below which rows are shown where nothing was promised.

    Example:
        >>> import pyarrow as pa
        >>> from dataclasses import replace
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"age": [30] * 9 + [91], "sex": ["f"] * 10})
        >>> table = replace(table_of("t", [rows], sensitive=["age", "sex"]), min_group=5)
        >>> [f.message for f in SingledOutRows().check(table) if isinstance(f, Finding)]
        ['1 of 10 rows of t share their age, sex with fewer than 5 rows, where at least 5 were promised; 1 stand alone']

    References:
        Sweeney (2002), k-anonymity: a model for protecting privacy. For l-diversity and
        t-closeness see `hauberk.methods.privacy`.
    """  # noqa: E501 - a true output

    title: ClassVar[str] = "Rows can be singled out"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-4"),)
    subject: ClassVar[Any] = Dataset

    usual: int = USUAL_GROUP

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and a finding for small groups and one for uniform ones.

        Raises:
            NotApplicable: No column is named as sensitive, or there are no rows.
        """
        if not subject.sensitive or (len(subject.sensitive) < 2 and not subject.min_group):  # noqa: PLR2004 - a combination
            raise NotApplicable("no combination of columns is named as sensitive")
        found = groups(subject, subject.sensitive, confidential=subject.label)
        if found is None or not found.sizes.size:
            raise NotApplicable("the sensitive columns hold no groups: no rows, or a name for each")
        yield _scores(subject, found)
        least = subject.min_group or self.usual
        if found.rows_below(least).size:
            yield _small(subject, found, least)
        yield from _uniform(subject, found)


def _scores(subject: Dataset, found: Groups) -> RowScores:
    values = 1.0 / found.sizes[found.codes]
    least = subject.min_group
    return RowScores(
        path=subject.name,
        n_rows=int(values.size),
        read=lambda: iter([(0, values.tolist())]),
        flagged_above=1.0 / least if least else None,
    )


def _small(subject: Dataset, found: Groups, least: int) -> Finding:
    rows = found.rows_below(least)
    alone = int((found.sizes == 1).sum())
    promised = f", where at least {subject.min_group} were promised" if subject.min_group else ""
    return Finding(
        message=f"{rows.size} of {found.codes.size} rows of {subject.name} share their "
        f"{', '.join(found.columns)} with fewer than {least} rows{promised}; {alone} stand alone",
        path=subject.name,
        severity=Severity.HIGH if subject.min_group else Severity.MEDIUM,
        level=Level.DEFECT if subject.min_group else Level.REVIEW,
        threats=SingledOutRows.threats,
        location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=found.columns[0]),
        remedy="Coarsen the columns (bands of age, districts), or leave the named rows out.",
        evidence=Evidence(
            statistic="rows of the smallest combination",
            value=float(found.smallest),
            threshold=float(least),
            n=int(found.codes.size),
            facts={"distance of labels in a group (t)": f"{found.distance:.2f}"},
            plots=(_sizes(found),),
        ),
    )


def _uniform(subject: Dataset, found: Groups) -> Iterator[Finding]:
    uniform = (found.diversity < 2) & (found.sizes >= (subject.min_group or 2))  # noqa: PLR2004 - one value
    rows = uniform[found.codes].nonzero()[0]
    if rows.size and subject.min_group:
        yield Finding(
            message=f"{rows.size} rows of {subject.name} stand in groups by "
            f"{', '.join(found.columns)} whose rows all have the same {subject.label}",
            path=subject.name,
            severity=Severity.MEDIUM,
            level=Level.REVIEW,
            threats=SingledOutRows.threats,
            location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=subject.label),
            remedy="Coarsen the columns until each group holds several values.",
            evidence=Evidence(
                statistic="different values in the most uniform group",
                value=1.0,
                threshold=2.0,
                n=int(found.sizes.size),
            ),
        )


def _sizes(found: Groups) -> Histogram:
    edges = (1, 2, 5, 10, 50, 100, 1_000, 10**9)
    names = ("1", "2-4", "5-9", "10-49", "50-99", "100-999", "1000+")
    counts = [
        float(((found.sizes >= low) & (found.sizes < high)).sum()) for low, high in pairwise(edges)
    ]
    return Histogram(title="Groups by size", edges=names, series={"groups": tuple(counts)})
