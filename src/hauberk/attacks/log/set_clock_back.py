"""Records that claim to be older: see `SetClockBack`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.relogging import rewritten, with_change


@dataclass(frozen=True, slots=True, kw_only=True)
class SetClockBack(Transform[LogSegment]):
    """Set the logging host's clock back, so that what follows seems to have happened before.

    The writer goes on honestly with the wrong time: roots, heads and witness all fit.

    Args:
        seconds: By how much.

    References:
        MITRE ATT&CK T1070.006 (timestomp).
    """

    title: ClassVar[str] = "Set the clock of the log back"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"),)
    subject: ClassVar[type] = LogSegment

    seconds: float = 3600.0

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with earlier times from some record on."""
        records = list(subject.records())
        start = rng.randrange(1, len(records))
        late = [with_change(record, self._earlier) for record in records[start:]]
        twin = rewritten(subject, [*records[:start], *late])
        twin = replace(twin, witnessed=twin.heads if subject.witnessed else ())
        return Attacked(subject=twin, rows=tuple(range(start, len(records))))

    def _earlier(self, event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "at": event["at"] - self.seconds} if "at" in event else event
