"""Scenarios: how to play one trial of an attack against a control.

A scenario lives in ``range/scenarios/<threat id>.py``, lower case with an underscore
(``an_1.py``), as an entry of the tuple ``SCENARIOS``. Nothing registers it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hauberk import catalogue
from hauberk.core.attack import Attack
from hauberk.core.control import Control
from hauberk.core.threat import Target, ThreatId
from hauberk.errors import InternalError

FOLDER = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one independent trial gave.

    Attributes:
        values: Metric to what came of it: whether it succeeded, or a number, as the
            target's statistic asks. A success is what the metric's name says, so a high
            share of ``canaries_fired`` is bad.
        potent: Whether the attack works with the control off; ``None`` in a trial that
            attacks nothing because it only looks at clean subjects.
        false_alarm: What the control did to the clean twin: 1 for an alarm and 0 for
            none, or the share of clean rows flagged; ``None`` where no clean twin exists.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    potent: bool | None = None
    false_alarm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One attack against one control, and the parts of the figure that it measures.

    Attributes:
        attack: With the parameters that give it the strength named in the parts.
        control: With its parameters; a door that is no control is named in words.
        play: One trial. The seed is the only source of randomness, and each seed gives
            an independent trial of the unit that the targets name.
        parts: Metric and strength of each target that is measured; the strength is empty
            where the target has none.
        trials: Trials to play; 0 plays as many as the neediest target. Fewer where there are no
            more independent ones: a case that is played twice proves nothing new.
        min_potency: Share of trials in which the attack must work with the control off,
            0 to 1; below it all rows are void.
        note: What a reader of the figure must know: data, sizes, promotion from shadow.
        timed: Whether the values are measured by the clock, so that no seed repeats them.
    """

    threat: ThreatId
    attack: Attack | str
    control: Control | str
    play: Callable[[int], Trial]
    parts: tuple[tuple[str, str], ...]
    trials: int = 0
    min_potency: float = 0.9
    note: str = ""
    timed: bool = False

    @property
    def attack_id(self) -> str:
        """Id of the attack."""
        return self.attack if isinstance(self.attack, str) else self.attack.id

    @property
    def control_id(self) -> str:
        """Id of the control, or the door's name."""
        return self.control if isinstance(self.control, str) else self.control.id

    def targets(self) -> tuple[Target, ...]:
        """The catalogue's targets of the parts, in their order.

        Raises:
            InternalError: The catalogue has no such part.
        """
        known = {(part.metric, part.strength or ""): part for part in self._catalogued()}
        unknown = [part for part in self.parts if part not in known]
        if unknown:
            raise InternalError(
                "a scenario measures a part that the catalogue does not have",
                subject=f"range/scenarios: {self.threat}",
                expected="; ".join(map(str, known)),
                found="; ".join(map(str, unknown)),
                hint="name the parts as the catalogue does, or add the target there",
            )
        return tuple(known[part] for part in self.parts)

    def _catalogued(self) -> tuple[Target, ...]:
        return catalogue.threat(self.threat).targets


def scenarios(threats: Iterable[ThreatId]) -> Mapping[ThreatId, tuple[Scenario, ...]]:
    """The scenarios of ``threats``; those without any are left out.

    Raises:
        InternalError: A module has no ``SCENARIOS``, or one of another threat.
    """
    found = {threat_id: _of(threat_id) for threat_id in threats if has_scenario(threat_id)}
    return MappingProxyType(found)


def has_scenario(threat_id: ThreatId) -> bool:
    """Whether a module for the threat exists; imports nothing."""
    return (FOLDER / f"{_module(threat_id)}.py").is_file()


def _module(threat_id: ThreatId) -> str:
    return threat_id.lower().replace("-", "_")


def _of(threat_id: ThreatId) -> tuple[Scenario, ...]:
    name = f"hauberk.range.scenarios.{_module(threat_id)}"
    found: tuple[Scenario, ...] = getattr(importlib.import_module(name), "SCENARIOS", ())
    if not found or any(scenario.threat != threat_id for scenario in found):
        raise InternalError(
            "a scenario module holds the scenarios of one threat",
            subject=name,
            expected=f"SCENARIOS, each with threat {threat_id}",
            found=", ".join(scenario.threat for scenario in found) or "none",
        )
    return found
