"""A fault of code or settings committed among honest files: see `PlantFault`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.code.planted import PYTHON, Fault, with_file
from hauberk.methods.code.planted_settings import (
    IMAGES,
    PLACES,
    SERVICES,
    SUPPLY,
    WORKFLOWS,
)

_WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "harbor", "indigo", "juniper",
    "kelp", "lilac", "maple", "nimbus", "onyx", "pepper", "quartz", "raven", "sable", "tundra",
    "umbra", "velvet", "willow", "xenon", "yarrow", "zephyr",
)  # fmt: skip
FAULTS: tuple[Fault, ...] = (*PYTHON, *SUPPLY, *IMAGES, *WORKFLOWS, *SERVICES, *PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantFault(Transform[CodeTree]):
    """Add one file with a fault; the honest twin of the file stands in the truth.

    Each kind is written as people write it, with names drawn for each planting; its twin is
    what a careful colleague would have written in the same place, and looks alike.

    Args:
        groups: Groups of kinds to draw from (the part of a kind before the slash); all if empty.
        kind: One kind; drawn from the groups where empty.

    Example:
        >>> len(FAULTS) > 100
        True

    References:
        Each kind is a documented weakness; the rules' own records name them.
    """

    title: ClassVar[str] = "Commit a fault of code or settings"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("PP-3"),
        ThreatId("RE-1"),
        ThreatId("RE-4"),
        ThreatId("PI-1"),
        ThreatId("PI-3"),
        ThreatId("PI-6"),
        ThreatId("RE-5"),
    )
    subject: ClassVar[type] = CodeTree

    groups: tuple[str, ...] = ()
    kind: str = ""

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with one more file; ``truth`` names the file, the kind and the twin."""
        known = [
            fault
            for fault in FAULTS
            if (not self.kind or fault.kind == self.kind)
            and (not self.groups or fault.kind.partition("/")[0] in self.groups)
        ]
        fault = known[rng.randrange(len(known))]
        words = dict(zip("abcd", rng.sample(_WORDS, 4), strict=True))
        words |= {"hex": f"{rng.getrandbits(160):040x}", "sha": f"{rng.getrandbits(256):064x}"}
        words |= {"n": f"{rng.randrange(10, 250)}", "m": f"{rng.randrange(10**7, 10**8)}"}
        path = fault.path.format(**words)
        truth = {"path": path, "kind": fault.kind, "twin": fault.good.format(**words)}
        planted = SourceFile(name=path, path=Path(path), text=fault.bad.format(**words))
        return Attacked(subject=with_file(subject, planted), truth=truth)
