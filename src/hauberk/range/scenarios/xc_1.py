"""XC-1: a thief with one key of three persons, before and after the key is revoked."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from hauberk.attacks.registry.exceed_role import ExceedRole
from hauberk.controls.registry.unverified_channel import UnverifiedChannel
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.rg_2 import Seat
from hauberk.range.worlds.registered import N_WORLDS, World, ready
from hauberk.trust.keys import KeyPair, Label, generate
from hauberk.trust.registry import people
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.founding import Holder, Office
from hauberk.trust.registry.names import parse_reference

XC_1 = ThreatId("XC-1")
CONTROL = UnverifiedChannel()
ACTIONS = ("promote", "roll-back", "grant", "lower-threshold", "rotate-root")
"""What a thief wants: another version in production, or more rights."""


@lru_cache(maxsize=N_WORLDS)
def _governed(number: int) -> tuple[World, KeyPair]:
    """A registry of three persons, whose version in production two of them promoted."""
    world, _ = ready(number, versions=3, promoted=0)
    third = generate()
    label = Label(machine="m-cleo", custodian="cleo")
    holder = Holder(public=third.public, label=label, office=Office.PERSON)
    people.grant(world.writer(world.keys.ada), holder)
    second = world.writer(world.keys.bob)
    people.sign_drafts(second, people.drafts(second))
    world.promote("1", world.keys.ada, third)
    return world, third


def _works(world: World, hands: tuple[KeyPair, ...], seed: int) -> bool:
    """Whether what the keys sign by hand works on a client that has looked before."""
    memory = VolatileMemory()
    for wanted in ("loans@1", "loans@2", "loans@production"):
        world.view(memory).resolve(parse_reference(wanted))
    seat = Seat(world.clone(), (*hands, *world.keys.online), guarded=True, memory=memory)
    attack = ExceedRole(action=ACTIONS[seed % len(ACTIONS)])
    return attack.play(seat, Random(seed)).succeeded


def _stolen(seed: int) -> Trial:
    world, third = _governed(seed % N_WORLDS)
    persons = (world.keys.ada, world.keys.bob, third)
    first = (seed // len(ACTIONS)) % len(persons)
    thief, other = persons[first], persons[first - 1]
    return Trial(
        values={"refused": not _works(world, (thief,), seed)},
        potent=_works(world, (thief, other), seed),
    )


def _revoked(seed: int) -> Trial:
    before, third = _governed(seed % N_WORLDS)
    world = before.clone()
    world.revoke(third)
    accomplice = (world.keys.ada, world.keys.bob)[seed % 2]
    alarm = alarmed(CONTROL, world.entry())
    return Trial(
        values={"refused": not _works(world, (third, accomplice), seed), "false_refusals": alarm},
        potent=_works(before, (third, accomplice), seed),
        false_alarm=float(alarm),
    )


_NOTE = (
    "registries of three persons with threshold two; the online keys are stolen with it; "
    f"{', '.join(ACTIONS)} in turn, by metadata written past the registry's commands"
)
SCENARIOS = (
    Scenario(
        threat=XC_1,
        attack=ExceedRole(),
        control="a reader of the registry",
        play=_stolen,
        parts=(("refused", "one key of three"),),
        note=f"{_NOTE}; potent where two of the three do the same",
    ),
    Scenario(
        threat=XC_1,
        attack=ExceedRole(),
        control=CONTROL,
        play=_revoked,
        parts=(("refused", "after rotation"), ("false_refusals", "after rotation")),
        note=f"{_NOTE}; the revoked key together with a valid one, which worked before; the "
        "version in production had been promoted with the revoked key",
    ),
)
