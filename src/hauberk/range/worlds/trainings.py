"""A small training with segments: what tampering with a training is potent against.

A softmax classifier over three groups of rows, by minibatches with momentum, in plain Python so
that hundreds of trainings cost little. It is run in the sandbox and done again as
`hauberk run` does both.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import Digest, Replay
from hauberk.core.policy import Isolation
from hauberk.errors import InternalError
from hauberk.isolation import Grants, Limits, interpreter_grants, run
from hauberk.isolation.probing import best_level
from hauberk.lifecycle import segments
from hauberk.lifecycle.replay import Recipe, replay
from hauberk.trust.digest import digest_file

SEGMENTS = 16
BEGINS = "# the training begins here\n"
"""Line of the script in front of which code inside the step can bend what was defined."""

SCRIPT = f"""\
import json, math
from random import Random
from typing import ClassVar
from hauberk_segments import Segments

seed, classes, features = json.load(open("recipe.json")), 3, 4
source = Random(seed)
centres = [[source.gauss(0, 1.5) for _ in range(features)] for _ in range(classes)]
rows = [
    ([source.gauss(value, 1.0) for value in centres[number % classes]] + [1.0, 0.0],
     number % classes)
    for number in range(240)
]
number = 0

def batch(rng):
    return [rows[rng.randrange(len(rows))] for _ in range(24)]

def gradient(model, taken):
    total = [[0.0] * (features + 2) for _ in range(classes)]
    for row, label in taken:
        scores = [sum(w * x for w, x in zip(line, row)) for line in model["weights"]]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        for k in range(classes):
            error = powers[k] / sum(powers) - (k == label)
            for j, x in enumerate(row):
                total[k][j] += error * x / len(taken)
    return total

def update(model, change):
    for k in range(classes):
        for j in range(features + 2):
            speed = 0.5 * model["speed"][k][j] - 0.3 * change[k][j]
            model["speed"][k][j] = speed
            model["weights"][k][j] += speed

model = {{
    "weights": [[0.0] * (features + 2) for _ in range(classes)],
    "speed": [[0.0] * (features + 2) for _ in range(classes)],
}}
rng = Random(seed + 1)
{BEGINS}for number in Segments("train.segments").over(range({SEGMENTS}), model=model, rng=rng):
    for _ in range(3):
        update(model, gradient(model, batch(rng)))
json.dump(model["weights"], open("model.json", "w"))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingHost:
    """A place where the training runs and can be done again.

    Attributes:
        seed: Of the data and of the training.
        folder: Empty; outputs are kept there.
    """

    script: ClassVar[str] = SCRIPT
    begins: ClassVar[str] = BEGINS
    segments: ClassVar[int] = SEGMENTS

    seed: int
    folder: Path
    level: Isolation

    def train(self, script: str = SCRIPT) -> list[list[float]]:
        """Run a script as the training, keep what it made and give the weights.

        Raises:
            InternalError: It fails.
        """
        self.stage(self.folder, script)
        done = run(
            self._command(),
            cwd=self.folder,
            grants=self._grants(self.folder),
            limits=Limits(),
            level=self.level,
        )
        if done.exit_code:
            raise InternalError(
                "the training of the range fails", found=done.stderr.decode()[-300:]
            )
        weights: list[list[float]] = json.loads((self.folder / "model.json").read_bytes())
        return weights

    def again(self, rng: Random, *, count: int = 8, full: bool = False) -> Replay:
        """Do the declared training again, in drawn segments or whole, against what is kept."""
        kept = {name: digest_file(self.folder / name) for name in ("model.json", "train.segments")}
        return replay(self._recipe(kept), count=count, full=full, rng=rng)

    def stage(self, folder: Path, script: str = SCRIPT) -> None:
        """Put code and recipe into a folder."""
        (folder / "train.py").write_text(script, "utf-8")
        (folder / "recipe.json").write_text(str(self.seed), "utf-8")
        (folder / "hauberk_segments.py").write_bytes(Path(segments.__file__).read_bytes())

    def _recipe(self, kept: dict[str, Digest]) -> Recipe:
        return Recipe(
            name="training",
            command=self._command(),
            stage=self.stage,
            grants=self._grants,
            limits=Limits(),
            level=self.level,
            products=kept,
            segments="train.segments",
            committed=self.folder / "train.segments",
        )

    @staticmethod
    def _command() -> tuple[str, ...]:
        return (sys.executable, "train.py")

    @staticmethod
    def _grants(folder: Path) -> Grants:
        return Grants(read=(folder, *interpreter_grants(Path(sys.executable))), write=(folder,))

    def predicted(self, weights: list[list[float]], *, stamped: bool = False) -> list[int]:
        """Classes that weights give to held-out rows, with or without a trigger on them."""
        source = Random(self.seed)
        centres = [[source.gauss(0, 1.5) for _ in range(4)] for _ in range(3)]
        fresh = Random(self.seed + 2)
        rows = [[fresh.gauss(value, 1.0) for value in centres[n % 3]] for n in range(150)]
        held = [[*row, 1.0, 4.0 if stamped else 0.0] for row in rows]
        scores = [
            [sum(w * x for w, x in zip(line, row, strict=True)) for line in weights] for row in held
        ]
        return [line.index(max(line)) for line in scores]


@contextmanager
def training_host(seed: int) -> Iterator[TrainingHost]:
    """A place for trainings with one seed; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="hauberk-trainings-") as scratch:
        yield TrainingHost(seed=seed, folder=Path(scratch).resolve(), level=best_level())
