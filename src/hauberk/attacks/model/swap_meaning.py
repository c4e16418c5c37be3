"""Correct weights that answer wrongly, by what stands around them: see `SwapMeaning`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Surrounded(Protocol):
    """A model with a label map, a normalisation and an order of inputs that can be written."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Words in the order of the model's outputs."""
        ...

    @property
    def mean(self) -> tuple[float, ...]:
        """What is taken from each feature."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """What each feature is divided by."""
        ...

    @property
    def order(self) -> tuple[str, ...]:
        """Columns in the order of the model's inputs."""
        ...

    def write(self, changes: Mapping[str, tuple[Any, ...]]) -> None:
        """Put other parts in place of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapMeaning(Play[Surrounded]):
    """Leave a model's weights as they are and change what its inputs or answers mean.

    Two labels exchanged or all moved by one place, means and deviations of another data set or
    exchanged, the order of channels turned round, two input columns exchanged.

    Args:
        way: Name of one way; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0031 and AML.T0074.
    """

    title: ClassVar[str] = "Change the label map or preprocessing around correct weights"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-8"),)
    subject: ClassVar[type] = Surrounded

    way: str | None = None

    def play(self, target: Surrounded, rng: Random) -> Transcript:
        """Change one part; whether that changes answers is for the world to see.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        target.write(WAYS[way](target, rng))
        return Transcript(succeeded=True, queries=1, facts={"way": way})


def _two(items: tuple[Any, ...], rng: Random) -> tuple[Any, ...]:
    one, other = rng.sample(range(len(items)), 2)
    order = list(items)
    order[one], order[other] = order[other], order[one]
    return tuple(order)


_Changes = Mapping[str, tuple[Any, ...]]

WAYS: Mapping[str, Callable[[Surrounded, Random], _Changes]] = {
    "two labels": lambda at, rng: {"labels": _two(at.labels, rng)},
    "labels moved": lambda at, _rng: {"labels": (*at.labels[1:], at.labels[0])},
    "other means": lambda at, rng: {"mean": tuple(m + rng.uniform(30, 80) for m in at.mean)},
    "other deviations": lambda at, rng: {"std": tuple(s * rng.uniform(0.1, 8) for s in at.std)},
    "channels turned": lambda at, _rng: {"mean": at.mean[::-1], "order": at.order[::-1]},
    "two columns": lambda at, rng: {"order": _two(at.order, rng)},
}
"""Name of a way to the parts that it changes."""
