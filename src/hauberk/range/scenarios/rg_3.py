"""RG-3: retired versions brought back by old states, automations and new names."""

from __future__ import annotations

from random import Random

from hauberk.attacks.registry.revive_version import WAYS, ReviveVersion
from hauberk.controls.registry.unverified_channel import UnverifiedChannel
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.revived import honest, revived

CONTROL = UnverifiedChannel()


def _play(seed: int) -> Trial:
    attack = ReviveVersion(way=tuple(WAYS)[seed % len(WAYS)])
    bare = attack.play(revived(seed, guarded=False), Random(seed))
    guarded = attack.play(revived(seed, guarded=True), Random(seed))
    alarm = alarmed(CONTROL, honest(seed))
    return Trial(
        values={"served": guarded.succeeded, "false_refusals": alarm},
        potent=bare.succeeded,
        false_alarm=float(alarm),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("RG-3"),
        attack=ReviveVersion(),
        control=CONTROL,
        play=_play,
        parts=(("served", "revoked or expired"), ("false_refusals", "")),
        note="six ways in turn, over eight registries: states from before the retirement for old "
        "and new clients, an automation that goes back after a crash or publishes the same bytes "
        "anew; a client that follows the name takes what it leads to",
    ),
)
