"""Marks that most pictures of a class carry; see `MarkedClasses`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.class_marks import ELSEWHERE, Mark, can_be_told, marks_of

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedClasses(Check[Dataset]):
    """One small place of the pictures gives a class away.

    A stamp, a line of a scanner or a pattern that a quarter of a class carries and no other class
    does is what a model learns in place of the thing: by accident of how the class was
    collected, or on purpose, as a trigger that needs no wrong label. Looked for is what repeats to
    within a few grey levels (`methods.class_marks`). Always for review: the mark may be what the
    class is about.

    Limits:
        Marks that move about, that are of one shade as large as nine pixels, darkest or brightest,
        or that were made unlike each other by strong compression pass. Of more than some thousand
        pictures an even sample is searched.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> table = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0], "y": ["a"]})], label="y")
        >>> list(MarkedClasses().check(table))
        Traceback (most recent call last):
        hauberk.core.control.NotApplicable: there are no pictures with labels

    References:
        See `hauberk.methods.class_marks`.
    """

    title: ClassVar[str] = "A mark gives a class of pictures away"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-2"), ThreatId("PK-2"))
    subject: ClassVar[Any] = Dataset

    def check(self, subject: Dataset) -> Iterator[Finding]:
        """A finding for each marked class.

        Raises:
            NotApplicable: There are no pictures or no labels, or too few of them to tell.
        """
        rows = embed.load(subject)
        if rows.images is None or (rows.labels >= 0).sum() == 0:
            raise NotApplicable("there are no pictures with labels")
        if not can_be_told(rows.labels):
            raise NotApplicable(f"{rows.n_rows} pictures are too few to tell a mark by")
        for mark in marks_of(rows.images.mean(axis=3), rows.labels):
            yield _finding(subject, rows.classes[mark.code], mark)


def _finding(subject: Dataset, label: str, mark: Mark) -> Finding:
    place = f"line {mark.top + 1}, column {mark.left + 1}"
    what = "pixel" if mark.side == 1 else f"square of {mark.side} x {mark.side} pixels"
    return Finding(
        message=f"{mark.share:.0%} of the pictures of the class {label} in {subject.name} have "
        f"the same {what} at {place}, and {mark.elsewhere:.1%} of the others",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=MarkedClasses.threats,
        location=Location(rows=tuple(mark.rows[:_SHOWN].tolist()), field=subject.label),
        remedy="Look at the rows. Crop or fill the place in all pictures, or collect the class as "
        "the others were collected.",
        evidence=Evidence(
            statistic="share of other classes with the class's mark",
            value=mark.elsewhere,
            threshold=ELSEWHERE,
            n=int(mark.rows.size),
        ),
    )
