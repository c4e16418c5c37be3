"""SV-6: requests that cost the server more than the sender, and honest ones in between."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hauberk.attacks.exchange.exhaust_server import ExhaustServer
from hauberk.controls.exchange.oversized_requests import OversizedRequests
from hauberk.core.threat import ThreatId
from hauberk.guard.policy import GuardPolicy
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import clients, flooded, guarded
from hauberk.range.worlds.lenient import LenientDoor

ATTACK = ExhaustServer()
CONTROL = OversizedRequests()
OK = 200
FLOOD_S = 4.0
IN_TIME_S = 0.005
HONEST_PACE_S = 0.02
"""Fifty requests a second from one client."""


@cache
def _n_loads() -> int:
    return sum(1 for _ in ATTACK.loads(guarded.as_target(LenientDoor()), Random(0)))


def _hostile(seed: int) -> Trial:
    """One request; consecutive seeds send consecutive ones."""
    one = replace(ATTACK, first=seed % _n_loads(), count=1)
    heard = one.play(guarded.as_target(guarded.classifier().door), Random(seed))
    potent = one.play(guarded.as_target(LenientDoor()), Random(seed)).succeeded
    return Trial(
        values={
            "refused": not heard.succeeded,
            "in_time": max(heard.facts["processor_s"]) <= IN_TIME_S,
        },
        potent=potent,
    )


def _honest(seed: int) -> Trial:
    """One request at an honest pace under the default budget."""
    world = guarded.classifier(GuardPolicy())
    world.clock.now += HONEST_PACE_S
    answer = world.door.call(clients.ask_classifier(Random(seed)))
    return Trial(values={"false_refusals": answer.status != OK})


def _flooded(seed: int) -> Trial:
    """One server with one honest client, alone and beside an attacker with a key."""
    alone, during = (found[int(len(found) * 0.99)] for found in flooded.waits(seed, FLOOD_S))
    return Trial(values={"p99_latency_ratio": during / alone})


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-6"),
        attack=ATTACK,
        control=CONTROL,
        play=_hostile,
        parts=(("refused", ""), ("in_time", "5 ms")),
        note="budgets opened, so that limits alone refuse; time is the processor's, without "
        "the transport; trickling connections are tested over real sockets",
    ),
    Scenario(
        threat=ThreatId("SV-6"),
        attack="honest requests",
        control=CONTROL,
        play=_honest,
        parts=(("false_refusals", ""),),
        note="one client, fifty requests a second of 1 to 40 rows, default budget",
    ),
    Scenario(
        threat=ThreatId("SV-6"),
        attack="twenty connections of large, deep and many-headed requests",
        control=CONTROL,
        play=_flooded,
        parts=(("p99_latency_ratio", "during an attack"),),
        timed=True,
        trials=9,
        note="a real server of one process, default policy; an honest client asks for one row a "
        "hundred times a second; the attacker's process shares the machine's processors",
    ),
)
