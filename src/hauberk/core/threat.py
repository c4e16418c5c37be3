"""Threats and their targets: what the catalogue is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from hauberk.core.identity import ThreatId as ThreatId  # noqa: PLC0414 - told on

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hauberk.core.lifecycle import Component, Stage


class Mode(StrEnum):
    """How a control answers: it refuses every time, or it gives a score with a rate."""

    REFUSE = "refuse"
    RATE = "rate"


class Kind(StrEnum):
    """What may be expected of the controls of a threat; shown wherever the threat is shown."""

    PREVENTIVE = "preventive"
    DETECTIVE = "detective"
    ADVISORY = "advisory"
    EXPERIMENTAL = "experimental"


class Comparison(StrEnum):
    """How a measured value is held against its target."""

    AT_LEAST = ">="
    AT_MOST = "<="


class Statistic(StrEnum):
    """How the independent trials of a part become one value with an exact interval.

    ``SHARE``: each trial succeeds or not; the share of successes, Clopper-Pearson bounds.
    ``MEDIAN``: each trial gives a number; the median, bounds from order statistics.
    """

    SHARE = "share"
    MEDIAN = "median"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacker:
    """Who attacks and what that attacker holds; figures hold for this attacker only.

    Attributes:
        id: Short name, hyphenated.
        title: The name a reader sees.
        holds: What the attacker controls, and by silence what not.
    """

    id: str
    title: str
    holds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One part of what a threat's figure must reach.

    Attributes:
        metric: Name of the measured quantity, the same as in the range's results.
        comparison: Direction of the target.
        value: The target, in the unit of the metric; rates run from 0 to 1.
        unit: What one trial is: ``seed``, ``case``, ``file``, ``client`` ...; never a row.
        trials: Smallest number of independent trials with which the part can be met.
        false_alarm_rate: Largest false-alarm rate at which the value counts, 0 to 1.
        attack: Id of the attack that measures it, if one is fixed.
        control: Id of the control that it is measured on, if one is fixed.
        strength: The attack's strength in words (``10 % of labels``).
        statistic: How trials become one value.
    """

    metric: str
    comparison: Comparison
    value: float
    unit: str
    trials: int
    false_alarm_rate: float | None = None
    attack: str | None = None
    control: str | None = None
    strength: str | None = None
    statistic: Statistic = Statistic.SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """One attack surface of the lifecycle, as data.

    Attributes:
        references: Framework name to ids: ``atlas``, ``owasp_ml``, ``owasp_llm``, ``nist``.
        targets: The parts of the figure; the threat is met when every part is.
        reported: What is published as measured, without a target, and what is out of reach.
        atlas_loose: Whether ATLAS has no technique that really names the threat.
    """

    id: ThreatId
    title: str
    stage: Stage
    component: Component
    description: str
    mode: Mode
    kind: Kind
    attacker: Attacker
    owner: str
    scenario: str
    control: str
    artifact: str
    targets: tuple[Target, ...]
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reported: str = ""
    atlas_loose: bool = False
