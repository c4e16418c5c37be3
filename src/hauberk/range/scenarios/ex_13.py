"""EX-13: deployments that nobody in force has signed."""

from __future__ import annotations

from random import Random

from hauberk.attacks.registry.sign_without_right import SignWithoutRight
from hauberk.controls.registry.unverified_channel import UnverifiedChannel
from hauberk.core.artifact import RegistryEntry
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.ex_7 import served
from hauberk.range.worlds.registered import World, ready
from hauberk.trust.keys import KeyPair, Label, generate
from hauberk.trust.registry import founding, people

CONTROL = UnverifiedChannel()
UNSIGNED = ("unsigned-channel", "unsigned-metadata", "unsigned-release")
BY_KEY = ("channel-by-key", "upload-by-key", "release-by-key")


def _played(clean: RegistryEntry, attack: SignWithoutRight, seed: int) -> Trial:
    attacked = attack.apply(clean, Random(seed)).subject
    alarm = alarmed(CONTROL, clean)
    return Trial(
        values={"refused": denied(CONTROL, attacked), "false_refusals": alarm},
        potent=served(clean) != served(attacked),
        false_alarm=float(alarm),
    )


def _unsigned(seed: int) -> Trial:
    world, _ = ready(seed)
    way = UNSIGNED[seed % len(UNSIGNED)]
    return _played(world.entry(), SignWithoutRight(way=way), seed)


def _revoked(seed: int) -> Trial:
    """By a trainer's or a person's key that was revoked, or when the metadata has expired."""
    world, _ = ready(seed)
    thief = _second(world, founding.Office.TRAINER if seed % 2 else founding.Office.PERSON)
    world.revoke(thief)
    way = BY_KEY[seed % len(BY_KEY)]
    return _played(world.entry(), SignWithoutRight(way=way, key=thief), seed)


def _second(world: World, office: founding.Office) -> KeyPair:
    """Another key for an office, granted by both persons."""
    pair = generate()
    label = Label(machine="m-eve", custodian="eve")
    holder = founding.Holder(public=pair.public, label=label, office=office)
    people.grant(world.writer(world.keys.ada), holder)
    second = world.writer(world.keys.bob)
    people.sign_drafts(second, people.drafts(second))
    return pair


def _without_role(seed: int) -> Trial:
    """By genuine keys of other roles, and by a stranger's."""
    world, _ = ready(seed)
    keys = world.keys
    held = (keys.snapshot, keys.timestamp, keys.ada, generate())[seed % 4]
    way = BY_KEY[(seed // 4) % len(BY_KEY)]
    if held is keys.ada and way == "channel-by-key":
        way = "upload-by-key"  # one of the two persons; alone is RG-1's case
    return _played(world.entry(), SignWithoutRight(way=way, key=held), seed)


PLAYS = {
    "unsigned": _unsigned,
    "revoked or expired key": _revoked,
    "upload without role": _without_role,
}
SCENARIOS = tuple(
    Scenario(
        threat=ThreatId("EX-13"),
        attack=SignWithoutRight(),
        control=CONTROL,
        play=play,
        parts=(
            (("refused", strength), ("false_refusals", ""))
            if strength == "unsigned"
            else (("refused", strength),)
        ),
        note="three ways in turn over eight registries: the channel's statement, the version's "
        "manifest or metadata, the release itself; a client that checks no signature takes them",
    )
    for strength, play in PLAYS.items()
)
