"""A log that is not what was signed: see `BrokenLog`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.trust.audit import Audit, Defect, Fault, audit
from hauberk.trust.checkpoint import Check as Signed
from hauberk.trust.checkpoint import signed_by
from hauberk.trust.heartbeats import Moment, moment_of
from hauberk.trust.keys import PublicKey
from hauberk.trust.merkle import leaf_hash

_SEVERITY = {Fault.UNTRUSTED_HEAD: Severity.HIGH}
_REMEDY = (
    "Restore the records from a copy whose root the witness's heads prove, and find out who "
    "could write to the log; decisions that rest on it are open until then."
)
_SILENCE = "Find out who stopped the writer, and what happened while nothing was recorded."
_CLOCK = "Set the clock by a trusted source, and find out who set it back and why."


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLog(Check[LogSegment]):
    """Records that do not make the roots that were signed, or that fell silent.

    The Merkle root over the records is computed again and held against every signed head
    beside the log and every head that a second place holds: a record edited, deleted, moved,
    doubled or cut off changes a root or makes the log shorter than a head; a log written anew
    and signed anew differs from what the witness saw, as does a restored backup. Beyond
    that, the writer's clock may not run backwards, and after a heartbeat the next record
    must come in time.

    Limits:
        Records behind the newest head that is out of the attacker's reach can be rewritten
        unseen: without a witness that is everything for whoever holds the log's key, with
        one it is at most what came since the last heartbeat's head. Clock and silence are
        judged by what the writer says, so a writer in the attacker's hands can keep up
        appearances; without heartbeats silence is not judged at all.

    Args:
        max_backwards_s: Seconds by which a record may be earlier than one before it; writers
            in several threads differ by milliseconds, and a stepped clock by more.
        lateness: Share of the promised time by which a record may come later, 0 or more.
            Half a period keeps an honest, busy writer silent and finds one missed beat.

    References:
        RFC 6962 section 2.1 and RFC 9162 section 2.1.4 (roots, consistency); C2SP
        tlog-checkpoint (heads); Crosby and Wallach 2009, "Efficient data structures for
        tamper-evident logging" (what an untrusted logger can do).
    """

    title: ClassVar[str] = "Log that is not what was signed"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"), ThreatId("MS-1"))
    subject: ClassVar[type] = LogSegment

    max_backwards_s: float = 5.0
    lateness: float = 0.5

    def check(self, subject: LogSegment) -> Iterator[Finding]:
        """One finding for each defect, then at most one each for clock and silence.

        Raises:
            NotApplicable: There is neither a head nor a witness to hold the log against.
        """
        if not subject.heads and not subject.witnessed:
            raise NotApplicable("nothing was signed yet that the log could be held against")
        result = audit(
            lambda: map(leaf_hash, subject.records()),
            heads=subject.heads,
            witnessed=subject.witnessed,
            check=_signatures(subject),
        )
        for defect in result.defects:
            yield _finding(subject, defect, result)
        yield from _Clock(self, subject).findings()


def _signatures(subject: LogSegment) -> Signed | None:
    if not subject.keys:
        return None
    keys = [PublicKey(spki=spki) for spki in subject.keys]
    return lambda note: any(signed_by(line.name, keys)(note) for line in note.signatures)


def _finding(subject: LogSegment, defect: Defect, result: Audit) -> Finding:
    facts = {
        "defect": defect.fault.value,
        "records": str(result.size),
        "root": result.root.hex(),
        "covered by the log's own heads": str(result.signed_size),
        "covered by the witness": str(result.witnessed_size),
    }
    return Finding(
        message=f"{subject.name}: {defect.message}",
        path=subject.name,
        severity=_SEVERITY.get(defect.fault, Severity.CRITICAL),
        remedy=_REMEDY,
        location=Location(rows=() if defect.first is None else (defect.first,)),
        evidence=Evidence(statistic="Merkle root against signed heads", facts=facts),
    )


class _Clock:
    """The times that records give, in one pass."""

    def __init__(self, control: BrokenLog, subject: LogSegment) -> None:
        self._control = control
        self._subject = subject
        self._latest: float | None = None
        self._promise_s = 0.0
        self._backwards: list[tuple[int, float]] = []
        self._silent: list[tuple[int, float]] = []

    def findings(self) -> Iterator[Finding]:
        n_records = 0
        for number, record in enumerate(self._subject.records()):
            n_records = number + 1
            moment = moment_of(record)
            if moment is not None:
                self._take(number, moment)
        if self._subject.until is not None:
            self._listen(n_records, self._subject.until)
        yield from self._report(self._backwards, "its clock runs back by", _CLOCK)
        yield from self._report(self._silent, "it is silent for", _SILENCE)

    def _take(self, number: int, moment: Moment) -> None:
        self._listen(number, moment.at)
        latest = moment.at if self._latest is None else self._latest
        if latest - moment.at > self._control.max_backwards_s:
            self._backwards.append((number, latest - moment.at))
        self._latest = max(latest, moment.at)
        if moment.every_s is not None:
            self._promise_s = moment.every_s

    def _listen(self, number: int, at: float) -> None:
        allowed_s = self._promise_s * (1 + self._control.lateness)
        if self._latest is not None and allowed_s and at - self._latest > allowed_s:
            self._silent.append((number, at - self._latest))

    def _report(self, found: list[tuple[int, float]], what: str, remedy: str) -> Iterator[Finding]:
        if found:
            number, longest_s = max(found, key=lambda item: item[1])
            yield Finding(
                message=f"{self._subject.name}: {what} {longest_s:.0f} s before record {number}",
                path=self._subject.name,
                severity=Severity.HIGH,
                remedy=remedy,
                location=Location(rows=(number,)),
                evidence=Evidence(statistic="seconds", value=longest_s, n=len(found)),
            )
