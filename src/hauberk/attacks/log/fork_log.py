"""Another history under good signatures: see `ForkLog`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.relogging import rewritten, with_change
from hauberk.trust.checkpoint import parse_note


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkLog(Transform[LogSegment]):
    """Go back to a record, change it, and write and sign everything after it anew.

    The intruder holds the logging host and the key that signs the log's heads, so the fork
    is sound in itself: records, roots and heads fit each other. Only a second place that saw
    a head of the first history can tell.

    References:
        Crosby and Wallach 2009, "Efficient data structures for tamper-evident logging"
        (forks); RFC 9162 section 11.3 (misbehaving logs).
    """

    title: ClassVar[str] = "Fork the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"),)
    subject: ClassVar[type] = LogSegment

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with another record in its witnessed part, under heads that fit it."""
        records = list(subject.records())
        seen = subject.witnessed or subject.heads
        newest = min(max(parse_note(note).head.size for note in seen), len(records))
        chosen = rng.randrange(newest)
        changed = with_change(records[chosen], lambda event: {**event, "forked": True})
        records[chosen] = changed if changed != records[chosen] else records[chosen] + b" "
        return Attacked(subject=rewritten(subject, records), rows=(chosen,))
