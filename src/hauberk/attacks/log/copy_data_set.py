"""Read a whole data set at night: see `CopyDataSet`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.relogging import replaced
from hauberk.trust.reading import Read, reads

_NIGHT_S = 8 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDataSet(Transform[LogSegment]):
    """A reader with leave copies parts of the set, in random order, on the last night.

    Args:
        share: Share of the set that is read, 0 to 1.
        parts: Parts that a set has whose log does not say.

    References:
        MITRE ATT&CK T1530 and T1213; MITRE ATLAS AML.T0036.
    """

    title: ClassVar[str] = "Copy a data set that one may read"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-6"),)
    subject: ClassVar[type] = LogSegment

    share: float = 1.0
    parts: int = 2000

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with the thief's reads behind the others."""
        records = list(subject.records())
        known = list(reads(iter(records)))
        last = known[-1] if known else Read(at=0.0, reader="insider", name="set")
        of = last.of or self.parts
        thief = rng.choice(sorted({read.reader for read in known}) or ["insider"])
        chosen = rng.sample(range(of), max(1, round(self.share * of)))
        night = (last.at // 86_400 + 1) * 86_400
        taken = [
            Read(
                at=night + _NIGHT_S * place / len(chosen),
                reader=thief,
                name=last.name,
                part=f"part-{part:05d}",
                of=of,
            ).to_record()
            for place, part in enumerate(chosen)
        ]
        rows = tuple(range(len(records), len(records) + len(taken)))
        return Attacked(
            subject=replaced(subject, [*records, *taken]), rows=rows, truth={"thief": thief}
        )
