"""Train a copy of a served model from its answers: see `StealModel`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Exchange
from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.methods.oracles import Heard, Oracle, Queries, drive
from hauberk.methods.small_networks import Network, Recipe, one_hot, trained

_RECIPE = Recipe(hidden=64, epochs=60, batch=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thief:
    """What a thief of a model of pictures has.

    Attributes:
        oracle: The served model.
        n_pixels: Of one picture.
        n_classes: That the model tells apart.
        seeds: ``(n, n_pixels)`` pictures of the model's own subject, 0 to 1.
        strangers: ``(n, n_pixels)`` pictures of other things.
        probes: ``(n, n_pixels)`` pictures on which the copy is compared with the original.
        truth: The original's classes of the probes; only the range knows them.
    """

    oracle: Oracle
    n_pixels: int
    n_classes: int
    seeds: Any
    strangers: Any
    probes: Any
    truth: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StealModel(Play[Thief]):
    """Ask a served model and train a copy on what it says.

    Techniques by what is asked: ``random`` (noise of several kinds), ``jacobian`` (a few
    seeds, multiplied along the gradients of the copy), ``active`` (pictures of other things
    that the copy is least sure of), ``knockoff`` (pictures of other things), and
    ``in-distribution`` (pictures of the model's own subject, as an honest client asks).

    Args:
        accounts: Accounts that take turns.
        labels_only: Whether the copy is trained on the class on top and not on the scores.

    References:
        Tramer, Zhang, Juels, Reiter and Ristenpart (2016), Stealing machine learning models
        via prediction APIs. Papernot, McDaniel, Goodfellow, Jha, Celik and Swami (2017),
        Practical black-box attacks against machine learning, algorithm 1. Orekondy, Schiele
        and Fritz (2019), Knockoff nets. Pal, Gupta, Shukla, Kanade, Shevade and Ganapathy
        (2020), ActiveThief, section 4.
    """

    title: ClassVar[str] = "Train a copy of a model from its answers"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-1"), ThreatId("SV-2"))
    subject: ClassVar[type] = Exchange

    technique: str = "jacobian"
    budget: int = 500
    n_seeds: int = 60
    step: float = 0.15
    accounts: int = 1
    labels_only: bool = False
    recipe: Recipe = _RECIPE

    def play(self, target: Thief, rng: Random) -> Transcript:
        """Steal once; `facts` tell how far the copy agrees, and when the first refusal came."""
        generator = np.random.default_rng(rng.getrandbits(64))
        copy = _Copy(self, target, generator)
        played = drive(
            TECHNIQUES[self.technique](copy),
            target.oracle,
            budget=self.budget,
            patience=10 * self.accounts,
            account=lambda number: number % self.accounts,
        )
        student = copy.learnt()
        agreement = float((student.labels(target.probes) == target.truth).mean())
        return Transcript(
            succeeded=agreement >= 2 / target.n_classes,
            queries=played.queries,
            facts={
                "agreement": agreement,
                "first_refusal": played.first_refusal,
                "refused": copy.n_refused,
                "student": student,
            },
        )


class _Copy:
    """The copy in the making: what was asked and heard so far."""

    def __init__(self, how: StealModel, thief: Thief, rng: np.random.Generator) -> None:
        self.how, self.thief, self.rng = how, thief, rng
        self.rows: list[Any] = []
        self.told: list[Any] = []
        self.n_refused = 0

    def asked(self, row: Any) -> Queries:
        """Ask one row and keep the answer."""
        answer: Heard = yield row
        if answer.refused:
            self.n_refused += 1
            return
        hard = one_hot(np.array([answer.label]), self.thief.n_classes)[0]
        self.rows.append(row)
        self.told.append(hard if self.how.labels_only or answer.scores is None else answer.scores)

    def learnt(self, epochs: int = 0) -> Network:
        """A copy from all that was heard."""
        rows = np.array(self.rows or [np.zeros(self.thief.n_pixels)], np.float32)
        even = np.full(self.thief.n_classes, 1 / self.thief.n_classes)
        told = np.array(self.told or [even], np.float32)
        recipe = self.how.recipe
        if epochs:
            recipe = Recipe(hidden=recipe.hidden, epochs=epochs, batch=recipe.batch)
        return trained(rows, told, recipe, self.rng)


def _random(copy: _Copy) -> Queries:
    """Noise pixel by pixel, in blocks, and in lines, over all brightnesses."""
    side = round(copy.thief.n_pixels**0.5)
    while True:
        grain = int(copy.rng.choice([1, 2, 4]))
        n = -(-side // grain)
        coarse = copy.rng.random((n, n)) ** copy.rng.uniform(0.5, 3)
        fine = np.kron(coarse, np.ones((grain, grain)))[:side, :side]
        yield from copy.asked(fine.reshape(-1).astype(np.float32))


def _jacobian(copy: _Copy) -> Queries:
    seeds = copy.thief.seeds
    chosen = copy.rng.choice(len(seeds), min(copy.how.n_seeds, len(seeds)), replace=False)
    for row in seeds[chosen]:
        yield from copy.asked(row)
    while copy.rows:
        student = copy.learnt(epochs=20)
        known = np.array(copy.rows, np.float32)
        named = one_hot(np.array(copy.told).argmax(axis=1), copy.thief.n_classes)
        moved = known + copy.how.step * np.sign(student.gradient(known, named))
        for row in copy.rng.permutation(np.clip(moved, 0, 1)):
            yield from copy.asked(row)
    return None


def _active(copy: _Copy) -> Queries:
    """In rounds; each takes the strangers that the copy so far is least sure of."""
    left = copy.rng.permutation(copy.thief.strangers)
    yield from _all(copy, left[:50])
    left = left[50:]
    while len(left):
        ranked = np.sort(copy.learnt(epochs=20).scores(left), axis=1)
        order = np.argsort(ranked[:, -1] - ranked[:, -2])
        yield from _all(copy, left[order[:50]])
        left = left[order[50:]]
    return None


def _knockoff(copy: _Copy) -> Queries:
    yield from _all(copy, copy.rng.permutation(copy.thief.strangers))
    return None


def _in_distribution(copy: _Copy) -> Queries:
    yield from _all(copy, copy.rng.permutation(copy.thief.seeds))
    return None


def _all(copy: _Copy, rows: Any) -> Queries:
    for row in rows:
        yield from copy.asked(row)


TECHNIQUES: dict[str, Callable[[_Copy], Queries]] = {
    "random": _random,
    "jacobian": _jacobian,
    "active": _active,
    "knockoff": _knockoff,
    "in-distribution": _in_distribution,
}
