"""A record that is gone: see `DeleteRecord`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.relogging import covered, replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRecord(Transform[LogSegment]):
    """Take one signed record out of the middle of a log and close the gap.

    The intruder can write to the log's files and has no key: the heads stay.

    References:
        Schneier and Kelsey 1999, "Secure audit logs to support computer forensics",
        section 2 (what an intruder does to a log); MITRE ATT&CK T1070 (indicator removal).
    """

    title: ClassVar[str] = "Delete a record of the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"), ThreatId("MS-1"))
    subject: ClassVar[type] = LogSegment

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log without one of its covered records."""
        records = list(subject.records())
        gone = rng.randrange(min(covered(subject), len(records)))
        del records[gone]
        return Attacked(subject=replaced(subject, records), rows=(gone,))
