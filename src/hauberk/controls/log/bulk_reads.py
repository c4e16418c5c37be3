"""Readers who take far more than they use to: see `BulkReads`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.trust.reading import Read, reads

DAY_S = 86_400.0
_REMEDY = (
    "Ask the reader, and end the grant until they answered; what was read is out of reach now, "
    "so find out where it went."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkReads(Check[LogSegment]):
    """Reads of a data set or of metadata, in the log of who read what, that copy or probe it.

    Three things are counted for each reader and object: different parts within a day, different
    parts over all the days of the log, and calls that were refused within a day. A day is too
    much beyond a share of the object, or beyond a multiple of the reader's own usual day where
    that is more, but never beyond a cap. Jobs that must read everything are named.

    Limits:
        Who reads a little each day stays below the day's bound, and below that of the whole log
        for some weeks. Where the number of parts of an object is unknown, the share of it is not
        judged. A reader with several grants counts as several.

    Args:
        day_share: Share of an object in a day that is too much, 0 to 1.
        usual_times: Multiple of the reader's median day that is let pass.
        cap_share: Share in a day that no habit excuses.
        total_share: Share of an object over all days that is too much.
        max_refused: Refused calls in a day.
        jobs: Readers who may read everything.

    References:
        MITRE ATLAS AML.T0036 and AML.T0025; MITRE ATT&CK T1530, T1213; Salem, Hershkop and
        Stolfo 2008, "A survey of insider attack detection research".
    """

    title: ClassVar[str] = "Bulk reads of data and probing of metadata"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-6"), ThreatId("MS-3"))
    subject: ClassVar[type] = LogSegment

    day_share: float = 0.035
    usual_times: float = 10.0
    cap_share: float = 0.045
    total_share: float = 0.6
    max_refused: int = 20
    jobs: tuple[str, ...] = ()

    def check(self, subject: LogSegment) -> Iterator[Finding]:
        """At most one finding for each reader, object and kind, at the read that was too much.

        Raises:
            NotApplicable: The log tells of no reads.
        """
        books: dict[tuple[str, str], _Book] = defaultdict(_Book)
        n_reads = 0
        for number, read in enumerate(reads(subject.records())):
            n_reads += 1
            if read.reader not in self.jobs:
                yield from self._taken(subject, number, read, books[read.reader, read.name])
        if not n_reads:
            raise NotApplicable("the log tells of no reads")

    def _taken(
        self, subject: LogSegment, number: int, read: Read, book: _Book
    ) -> Iterator[Finding]:
        book.turn_to(int(read.at // DAY_S))
        if not read.allowed:
            book.refused += 1
            if book.refused > self.max_refused and book.is_first("refused"):
                yield _finding(subject, number, read, f"{book.refused} refused calls in a day")
            return
        book.take(read)
        today, total = len(book.today), len(book.ever)
        if read.of and today > self._bound(book, read.of) and book.is_first("day"):
            yield _finding(subject, number, read, f"{today} of {read.of} parts in a day")
        if read.of and total > self.total_share * read.of and book.is_first("total"):
            yield _finding(subject, number, read, f"{total} of {read.of} parts in all")

    def _bound(self, book: _Book, of: int) -> float:
        usual = self.usual_times * median(book.days) if book.days else 0.0
        return max(1.0, min(max(self.day_share * of, usual), self.cap_share * of))


@dataclass(slots=True)
class _Book:
    """What one reader took of one object."""

    day: int = -1
    today: set[tuple[str, int]] = field(default_factory=set)
    ever: set[tuple[str, int]] = field(default_factory=set)
    days: list[int] = field(default_factory=list)
    refused: int = 0
    said: set[str] = field(default_factory=set)

    def turn_to(self, day: int) -> None:
        """Begin a new day; a clock that runs back does not."""
        if day > self.day:
            if self.day >= 0:
                self.days.append(len(self.today))
            self.day, self.refused = day, 0
            self.today = set()

    def take(self, read: Read) -> None:
        """Count the parts of a read; the same part counts once."""
        parts = {(read.part, at) for at in range(min(read.n, read.of or read.n, 1_000_000))}
        self.today |= parts
        self.ever |= parts

    def is_first(self, kind: str) -> bool:
        """Whether nothing of the kind was said yet."""
        is_first = kind not in self.said
        self.said.add(kind)
        return is_first


def _finding(subject: LogSegment, number: int, read: Read, what: str) -> Finding:
    return Finding(
        message=f"{subject.name}: {read.reader} took {what} of {read.name}"
        if read.allowed
        else f"{subject.name}: {read.reader} made {what} of {read.name}",
        path=subject.name,
        severity=Severity.HIGH,
        remedy=_REMEDY,
        location=Location(rows=(number,)),
        evidence=Evidence(statistic="parts of an object read", facts={"reader": read.reader}),
    )
