"""Rows that came to make one column look predictive; see `SteeredFeatures`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ROW_COLUMN, Comparison, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import row_digests
from hauberk.methods import embed, rewrite
from hauberk.methods.selection import Lifts, lifts, names_of
from hauberk.methods.statistics import holm

_SHOWN = 10
_MIN_ROWS = 60
_MAX_COLUMNS = 2_000
_MAX_FINDINGS = 5
_MIN_FRESH = 4
_MAX_MOVED = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredFeatures(Check[Comparison[Dataset]]):
    """A column that rose among the predictors because of the rows that came.

    Rows that the older version lacks are held against the old rows of their class, column by
    column. Honest rows lie as the old ones do; rows that were made to lift a column lie
    elsewhere in it, in each class in its own way. A column counts when that is rarer than
    chance allows over all columns, and when its rank by correlation or by mutual information
    with the label rose, or its score did.

    Limits:
        New rows that are honest and different look the same where they change few columns;
        where they change many, nothing is said here (see `ShiftedColumns`). A finding is of
        level ``review``. Fewer than four new rows of every class pass, and so do columns that
        were lifted in the first version already.

    Args:
        alpha: Chance of a false alarm over all columns, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def table(extra):
        ...     xs = [i * 37 % 101 / 10 for i in range(300)] + [30.0, -20.0] * extra
        ...     zs = [i * 53 % 89 / 10 for i in range(300)]
        ...     zs += [4.0 + i / 9 for i in range(2 * extra)]
        ...     ys = ["hi" if z > 4.4 else "lo" for z in zs[:300]] + ["hi", "lo"] * extra
        ...     rows = pa.RecordBatch.from_pydict({"x": xs, "z": zs, "y": ys})
        ...     return table_of("t", [rows], label="y")
        >>> pair = Comparison(old=table(0), new=table(6))
        >>> [finding.location.field for finding in SteeredFeatures().check(pair)]
        ['x']

    References:
        Xiao, Biggio, Brown, Fumera, Eckert and Roli (2015), Is feature selection secure
        against training data poisoning? For the statistics see `hauberk.methods.selection`.
    """

    title: ClassVar[str] = "New rows lift one column"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-4"),)
    subject: ClassVar[Any] = (Comparison, Dataset)

    alpha: float = 0.0005

    def check(self, subject: Comparison[Dataset]) -> Iterator[Finding]:
        """A finding for each column that was lifted, up to five.

        Raises:
            NotApplicable: There is no older version, no label, no column or too few rows.
        """
        old, new = subject.old, subject.new
        if old is None or old.label is None or new.label is None:
            raise NotApplicable("there is no older version with a label")
        gone = {column.name for column in old.columns} - {column.name for column in new.columns}
        if gone - {ROW_COLUMN}:
            raise NotApplicable(f"the newer version lacks {len(gone)} columns of the older one")
        before = embed.load(old)
        after = embed.aligned(embed.load(new), before)
        names = names_of(before)
        if before.images is not None or not 0 < len(names) <= _MAX_COLUMNS:
            raise NotApplicable(f"pictures, or {len(names)} columns")
        is_fresh = _fresh(old, new)
        if min(before.n_rows, after.n_rows) < _MIN_ROWS or is_fresh.sum() < _MIN_FRESH:
            raise NotApplicable("too few rows, or no rows that came")
        found = lifts(before, after, is_fresh)
        adjusted = holm(found.p_values)
        moved = np.flatnonzero(adjusted < self.alpha)
        if moved.size > max(2, _MAX_MOVED * len(names)):
            return  # the new rows are of another kind altogether
        rose = [c for c in moved[np.argsort(found.p_values[moved])] if _has_risen(found, c)]
        for column in rose[:_MAX_FINDINGS]:
            place = (names[column], int(column))
            chances = (float(adjusted[column]), self.alpha)
            yield _finding(new, place, found, chances, is_fresh)


def _fresh(old: Dataset, new: Dataset) -> Any:
    """Which rows of ``new`` say what no row of ``old`` does."""
    shared = {c.name for c in old.columns} & {c.name for c in new.columns} - {ROW_COLUMN}
    known = set(row_digests(rewrite.table(old).select(sorted(shared))))
    digests = row_digests(rewrite.table(new).select(sorted(shared)))
    return np.array([digest not in known for digest in digests], bool)


def _has_risen(found: Lifts, column: int) -> bool:
    ranks = found.ranks[:, :, column]
    return bool((ranks[1] < ranks[0]).any() or (found.gains[:, column] > 0).any())


def _finding(
    new: Dataset, place: tuple[str, int], found: Lifts, chances: tuple[float, float], is_fresh: Any
) -> Finding:
    (name, column), (p, alpha) = place, chances
    before, after = found.ranks[0, :, column] + 1, found.ranks[1, :, column] + 1
    kind = int((before - after).argmax())
    how = ("correlation", "mutual information")[kind]
    return Finding(
        message=f"{name} of {new.name} went from place {before[kind]} to {after[kind]} among the "
        f"predictors by {how}, through {int(is_fresh.sum())} rows that came and lie elsewhere "
        "in it than the old rows of their class",
        path=new.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=SteeredFeatures.threats,
        confidence=1.0 - p,
        location=Location(rows=tuple(np.flatnonzero(is_fresh)[:_SHOWN].tolist()), field=name),
        remedy="Find who brought these rows; select features without them and compare.",
        evidence=Evidence(
            statistic="chance of such rows, corrected for all columns",
            value=p,
            threshold=alpha,
            n=int(is_fresh.sum()),
            facts={"place before": str(before[kind]), "place after": str(after[kind])},
        ),
    )
