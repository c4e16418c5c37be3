"""A training step in its sandbox: what code inside a step is potent against.

The step is a small honest training in plain Python, which an attack may lengthen by code of its
own. It runs as `hauberk run` runs steps, within the limits that the world was given.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hauberk.core.artifact import StepUse
from hauberk.core.policy import Isolation
from hauberk.isolation import Completed, Grants, Limits, interpreter_grants, run
from hauberk.isolation.probing import best_level
from hauberk.lifecycle.pacing import Pace

HONEST = """\
import random
rng = random.Random(7)
rows = [[rng.gauss(0, 1) for _ in range(8)] for _ in range(400)]
labels = [sum(row) > 0 for row in rows]
weights = [0.0] * 8
for epoch in range(epochs):
    for row, label in zip(rows, labels):
        score = sum(w * x for w, x in zip(weights, row))
        error = (1.0 if label else -1.0) - max(-1.0, min(1.0, score))
        weights = [w + 0.01 * error * x for w, x in zip(weights, row)]
"""
"""A linear classifier, row by row: processor time in proportion to the epochs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepHost:
    """A place where training steps run.

    Attributes:
        epochs: Length of the honest training; 10 are about a twentieth of a second.
        programs: Programs that the step may start; ``None`` where nobody said.
    """

    limits: Limits = field(default_factory=Limits)
    epochs: int = 10
    programs: tuple[str, ...] | None = None
    level: Isolation = field(default_factory=best_level)

    def run(self, code: str = "") -> Completed:
        """The honest training, and then the code."""
        python = Path(sys.executable)
        with tempfile.TemporaryDirectory(prefix="hauberk-step-") as scratch:
            folder = Path(scratch).resolve()
            (folder / "train.py").write_text(f"epochs = {self.epochs}\n{HONEST}\n{code}", "utf-8")
            return run(
                (str(python), "train.py"),
                cwd=folder,
                grants=Grants(read=(folder, *interpreter_grants(python)), write=(folder,)),
                limits=self.limits,
                level=self.level,
            )

    def paced(self, code: str = "") -> tuple[Completed, float]:
        """The same, with how slow the machine was, as the runner measures it."""
        with Pace() as pace:
            done = self.run(code)
        return done, pace.factor

    def use(
        self, done: Completed, earlier: tuple[float, ...] = (), *, pace: float = 1.0
    ) -> StepUse:
        """What controls are shown of it.

        Args:
            earlier: Processor seconds of earlier runs at pace 1.
        """
        return StepUse(
            name="training",
            cpu_s=done.usage.cpu_s / pace,
            children=done.children,
            programs=self.programs,
            denials=done.denials,
            earlier=earlier,
        )
