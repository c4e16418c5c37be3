"""A record that says something else: see `EditRecord`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.relogging import covered, replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRecord(Transform[LogSegment]):
    """Change one character of one signed record, so that it keeps its length.

    The intruder can write to the log's files and has no key: the heads stay.

    References:
        Schneier and Kelsey 1999, "Secure audit logs to support computer forensics",
        section 2 (what an intruder does to a log); MITRE ATT&CK T1070 (indicator removal).
    """

    title: ClassVar[str] = "Edit a record of the log"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-2"), ThreatId("MS-1"))
    subject: ClassVar[type] = LogSegment

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with one of its covered records changed."""
        records = list(subject.records())
        chosen = rng.randrange(min(covered(subject), len(records)))
        records[chosen] = _edited(records[chosen], rng)
        return Attacked(subject=replaced(subject, records), rows=(chosen,))


def _edited(record: bytes, rng: Random) -> bytes:
    """Another digit where there is one, else another byte."""
    if not record:
        return b"0"
    digits = [at for at, byte in enumerate(record) if byte in b"0123456789"]
    at = rng.choice(digits or range(len(record)))
    others = [byte for byte in (b"0123456789" if digits else b"ab") if byte != record[at]]
    return record[:at] + bytes([rng.choice(others)]) + record[at + 1 :]
