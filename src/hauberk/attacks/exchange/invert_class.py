"""Rebuild what a model thinks typical of a class: see `InvertClass`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Exchange
from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.methods.oracles import Heard, Oracle, Queries, drive


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """Whom the attacker wants to see.

    Attributes:
        oracle: The served model.
        side: Height and width of a picture.
        label: The class.
        typical: ``(side, side)`` mean of the class in training; only the range knows it.
    """

    oracle: Oracle
    side: int
    label: int
    typical: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertClass(Play[Portrait]):
    """Climb towards the picture that a model is surest of, by its scores alone.

    The picture is made of smooth waves; their sizes are changed at random, and a change is
    kept where the score of the class rises. What comes out looks like the mean of the class,
    which is a face where a class is a person.

    Args:
        waves: Waves along each side; more give a sharper picture and need more queries.
        alike: Correlation with the mean of the class from which on it is recognised.

    References:
        Fredrikson, Jha and Ristenpart (2015), Model inversion attacks that exploit confidence
        information, section 5 (by estimated slopes, without the weights).
    """

    title: ClassVar[str] = "Rebuild what a model thinks typical of a class"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-3"),)
    subject: ClassVar[type] = Exchange

    budget: int = 1_500
    waves: int = 5
    step: float = 0.25
    alike: float = 0.3

    def play(self, target: Portrait, rng: Random) -> Transcript:
        """Climb once; `facts` tell how alike the picture is, from -1 to 1."""
        generator = np.random.default_rng(rng.getrandbits(64))
        climb = _Climb(self, target, generator)
        played = drive(climb.queries(), target.oracle, budget=self.budget, patience=5)
        likeness = _correlation(climb.best, target.typical)
        return Transcript(
            succeeded=likeness >= self.alike,
            queries=played.queries,
            facts={"likeness": likeness, "first_refusal": played.first_refusal},
        )


class _Climb:
    """The picture so far."""

    def __init__(self, how: InvertClass, portrait: Portrait, rng: np.random.Generator) -> None:
        self.how, self.portrait, self.rng = how, portrait, rng
        self.waves = _waves(portrait.side, how.waves)
        self.sizes = rng.normal(0, 0.2, how.waves**2)
        self.best = self._picture(self.sizes)

    def _picture(self, sizes: Any) -> Any:
        row = np.clip(0.3 + sizes @ self.waves, 0, 1).astype(np.float32)
        return row.reshape(self.portrait.side, self.portrait.side)

    def queries(self) -> Queries:
        """Changes that are kept where the score rises; the step follows their success."""
        highest = _score((yield self.best.reshape(-1)), self.portrait.label)
        step = self.how.step
        while True:
            moved = self.sizes + self.rng.normal(0, step, self.sizes.size)
            picture = self._picture(moved)
            found = _score((yield picture.reshape(-1)), self.portrait.label)
            if found > highest:
                self.sizes, self.best, highest = moved, picture, found
                step = min(step * 1.2, 0.5)
            else:
                step = max(step * 0.97, 0.02)


def _score(heard: Heard, label: int) -> float:
    if heard.refused:
        return -np.inf
    if heard.scores is None:
        return float(heard.label == label)
    return float(np.log(heard.scores[label] + 1e-12))


def _waves(side: int, n: int) -> Any:
    """``(n * n, side * side)`` cosines, the slow ones larger."""
    places = (np.arange(side) + 0.5) / side
    lines = np.array([np.cos(np.pi * k * places) / (1 + k) for k in range(n)])
    return np.einsum("ay,bx->abyx", lines, lines).reshape(n * n, side * side)


def _correlation(first: Any, second: Any) -> float:
    one, two = first - first.mean(), second - second.mean()
    return float((one * two).sum() / (np.sqrt((one**2).sum() * (two**2).sum()) + 1e-12))
