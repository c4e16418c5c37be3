"""SV-8: a model says what the systems behind it run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hauberk.attacks.exchange.hijack_output import HijackOutput, payloads
from hauberk.controls.exchange.broken_contracts import BrokenContracts
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import products

SV_8 = ThreatId("SV-8")
ATTACK = HijackOutput()
CONTROL = BrokenContracts()
OK = 200


@cache
def _n_payloads() -> int:
    return sum(1 for _ in payloads())


def _hijacked(seed: int) -> Trial:
    """One payload; consecutive seeds send consecutive ones."""
    one = replace(ATTACK, first=seed % _n_payloads(), count=1)
    shielded = products.Careless(door=products.guarded())
    bare = products.Careless(door=products.bare())
    return Trial(
        values={"payloads_active": one.play(shielded, Random(seed)).succeeded},
        potent=one.play(bare, Random(seed)).succeeded,
    )


def _honest(seed: int) -> Trial:
    call, _ = products.ask_honestly(Random(seed))
    return Trial(values={"false_refusals": products.guarded().call(call).status != OK})


SCENARIOS = (
    Scenario(
        threat=SV_8,
        attack=ATTACK,
        control=CONTROL,
        play=_hijacked,
        parts=(("payloads_active", ""),),
        trials=_n_payloads(),
        note="over HTTP through the chat guard, before a model that says what it is told; SQLite "
        "and the shell are real, template, file, address and tool are small careless systems",
    ),
    Scenario(
        threat=SV_8,
        attack="honest answers",
        control=CONTROL,
        play=_honest,
        parts=(("false_refusals", ""),),
        note="statements, command lines, letters, paths, addresses and calls as products use them",
    ),
)
