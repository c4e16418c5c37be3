"""OU-4: payloads that the model repeats, read by small systems behind it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hauberk.attacks.exchange.inject_output import InjectOutput, payloads
from hauberk.controls.exchange.active_outputs import ActiveOutputs
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import clients, guarded
from hauberk.range.worlds.lenient import LenientDoor, repeat

ATTACK = InjectOutput()
CONTROL = ActiveOutputs()
OK = 200


@cache
def _n_payloads() -> int:
    return sum(1 for _ in payloads())


def _injected(seed: int) -> Trial:
    """One payload; consecutive seeds send consecutive ones."""
    one = replace(ATTACK, first=seed % _n_payloads(), count=1)
    shielded = guarded.Audience(door=guarded.parrot().door)
    bare = guarded.Audience(door=LenientDoor(model=repeat))
    return Trial(
        values={"payloads_active": one.play(shielded, Random(seed)).succeeded},
        potent=one.play(bare, Random(seed)).succeeded,
    )


def _honest(seed: int) -> Trial:
    call, _ = clients.ask_parrot(Random(seed))
    answer = guarded.parrot().door.call(call)
    return Trial(values={"false_refusals": answer.status != OK})


SCENARIOS = (
    Scenario(
        threat=ThreatId("OU-4"),
        attack=ATTACK,
        control=CONTROL,
        play=_injected,
        parts=(("payloads_active", ""),),
        note="seven sinks: the real shell, and small readers for the others; a test shows the "
        "web page's payloads to a headless browser",
    ),
    Scenario(
        threat=ThreatId("OU-4"),
        attack="honest outputs",
        control=CONTROL,
        play=_honest,
        parts=(("false_refusals", ""),),
        note="everyday texts with marks that mean something in each sink",
    ),
)
