"""IN-4: requests that mean more than one thing, sent to the guarded and to a lenient server."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hauberk.attacks.exchange.smuggle_fields import SmuggleFields, variants
from hauberk.controls.exchange.smuggled_fields import SmuggledFields
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import clients, guarded
from hauberk.range.worlds.lenient import LenientDoor

ATTACK = SmuggleFields()
CONTROL = SmuggledFields()
OK = 200


@cache
def _n_variants() -> int:
    return sum(1 for _ in variants(guarded.as_target(LenientDoor()), Random(0)))


def _smuggled(seed: int) -> Trial:
    """One variant; consecutive seeds send consecutive ones."""
    one = replace(ATTACK, first=seed % _n_variants(), count=1)
    refused = not one.play(guarded.as_target(guarded.classifier().door), Random(seed)).succeeded
    potent = one.play(guarded.as_target(LenientDoor()), Random(seed)).succeeded
    return Trial(values={"refused": refused}, potent=potent)


def _honest(seed: int) -> Trial:
    answer = guarded.classifier().door.call(clients.ask_classifier(Random(seed)))
    return Trial(values={"false_refusals": answer.status != OK})


SCENARIOS = (
    Scenario(
        threat=ThreatId("IN-4"),
        attack=ATTACK,
        control=CONTROL,
        play=_smuggled,
        parts=(("refused", ""),),
        note="through the guard's whole application; potent where a server made like common "
        "serving stacks answers or breaks",
    ),
    Scenario(
        threat=ThreatId("IN-4"),
        attack="honest requests",
        control=CONTROL,
        play=_honest,
        parts=(("false_refusals", ""),),
        note="flat, nested and raw tensors of 1 to 40 rows inside the schema",
    ),
)
