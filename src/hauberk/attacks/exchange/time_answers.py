"""Secrets read from how long answers take: see `TimeAnswers`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from statistics import mean, median
from typing import Any, ClassVar

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.formats.http import Call, ServedModel, json_call


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAnswers(Play[ServedModel]):
    """Tell two kinds of inputs apart by the time that their answers take.

    The attacker knows which of its own inputs are of which kind - shallow or deep in the model,
    cached or not - and times them; with the cut that divides those best it then guesses the kind
    of others. Each input is asked several times and the middle of the times is taken, which
    averages the noise of the network away. The attack has succeeded when it guesses better than
    chance by a tenth.

    Args:
        inputs: Of each kind, half of them to learn the cut from.
        repeats: How often each is asked.
        at_once: Questions in flight at the same time.
        quick: A row of the one kind.
        slow: A row of the other.

    References:
        Kocher, 1996, "Timing Attacks". Duddu et al., 2018, "Stealing Neural Networks via Timing
        Side Channels". Brix et al., 2020, for models that stop early.
    """

    title: ClassVar[str] = "Time the answers"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-9"),)
    subject: ClassVar[type] = ServedModel

    inputs: int = 16
    repeats: int = 5
    at_once: int = 8
    quick: tuple[float, ...] = (1.0, 1.0)
    slow: tuple[float, ...] = (-1.0, 1.0)

    def play(self, target: ServedModel, rng: Random) -> Transcript:
        """Learn a cut on half of the inputs and guess the other half."""
        kinds = [0, 1] * self.inputs
        rng.shuffle(kinds)
        times = self._times(target, kinds)
        half = len(kinds) // 2
        cut, sign = _best_cut(times[:half], kinds[:half])
        guesses = [int((seconds > cut) == sign) for seconds in times[half:]]
        right = sum(a == b for a, b in zip(guesses, kinds[half:], strict=True))
        accuracy = right / (len(kinds) - half)
        return Transcript(
            succeeded=accuracy >= 0.6,  # noqa: PLR2004 - chance and a tenth
            queries=len(kinds) * self.repeats,
            facts={"accuracy": accuracy, "seconds": mean(times)},
        )

    def _times(self, target: ServedModel, kinds: list[int]) -> list[float]:
        """The middle of the times of each input; a few are in flight at once."""
        calls = [self._call(target, kind) for kind in kinds]
        rounds = []
        for _ in range(self.repeats):
            answers = [
                answer
                for start in range(0, len(calls), self.at_once)
                for answer in target.door.together(calls[start : start + self.at_once])
            ]
            rounds.append([answer.seconds for answer in answers])
        return [median(times) for times in zip(*rounds, strict=True)]

    def _call(self, target: ServedModel, kind: int) -> Call:
        row = self.slow if kind else self.quick
        top: dict[str, Any] = json.loads(target.sample)
        top["inputs"][0] |= {"shape": [1, len(row)], "data": list(row)}
        return json_call(target.path, json.dumps(top).encode())


def _best_cut(times: Sequence[float], kinds: Sequence[int]) -> tuple[float, bool]:
    """The cut that divides best, and whether the second kind is above it.

    Of cuts that divide as well the one in the widest gap is taken: times wander a little, and a
    cut beside one of them would soon lie on its wrong side.
    """
    ordered = sorted(times)
    gaps = [((low + high) / 2, high - low) for low, high in pairwise(ordered)]
    options = [(cut, sign, gap) for cut, gap in gaps for sign in (True, False)]

    def worth(option: tuple[float, bool, float]) -> tuple[int, float]:
        cut, sign, gap = option
        right = sum(
            int((seconds > cut) == sign) == kind for seconds, kind in zip(times, kinds, strict=True)
        )
        return right, gap

    cut, sign, _ = max(options, key=worth)
    return cut, sign
