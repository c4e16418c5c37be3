"""A log whose end is cut off: see `TruncateTail`."""

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
class TruncateTail(Transform[LogSegment]):
    """Cut the last records off, and every head of the log that would give it away.

    The intruder can write to everything on the logging host, the log's own heads included;
    what a second place holds is out of reach. At least one record that the witness has seen
    goes with the tail.

    Args:
        max_records: Longest tail, in records; it is longer where nothing shorter holds a
            witnessed record.

    References:
        Schneier and Kelsey 1999, "Secure audit logs to support computer forensics",
        section 2 (what an intruder does to a log); MITRE ATT&CK T1070 (indicator removal).
    """

    title: ClassVar[str] = "Truncate the tail of the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"),)
    subject: ClassVar[type] = LogSegment

    max_records: int = 50

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log without its last records and without heads beyond them."""
        records = list(subject.records())
        seen = subject.witnessed or subject.heads
        newest = min(max(parse_note(note).head.size for note in seen), len(records))
        oldest = max(min(newest - 1, len(records) - self.max_records), 0)
        kept = rng.randint(oldest, newest - 1)
        cut = rewritten(subject, records[:kept])
        return Attacked(subject=cut, rows=tuple(range(kept, len(records))))
