"""A metadata index that tells another story than the log: see `RewrittenMetrics`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from hauberk.core.artifact import Comparison, LogSegment
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.trust.audit import MAX_DEFECTS, Defect, Fault, audit, compare
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.merkle import leaf_hash

_REMEDY = (
    "Believe the log: rebuild the index from it, and find out who could write to the index. "
    "Promote nothing on the index's word; gates read signed statements."
)
_MAX_RECORD_BYTES = 16 << 20
_SHOWN = 60
_SAID = ("kind", "run", "model", "name", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenMetrics(Check[Comparison[LogSegment]]):
    """An index of runs and metrics that does not follow from the log of signed events.

    The old side is the log, the new side what the index says, as the same canonical events
    in the index's order. The log is first held against its own heads; then the index is
    held against a replay of it, event by event: a metric that was raised, a run that was
    deleted, one that was made up, and an order that was changed are named.

    Limits:
        It shows that the index was changed, not that what was logged was true: a number that
        was wrong when it was signed stays wrong. Events that came after the newest head are
        compared all the same, but whoever can write to both places can change them in both.

    Args:
        kinds: Kinds of events that the index repeats; others in the log are passed over.
        max_events: Events of these kinds; a larger log is refused rather than held in memory.

    References:
        RFC 6962 section 2.1; Fowler 2005, "Event sourcing" (the index as a replay).
    """

    title: ClassVar[str] = "Metadata index that does not follow from the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MS-1"),)
    subject: ClassVar[Any] = (Comparison, LogSegment)

    kinds: tuple[str, ...] = ("run", "metric")
    max_events: int = 1_000_000

    def check(self, subject: Comparison[LogSegment]) -> Iterator[Finding]:
        """One finding for each event that differs.

        Raises:
            ArtifactError: There are too many events.
            NotApplicable: There is no log to replay.
        """
        if subject.old is None:
            raise NotApplicable("there is no log that the index could be replayed from")
        log, index = subject.old, subject.new
        proof = audit(
            lambda: map(leaf_hash, log.records()), heads=log.heads, witnessed=log.witnessed
        )
        for defect in proof.defects:
            yield _finding(log, defect, f"{log.name} itself: {defect.message}")
        logged, told = self._hashes(log), self._hashes(index)
        for defect in islice(compare(logged, told), MAX_DEFECTS):
            yield _finding(index, defect, self._message(subject, defect))
        if len(told) > len(logged):
            yield self._made_up(index, len(logged))

    def _events(self, segment: LogSegment) -> Iterator[dict[str, Any]]:
        for record in segment.records():
            event = _parsed(record)
            if event.get("kind") in self.kinds:
                yield event

    def _hashes(self, segment: LogSegment) -> list[bytes]:
        events = islice(self._events(segment), self.max_events + 1)
        hashes = [leaf_hash(canonical_json(event)) for event in events]
        if len(hashes) > self.max_events:
            raise ArtifactError(
                "too many events to compare",
                subject=segment.name,
                expected=f"at most {self.max_events}",
                hint="compare one period at a time",
            )
        return hashes

    def _message(self, subject: Comparison[LogSegment], defect: Defect) -> str:
        log, index = subject.old or subject.new, subject.new
        logged = self._words(log, defect.first or 0)
        if defect.fault is Fault.EDITED:
            return f"{index.name} has changed an event; the log says {logged}"
        return f"{index.name} has {defect.fault.value} an event; the log says {logged}"

    def _made_up(self, index: LogSegment, place: int) -> Finding:
        message = f"{index.name} says what no event says: {self._words(index, place)}"
        return _finding(index, Defect(fault=Fault.INSERTED, message=message), message)

    def _words(self, segment: LogSegment, place: int) -> str:
        """An event in words: only names and numbers of runs and metrics, never payloads."""
        event = next(islice(self._events(segment), place, None), {})
        said = (f"{key} {str(event[key])[:_SHOWN]!r}" for key in _SAID if key in event)
        return ", ".join(said)


def _parsed(record: bytes) -> dict[str, Any]:
    """The event in ``record``; nothing where it is none."""
    try:
        value = parse_json(record, max_bytes=_MAX_RECORD_BYTES)
    except ArtifactError:
        return {}
    return value if isinstance(value, dict) else {}


def _finding(subject: LogSegment, defect: Defect, message: str) -> Finding:
    return Finding(
        message=message,
        path=subject.name,
        severity=Severity.CRITICAL,
        remedy=_REMEDY,
        location=Location(rows=() if defect.first is None else (defect.first,)),
        evidence=Evidence(
            statistic="index against a replay of the log", facts={"defect": defect.fault.value}
        ),
    )
