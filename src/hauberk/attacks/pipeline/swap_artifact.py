"""Put another artifact in place of one that a step made: see `SwapArtifact`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from hauberk.core.artifact import Digest, PipelineRun, StepRecord
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapArtifact(Transform[PipelineRun]):
    """Swap an artifact on its way from the step that made it to one that takes it.

    The attacker writes to the store between two steps. Whatever the later steps make of the
    swapped bytes is other bytes too, and their records say so truthfully.

    Args:
        taker: Name of the step that is handed the swapped artifact; any by default.

    References:
        MITRE ATLAS AML.T0010.003. SLSA 1.0, "Threats": (F) upload modified package.
    """

    title: ClassVar[str] = "Swap an artifact between two steps"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-2"),)
    subject: ClassVar[type] = PipelineRun

    taker: str | None = None

    def apply(self, subject: PipelineRun, rng: Random) -> Attacked[PipelineRun]:
        """The run as it goes on after the swap; ``truth`` names the step and the path.

        Raises:
            UsageError: No step, or not the one named, takes what an earlier one made.
        """
        places = [place for place in _handovers(subject) if self.taker in (None, place[1])]
        if not places:
            raise UsageError("there is no such hand-over", found=str(self.taker))
        index, name, path = rng.choice(places)
        changed = {path: _other(rng.randbytes(32))}
        steps = list(subject.steps)
        for position in range(index, len(steps)):
            steps[position], changed = _carried(steps[position], changed)
        truth = {"step": name, "path": path}
        return Attacked(subject=replace(subject, steps=tuple(steps)), truth=truth)


def _handovers(run: PipelineRun) -> list[tuple[int, str, str]]:
    """Position and name of each taking step with a path that an earlier step made."""
    made: set[str] = set()
    found = []
    for index, step in enumerate(run.steps):
        found += [(index, step.name, path) for path in sorted(step.materials) if path in made]
        made |= set(step.products)
    return found


def _carried(
    step: StepRecord, changed: Mapping[str, Digest]
) -> tuple[StepRecord, dict[str, Digest]]:
    """The step's record when it is handed changed bytes, and what is changed after it."""
    taken = {path: changed.get(path, digest) for path, digest in step.materials.items()}
    if taken == dict(step.materials):
        return step, {path: item for path, item in changed.items() if path not in step.products}
    made = {path: _other(digest.encode()) for path, digest in step.products.items()}
    return replace(step, materials=taken, products=made), {**changed, **made}


def _other(seed: bytes) -> Digest:
    return Digest("sha256:" + hashlib.sha256(b"swapped " + seed).hexdigest())
