"""RG-1: a channel's name moved by somebody who holds one of two keys."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.registry.move_alias import WAYS, MoveAlias
from hauberk.controls.registry.unverified_channel import UnverifiedChannel
from hauberk.controls.registry.unverified_release import UnverifiedRelease
from hauberk.core.artifact import RegistryEntry
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.rg_2 import played
from hauberk.range.worlds.registered import ready
from hauberk.range.worlds.registry import Project, entry

RG_1 = ThreatId("RG-1")
CONTROL = UnverifiedRelease()
ATTACK = MoveAlias()
CELLS = tuple(
    (role, action)
    for role in ("one person", "trainer")
    for action in ("promote", "roll-back", "grant", "lower-threshold", "rotate-root")
)


def honest(project: Project, rng: Random) -> RegistryEntry:
    """A registry whose production channel names the newest release of two."""
    others = {
        "older": project.publish(rng, 1),
        "staged": project.publish(rng, 3, channel="staging"),
        "foreign": Project(name="other").publish(rng, 2),
    }
    return entry(project, project.publish(rng, 2), seen=2, others=others)


def _play(seed: int) -> Trial:
    return _in_a_registry(seed // 2) if seed % 2 else _in_a_store(seed // 2)


def _in_a_registry(seed: int) -> Trial:
    """By hand in a registry with signed metadata, with the keys of one role."""
    cell = CELLS[seed % len(CELLS)]
    world, _ = ready(seed)
    alarm = alarmed(UnverifiedChannel(), world.entry())
    return Trial(
        values={"refused": not played(seed, cell, guarded=True), "false_refusals": alarm},
        potent=played(seed, cell, guarded=False),
        false_alarm=float(alarm),
    )


def _in_a_store(seed: int) -> Trial:
    rng = Random(seed)
    project = Project(name="loans")
    clean = honest(project, rng)
    way = tuple(WAYS)[seed % len(WAYS)]
    attack = replace(ATTACK, way=way, key=project.owners[seed % 2])
    attacked = attack.apply(clean, rng).subject
    served = {path: attacked.read(path) for path in ("release", "statements")}
    return Trial(
        values={
            "refused": denied(CONTROL, attacked),
            "false_refusals": alarmed(CONTROL, clean),
        },
        potent=any(data != clean.read(path) for path, data in served.items()),
        false_alarm=float(alarmed(CONTROL, clean)),
    )


SCENARIOS = (
    Scenario(
        threat=RG_1,
        attack=ATTACK,
        control="a reader of releases, or of a registry",
        play=_play,
        parts=(("refused", ""), ("false_refusals", "")),
        note="eleven ways to move a name in a store of releases and ten in a registry, in turn: "
        "promotion, rollback, further approvers, a lower threshold and other rules, by one of two "
        "persons and by the trainer; a client that follows the name alone takes what it points at",
    ),
)
