"""RG-1: a channel's name moved by somebody who holds one of two keys."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.registry.move_alias import WAYS, MoveAlias
from hauberk.controls.registry.unverified_release import UnverifiedRelease
from hauberk.core.artifact import RegistryEntry
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.registry import Project, entry

RG_1 = ThreatId("RG-1")
CONTROL = UnverifiedRelease()
ATTACK = MoveAlias()


def honest(project: Project, rng: Random) -> RegistryEntry:
    """A registry whose production channel names the newest release of two."""
    others = {
        "older": project.publish(rng, 1),
        "staged": project.publish(rng, 3, channel="staging"),
        "foreign": Project(name="other").publish(rng, 2),
    }
    return entry(project, project.publish(rng, 2), seen=2, others=others)


def _play(seed: int) -> Trial:
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
        control=CONTROL,
        play=_play,
        parts=(("refused", ""), ("false_refusals", "")),
        note="eleven ways to move a name, in turn; a client that follows the name alone takes "
        "what it now points at",
    ),
)
