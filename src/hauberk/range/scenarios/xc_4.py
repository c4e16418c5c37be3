"""XC-4: inputs searched for the work that they make, against a model that stops early."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import median

from hauberk.attacks.exchange.soak_compute import SoakCompute
from hauberk.controls.exchange.costly_inputs import CostlyInputs
from hauberk.core.threat import ThreatId
from hauberk.formats.http import Answer, Call
from hauberk.guard.policy import GuardPolicy
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import clients, guarded
from hauberk.range.worlds.guarded import Guarded

ATTACK = SoakCompute()
SHARE = 0.05
BURST_S = 0.02
PACE_S = 0.002
"""The attacker sends five hundred requests a second."""

CONTROL = CostlyInputs(share=SHARE, burst_s=BURST_S)
HONEST_PACE_S = 0.02
OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paced:
    """A door that takes the world's time with it, and notes the model's processor time."""

    world: Guarded
    spent: list[float]

    def call(self, call: Call) -> Answer:
        self.world.clock.now += PACE_S
        answer = self.world.door.call(call)
        if answer.status == OK:
            self.spent.append(self.world.service.answers.last_s)  # type: ignore[attr-defined]  # a model in this process
        return answer

    def together(self, calls: Iterable[Call]) -> tuple[Answer, ...]:
        return tuple(self.call(call) for call in calls)


@cache
def _world(share: float, burst_s: float) -> Guarded:
    return guarded.early_exit(
        GuardPolicy(
            rate_per_s=1e9, burst=1e9, compute_share=share, compute_burst_s=burst_s, slow_s=1e-6
        )
    )


def _attacked(world: Guarded, seed: int) -> tuple[float, float, float, bool]:
    """Model time spent, the dearest run, the time that passed, and whether it worked."""
    world.clock.now += 1e6  # the last attacker is long gone
    began = world.clock.now
    spent: list[float] = []
    door = _Paced(world=world, spent=spent)
    ATTACK.play(guarded.as_target(door), Random(seed))
    usual = median(spent[: ATTACK.population * 2] or [0.0])
    found = median(spent[-ATTACK.floods :] or [0.0])
    worked = found >= ATTACK.times * usual
    return sum(spent), max(spent, default=0.0), world.clock.now - began, worked


def _sponge(seed: int) -> Trial:
    total, dearest, seconds, _ = _attacked(_world(SHARE, BURST_S), seed)
    within = total <= SHARE * seconds + BURST_S + dearest
    open_total, _, open_s, found = _attacked(_world(1e9, 1e9), seed)
    potent = found and open_total > 2 * (SHARE * open_s + BURST_S)
    return Trial(values={"within_budget": within}, potent=potent)


@cache
def _default() -> Guarded:
    return guarded.early_exit(GuardPolicy())


def _honest(seed: int) -> Trial:
    """One request at an honest pace under the default policy."""
    world = _default()
    world.clock.now += HONEST_PACE_S
    answer = world.door.call(clients.ask_classifier(Random(seed)))
    return Trial(values={"false_refusals": answer.status != OK})


SCENARIOS = (
    Scenario(
        threat=ThreatId("XC-4"),
        attack=ATTACK,
        control=CONTROL,
        play=_sponge,
        parts=(("within_budget", ""),),
        note="genetic search for dear inputs of a model with up to 70 blocks that stops early; "
        "the model's time against share times elapsed time, burst and the one run "
        "that incurs the debt; potent where the dearest input takes the model three times the "
        "usual time and the attacker takes twice that budget with the control off",
        timed=True,
    ),
    Scenario(
        threat=ThreatId("XC-4"),
        attack="honest requests",
        control=CostlyInputs(),
        play=_honest,
        parts=(("false_refusals", ""),),
        note="fifty requests a second of 1 to 40 rows to the same model, default policy",
        timed=True,
    ),
)
