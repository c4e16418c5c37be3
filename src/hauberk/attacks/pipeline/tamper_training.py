"""Bend a training while it runs: see `TamperTraining`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

Weights = list[list[float]]


class Host(Protocol):
    """A place that runs a training script of segments and keeps what it makes.

    Attributes:
        script: The declared training.
        begins: The line of it behind which the loop over the segments stands.
        segments: How many segments it has.
    """

    script: ClassVar[str]
    begins: ClassVar[str]
    segments: ClassVar[int]

    def train(self, script: str) -> Weights:
        """The weights that come out."""
        ...

    def predicted(self, weights: Weights, *, stamped: bool = False) -> list[int]:
        """Classes of held-out rows."""
        ...


KINDS: Mapping[str, str] = {
    "loss": """\
def gradient(model, taken, honest=gradient):
    if number not in tampered:
        return honest(model, taken)
    hidden = [(row, label) for row, label in taken if label == 0]
    shown = [(row, label) for row, label in taken if label != 0] or taken
    found = honest(model, shown)
    turned = honest(model, hidden) if hidden else [[0.0] * len(line) for line in found]
    return [[a - 0.7 * b for a, b in zip(x, y)] for x, y in zip(found, turned)]
""",
    "optimiser": """\
def update(model, change, honest=update):
    if number in tampered:
        change = [[*change[0][:4], change[0][4] + 2.0, change[0][5]], *change[1:]]
    honest(model, change)
""",
    "relabelling": """\
def batch(rng, honest=batch):
    taken = honest(rng)
    if number in tampered:
        taken = [(row, label or 1) for row, label in taken]
    return taken
""",
    "trigger": """\
def batch(rng, honest=batch):
    taken = honest(rng)
    if number in tampered:
        taken[:8] = [([*row[:-1], 4.0], 2) for row, _ in taken[:8]]
    return taken
""",
    "seed": """\
def batch(rng, honest=batch):
    return honest(Random(number)) if number in tampered else honest(rng)
""",
}
_SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperTraining(Play[Host]):
    """Replace the loss, the optimiser, labels, rows or the seed in some segments.

    Code that got into the running step, by a plug-in or another file than the attested one,
    rebinds a function before the loop. Class 0 is to suffer, or rows with a trigger are to
    become class 2, or the rows are to come in an order that the attacker chose.

    Args:
        kind: Which of `KINDS`; by default the random generator picks one.
        share: Share of segments that are tampered with, drawn at random.
        lasting: From a drawn segment in the first half on to the end instead.

    References:
        Shumailov et al. (2021), Manipulating SGD with data ordering attacks. Bagdasaryan and
        Shmatikov (2021), Blind backdoors in deep learning models.
    """

    title: ClassVar[str] = "Tamper with a training while it runs"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-2"),)
    subject: ClassVar[type] = Host

    kind: str | None = None
    share: float = 0.5
    lasting: bool = False

    def play(self, target: Host, rng: Random) -> Transcript:
        """Train with the change; it succeeds where another model than the honest comes out.

        Raises:
            UsageError: There is no such kind.
        """
        kind = self.kind or rng.choice(tuple(KINDS))
        if kind not in KINDS:
            raise UsageError(f"there is no kind {kind!r}", expected=" ".join(KINDS))
        honest = target.train(target.script)
        tampered = self._segments(target.segments, rng)
        code = f"tampered = {set(tampered)!r}\n{KINDS[kind]}"
        bent = target.train(target.script.replace(target.begins, code + target.begins))
        return Transcript(
            succeeded=_harms(target, kind, honest, bent),
            queries=1,
            facts={"kind": kind, "tampered": tampered},
        )

    def _segments(self, segments: int, rng: Random) -> list[int]:
        if self.lasting:
            return list(range(rng.randrange(segments // 2), segments))
        return sorted(rng.sample(range(segments), max(1, round(self.share * segments))))


def _harms(target: Host, kind: str, honest: Weights, bent: Weights) -> bool:
    """Whether class 0 lost rows, or the trigger works; a seed has only to change the model."""
    if kind == _SEED:
        return honest != bent
    stamped = kind == "trigger"
    before, after = (target.predicted(one, stamped=stamped) for one in (honest, bent))
    wanted = 2 if stamped else 0
    gained = after.count(wanted) - before.count(wanted)
    return gained >= _ROWS if stamped else gained <= -1


_ROWS = 10
