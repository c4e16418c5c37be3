"""Batches of telemetry that nobody known has signed, or that came before: `ForgedTelemetry`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.keys import PublicKey
from hauberk.trust.telemetry import PAYLOAD_TYPE, Ledger, claimed_replica, open_batch

_REMEDY = (
    "leave the batch out of every decision; find out who sent it, and whether the replica's key "
    "was copied"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedTelemetry(Check[LogSegment]):
    """Batches that a replica did not sign, that came before, or that are of another time.

    The records are envelopes in the order in which they came. Each must be signed with the
    key that its replica is known by: the first key, of those that may send, that signed under
    a name keeps it. A sequence number counts once, may come out of order by a bounded number
    of places, and never leaps ahead; the time lies before the end of the log.

    Limits:
        A replica that lies in its own name passes here; that is what the median of replicas
        and the second signal of a decision are for. Whoever sends first under a name that
        nobody has used takes it, where keys are given without names; the monitor's own file
        gives them with names.

    Args:
        oldest_s: Seconds before the end of the log from which on a batch is too old.

    References:
        DSSE, protocol (envelopes and the type of a payload); RFC 4303 section 3.4.3 (numbers
        against replay); MITRE ATLAS AML.T0031.
    """

    title: ClassVar[str] = "Telemetry that was forged or played again"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-6"),)
    subject: ClassVar[type] = LogSegment

    oldest_s: float = 30 * 86_400.0

    def check(self, subject: LogSegment) -> Iterator[Finding]:
        """One finding for each batch that counts for nothing.

        Raises:
            NotApplicable: The log holds no telemetry.
        """
        keys = [PublicKey(spki=spki) for spki in subject.keys]
        names: dict[str, PublicKey] = {}
        ledgers: dict[str, Ledger] = {}
        n_batches = 0
        for number, record in enumerate(subject.records()):
            if PAYLOAD_TYPE.encode() not in record:
                continue
            n_batches += 1
            try:
                self._take(record, keys, names, ledgers, until=subject.until)
            except (ArtifactError, TrustError) as error:
                yield _finding(subject, number, error)
        if not n_batches:
            raise NotApplicable("the log holds no telemetry")

    def _take(
        self,
        record: bytes,
        keys: list[PublicKey],
        names: dict[str, PublicKey],
        ledgers: dict[str, Ledger],
        *,
        until: float | None,
    ) -> None:
        name = claimed_replica(record)
        known = [names[name]] if name in names else keys
        problem: TrustError | None = None
        if not known:
            open_batch(record, {})
        for key in known:
            try:
                batch = open_batch(record, {name: key})
            except TrustError as error:
                problem = error
                continue
            ledger = ledgers.setdefault(name, Ledger())
            now = batch.end if until is None else until
            ledger.check(batch, now=now, oldest=now - self.oldest_s)
            ledger.take(batch.sequence)
            names[name] = key
            return
        if problem is not None:
            raise problem


def _finding(subject: LogSegment, number: int, error: ArtifactError | TrustError) -> Finding:
    return Finding(
        message=(
            f"{subject.name}: batch {number} does not count: {error.message}; "
            f"expected {error.expected or 'a signed batch'}, found {error.found or 'another'}"
        ),
        path=subject.name,
        severity=Severity.HIGH,
        remedy=_REMEDY,
        threats=ForgedTelemetry.threats,
        location=Location(rows=(number,)),
        evidence=Evidence(statistic="rule", facts={"rule": error.rule or ""}),
    )
