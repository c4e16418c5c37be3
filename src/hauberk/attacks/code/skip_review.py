"""A change that reaches the main branch without the review that others have: see `SkipReview`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId

PATHS = (
    "src/evaluate.py",
    "src/train.py",
    "src/losses/focal.py",
    "src/metrics.py",
    "conf/labels.yaml",
    "ci/gate.py",
)
"""Files that judge a model, or make it."""


class Writable(Protocol):
    """A repository that a committer can write to."""

    @property
    def root(self) -> Path:
        """Its work tree."""
        ...

    def commit(self, message: str, files: Mapping[str, bytes | None] | None = None) -> str:
        """Write files and commit them; the commit's id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipReview(Play[Writable]):
    """Push a change of training, metrics, labels or gates straight to the main branch.

    Args:
        path: The file that is changed; drawn where empty.

    References:
        SLSA 1.0, source threats: submit a change without review; MITRE ATLAS AML.T0010.001.
    """

    title: ClassVar[str] = "Change what judges models without review"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-1"), ThreatId("TR-7"))
    subject: ClassVar[type] = Writable

    path: str = ""

    def play(self, target: Writable, rng: Random) -> Transcript:
        """Commit the change; succeeded where the newest tree has it."""
        path = self.path or rng.choice(PATHS)
        change = f"THRESHOLD = {rng.random():.6f}\n".encode()
        message = rng.choice(("Tune", "Small fix", "Cleanup", "Update values", "wip"))
        target.commit(message, {path: change})
        held = (target.root / path).read_bytes() == change
        return Transcript(succeeded=held, queries=1, facts={"path": path})
