"""A time of which nothing is known: see `StopWriter`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.relogging import rewritten
from hauberk.trust.heartbeats import moment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWriter(Transform[LogSegment]):
    """Stop the writer, act, and start it again: the records were never written.

    Nothing is changed afterwards, so every root and every head fits what is there, and the
    witness has seen nothing else.

    Args:
        seconds: For how long; a log that is shorter loses all but its first record.

    References:
        MITRE ATT&CK T1562.001 (disable or modify tools), T1562.008 (disable cloud logs).
    """

    title: ClassVar[str] = "Stop the writer of the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"),)
    subject: ClassVar[type] = LogSegment

    seconds: float = 300.0

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log as it would be had nothing been written for a while."""
        records = list(subject.records())
        times = [getattr(moment_of(record), "at", 0.0) for record in records]
        latest = max(times[0], times[-1] - self.seconds)
        start = rng.uniform(times[0], latest)
        gone = [at for at, time in enumerate(times) if at and start < time <= start + self.seconds]
        kept = [record for at, record in enumerate(records) if at not in set(gone)]
        return Attacked(subject=_never_written(subject, kept), rows=tuple(gone))


def _never_written(subject: LogSegment, kept: list[bytes]) -> LogSegment:
    """The log over ``kept``, with a witness that has seen the same."""
    twin = rewritten(subject, kept)
    return replace(twin, witnessed=twin.heads if subject.witnessed else ())
