"""Attacks: functions from an artifact to an artifact, and what the range makes of them.

An attack is written against a threat, from the literature or an incident, never against
our control; only ``range/`` loads it. Its id follows from its path as a control's does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from hauberk.core.control import id_of

if TYPE_CHECKING:
    from random import Random

    from hauberk.core.threat import Comparison, ThreatId

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked(Generic[S]):
    """What an attack left behind.

    Attributes:
        subject: The attacked twin.
        rows: Attacked row numbers in landed order, for row-level figures.
        truth: Further facts the range scores against: planted lines, the class pair.
    """

    subject: S
    rows: tuple[int, ...] = ()
    truth: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What an interactive attack did and got.

    Attributes:
        succeeded: Whether the attacker reached the goal.
        queries: Calls made to the target.
        facts: What else the range needs to score it.
    """

    succeeded: bool
    queries: int
    facts: Mapping[str, Any] = field(default_factory=dict)


class Attack(ABC):
    """What all attacks say of themselves.

    Attributes:
        title: The deed as an imperative.
        threats: Threats of the catalogue that it demonstrates.
        subject: Type that it changes or plays against.
    """

    title: ClassVar[str]
    threats: ClassVar[tuple[ThreatId, ...]]
    subject: ClassVar[Any]

    @property
    def id(self) -> str:
        """``subject/deed``, from the path of the module."""
        return id_of(type(self))


class Transform(Attack, Generic[S]):
    """An attack that changes an artifact."""

    __slots__ = ()

    @abstractmethod
    def apply(self, subject: S, rng: Random) -> Attacked[S]:
        """The attacked twin of ``subject``; the same seed gives the same twin."""


class Play(Attack, Generic[S]):
    """An attack that talks to a target: an oracle, a world, a real door."""

    __slots__ = ()

    @abstractmethod
    def play(self, target: S, rng: Random) -> Transcript:
        """Attack ``target`` within the budget given by the attack's parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One measured part of a threat's figure.

    Attributes:
        potency: Share of trials in which the attack works with the control off; a row with
            a potency below what the scenario demands is void.
        value: The measured value; ``None`` where the row is void.
        interval: One-sided 95 % exact bounds as (low, high).
        false_alarm_rate: On the clean twins of the same trials, with its upper bound.
        met: ``True``/``False``, or ``None`` where the trials are too few to tell.
        trials: Independent trials of `unit`.
        state: ``met``, ``missed``, ``not enough trials`` or ``void``.
    """

    threat: ThreatId
    attack: str
    control: str
    metric: str
    comparison: Comparison
    target: float
    unit: str
    trials: int
    potency: float | None
    value: float | None
    interval: tuple[float, float] | None
    false_alarm_rate: float | None
    met: bool | None
    state: str
    seconds: float
    strength: str = ""
    note: str = ""
