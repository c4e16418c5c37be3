"""Add, drop or change a step of a pipeline: see `AlterPipeline`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from hauberk.core.artifact import Digest, PipelineRun, StepRecord
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId

DEEDS = ("extra step", "missing step", "other command", "other material", "further product")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterPipeline(Transform[PipelineRun]):
    """Change what a pipeline does, with records that say truthfully what was done.

    The attacker can commit to the pipeline's own files: a step is put in by hand, one is left
    out, one runs another command (a plugin that appends bytes to what it makes), takes a file
    that nobody reviewed, or hands on one more file.

    Args:
        deed: Which of these; drawn where empty.

    References:
        MITRE ATLAS AML.T0010.001. SLSA 1.0, "Threats": (B) to (E). in-toto specification 1.0,
        section 4.3, names the rules that each of these breaks.
    """

    title: ClassVar[str] = "Change the steps of a pipeline"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-1"),)
    subject: ClassVar[type] = PipelineRun

    deed: str = ""

    def apply(self, subject: PipelineRun, rng: Random) -> Attacked[PipelineRun]:
        """The changed run; ``truth`` names the deed and the step."""
        deed = self.deed or rng.choice(DEEDS)
        steps = list(subject.steps)
        place = rng.randrange(len(steps))
        step = steps[place]
        if deed == "extra step":
            step = _added(step, rng)
            steps.insert(place + 1, step)
        elif deed == "missing step":
            del steps[place]
        else:
            steps[place] = _changed(step, deed, rng)
        return Attacked(
            subject=replace(subject, steps=tuple(steps)), truth={"deed": deed, "step": step.name}
        )


def _added(step: StepRecord, rng: Random) -> StepRecord:
    """A step that takes what the one before made, and leaves something of its own."""
    name = rng.choice(("postprocess", "optimize", "notify", "cache"))
    return StepRecord(
        name=f"{name}-{rng.randrange(1000)}",
        command=("sh", "-c", f"./{name}.sh"),
        materials=dict(step.products),
        products={f"out/{name}.bin": _bytes(rng)},
    )


def _changed(step: StepRecord, deed: str, rng: Random) -> StepRecord:
    path = f"plugins/{rng.randrange(1000)}.so"
    if deed == "other command":
        made = {name: _bytes(rng) for name in step.products}
        words = (*step.command, f"--plugin={path}")
        return replace(step, command=words, products=made)
    if deed == "other material":
        return replace(step, materials={**step.materials, path: _bytes(rng)})
    return replace(step, products={**step.products, path: _bytes(rng)})


def _bytes(rng: Random) -> Digest:
    return Digest("sha256:" + hashlib.sha256(rng.randbytes(32)).hexdigest())
