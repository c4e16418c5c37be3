"""VD-2: versions overwritten, rolled back, frozen and mixed by whoever writes to the store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from hauberk.attacks.registry.overwrite_version import OverwriteVersion
from hauberk.attacks.registry.replace_version import ReplaceVersion
from hauberk.controls.registry.unverified_channel import UnverifiedChannel
from hauberk.controls.registry.unverified_release import UnverifiedRelease
from hauberk.core.artifact import RegistryEntry
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.ex_7 import NOTE, play
from hauberk.range.worlds.registry import Project, entry

VD_2 = ThreatId("VD-2")
CONTROL = UnverifiedRelease()
WAYS = {
    "tampered blob": "tamper",
    "rollback": "rollback",
    "mix and match": "mix",
}


def honest(seed: int) -> RegistryEntry:
    """A registry whose channel names the newest of two releases."""
    rng = Random(seed)
    project = Project(name="loans")
    older = project.publish(rng, 1)
    return entry(project, project.publish(rng, 2), seen=2, others={"older": older})


def _play(way: str, seed: int) -> Trial:
    clean = honest(seed)
    attacked = OverwriteVersion(way=way).apply(clean, Random(seed)).subject
    alarm = alarmed(CONTROL, clean)
    return Trial(
        values={"refused": denied(CONTROL, attacked), "false_refusals": alarm},
        potent=_differs(clean, attacked),
        false_alarm=float(alarm),
    )


def _differs(clean: RegistryEntry, attacked: RegistryEntry) -> bool:
    """Whether a client that checks nothing would take other bytes."""
    import json

    paths = ["release", "statements"]
    paths.extend(f"blobs/{digest}" for digest in json.loads(clean.read("statements")))
    return any(clean.read(path) != attacked.read(path) for path in paths)


def _scenario(strength: str, play: Callable[[int], Trial]) -> Scenario:
    first = ("false_refusals", ""), ("refused", strength)
    return Scenario(
        threat=VD_2,
        attack=OverwriteVersion(way=WAYS[strength]),
        control=CONTROL,
        play=play,
        parts=first if strength == "tampered blob" else (("refused", strength),),
        note="a client that follows the name alone takes what the store serves",
    )


SCENARIOS = (
    *(_scenario(strength, partial(_play, way)) for strength, way in WAYS.items()),
    Scenario(
        threat=VD_2,
        attack=ReplaceVersion(way="freeze"),
        control=UnverifiedChannel(),
        play=partial(play, "freeze"),
        parts=(("refused", "freeze"),),
        note=f"in a registry, whose timestamp lasts a day, against new clients; {NOTE}",
    ),
)
