"""Inputs searched for the work that they make: see `SoakCompute`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.formats.http import Answer, ServedModel, json_call

OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakCompute(Play[ServedModel]):
    """Search for inputs that a model answers dearly, then send them.

    A genetic search over one row: the rows that took longest to answer are kept, crossed and
    changed by noise or by shrinking; every row stays within the span that the schema would let
    through. Then the dearest row is sent over and over. The attack has succeeded when the
    dearest row costs several times what random ones cost in the middle.

    Args:
        span: Values lie between minus this and this.
        population: Rows in one generation.
        generations: Rounds of the search.
        floods: How often the dearest row is sent afterwards.
        times: Ratio to the middle of random rows that counts as success.

    References:
        Shumailov et al., 2021, "Sponge Examples", section 4.2 (genetic search). Hong et al.,
        2021, for models that stop early.
    """

    title: ClassVar[str] = "Soak up the processor"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-4"),)
    subject: ClassVar[type] = ServedModel

    span: float = 10.0
    population: int = 10
    generations: int = 3
    floods: int = 20
    times: float = 3.0

    def play(self, target: ServedModel, rng: Random) -> Transcript:
        """Search, then flood."""
        width = json.loads(target.sample)["inputs"][0]["shape"][1]
        rows = [self._random(width, rng) for _ in range(self.population)]
        costs = [self._cost(target, row) for row in rows]
        usual = sorted(costs)[len(costs) // 2]
        for _ in range(self.generations):
            rows = self._next(rows, costs, rng)
            costs = [self._cost(target, row) for row in rows]
        dearest = rows[max(range(len(rows)), key=costs.__getitem__)]
        answers = [_asked(target, dearest) for _ in range(self.floods)]
        ratio = self._cost(target, dearest) / max(usual, 1e-9)
        return Transcript(
            succeeded=ratio >= self.times,
            queries=self.population * (self.generations + 1) + self.floods,
            facts={
                "ratio": ratio,
                "answered": sum(answer.status == OK for answer in answers),
                "row": dearest,
            },
        )

    def _random(self, width: int, rng: Random) -> list[float]:
        return [rng.uniform(-self.span, self.span) for _ in range(width)]

    def _cost(self, target: ServedModel, row: list[float]) -> float:
        """What an answer took, as far as the door tells; the faster of two, for noise adds."""
        return min(_seconds(_asked(target, row)) for _ in range(2))

    def _next(self, rows: list[list[float]], costs: list[float], rng: Random) -> list[list[float]]:
        order = sorted(range(len(rows)), key=costs.__getitem__, reverse=True)
        parents = [rows[i] for i in order[: max(2, len(rows) // 3)]]
        children: list[list[float]] = []
        while len(parents) + len(children) < len(rows):
            mother, father = rng.sample(parents, 2)
            child = [rng.choice(pair) for pair in zip(mother, father, strict=True)]
            children.append([self._changed(value, rng) for value in child])
        return parents + children

    def _changed(self, value: float, rng: Random) -> float:
        moved = value * rng.uniform(0.1, 1.0) + rng.gauss(0.0, 0.02 * abs(value) + 1e-6)
        return max(-self.span, min(self.span, moved))


def _asked(target: ServedModel, row: list[float]) -> Answer:
    top: dict[str, Any] = json.loads(target.sample)
    top["inputs"][0] |= {"shape": [1, len(row)], "data": row}
    return target.door.call(json_call(target.path, json.dumps(top).encode()))


def _seconds(answer: Answer) -> float:
    if answer.status != OK:
        return 0.0
    return answer.processor_s or answer.seconds
