"""A log from before it happened: see `RestoreBackup`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.relogging import rewritten
from hauberk.trust.checkpoint import parse_note


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreBackup(Transform[LogSegment]):
    """Put an old, genuine copy of the log and its heads in place of the present one.

    Every record and every signature in the copy is good; it only ends too early. Only a
    second place that saw a later head can tell.

    References:
        Schneier and Kelsey 1999, "Secure audit logs to support computer forensics",
        section 2 (what an intruder does to a log); MITRE ATT&CK T1070 (indicator removal).
    """

    title: ClassVar[str] = "Restore a backup of the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"),)
    subject: ClassVar[type] = LogSegment

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log as it was at one of its heads before the newest that was witnessed."""
        records = list(subject.records())
        seen = [parse_note(note).head.size for note in subject.witnessed or subject.heads]
        earlier = sorted({size for size in seen if size < max(seen)}) or [0]
        kept = rng.choice(earlier)
        restored = rewritten(subject, records[:kept])
        return Attacked(subject=restored, rows=tuple(range(kept, len(records))))
