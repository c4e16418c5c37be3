"""Records that change places: see `ReorderRecords`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.relogging import covered, replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderRecords(Transform[LogSegment]):
    """Let two different signed records change places, so that effect comes before cause.

    The intruder can write to the log's files and has no key: the heads stay.

    References:
        Schneier and Kelsey 1999, "Secure audit logs to support computer forensics",
        section 2 (what an intruder does to a log); MITRE ATT&CK T1070 (indicator removal).
    """

    title: ClassVar[str] = "Reorder records of the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"), ThreatId("MS-1"))
    subject: ClassVar[type] = LogSegment

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with two of its covered records swapped.

        Raises:
            UsageError: All records are equal.
        """
        records = list(subject.records())
        signed = range(min(covered(subject), len(records)))
        one = rng.choice(signed)
        others = [at for at in signed if records[at] != records[one]]
        if not others:
            raise UsageError("a log of equal records has no other order")
        other = rng.choice(others)
        records[one], records[other] = records[other], records[one]
        return Attacked(subject=replaced(subject, records), rows=tuple(sorted((one, other))))
