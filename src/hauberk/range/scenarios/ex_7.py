"""EX-7: a model exchanged in the registry before it is deployed."""

from __future__ import annotations

from functools import partial
from random import Random

from hauberk.attacks.registry.replace_version import ReplaceVersion
from hauberk.controls.registry.unverified_channel import UnverifiedChannel
from hauberk.core.artifact import RegistryEntry
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.registered import MODEL, ready
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.names import parse_reference

CONTROL = UnverifiedChannel()
WAYS = {"swap": "swap", "mix and match": "mix", "rollback": "rollback", "freeze": "freeze"}
NOTE = (
    "eight registries of two versions, both promoted by two persons; the attacker kept the state "
    "from before the second, and a client that follows names alone takes what they lead to"
)


def entries(seed: int) -> RegistryEntry:
    """What a client asks for that has seen the newest version in production."""
    world, rng = ready(seed, versions=1)
    world.keep()
    world.publish(world.release(rng, 2))
    world.promote("2")
    memory = VolatileMemory()
    world.view(memory).resolve(parse_reference(f"{MODEL}@production"))
    return world.entry(memory=memory)


def play(way: str, seed: int) -> Trial:
    """One registry attacked in one way, beside its honest twin."""
    clean = entries(seed)
    attacked = ReplaceVersion(way=way).apply(clean, Random(seed)).subject
    alarm = alarmed(CONTROL, clean)
    return Trial(
        values={"refused": denied(CONTROL, attacked), "false_refusals": alarm},
        potent=served(clean) != served(attacked),
        false_alarm=float(alarm),
    )


def served(entry: RegistryEntry) -> dict[str, bytes]:
    """What a client takes that reads the names of today without checking anything."""
    import json

    timestamp = entry.read("metadata/timestamp.json")
    version = json.loads(timestamp)["signed"]["meta"]["snapshot.json"]["version"]
    snapshot = entry.read(f"metadata/{version}.snapshot.json")
    found = {"timestamp": timestamp, "snapshot": snapshot}
    for file, meta in json.loads(snapshot)["signed"]["meta"].items():
        name = f"metadata/{meta['version']}.{file}"
        found[name] = entry.read(name)
        for path, target in json.loads(found[name])["signed"]["targets"].items():
            found |= _named(entry, path, target)
    return found


def _named(entry: RegistryEntry, path: str, target: dict[str, dict[str, str]]) -> dict[str, bytes]:
    import json

    folder, _, name = path.rpartition("/")
    data = entry.read(f"targets/{folder}/{target['hashes']['sha256']}.{name}")
    said = json.loads(data)
    held = [f"blobs/{one['digest']}" for one in said.get("files", {}).values()]
    if said.get("release"):
        held.append(f"blobs/{said['release']}")
    return {path: data, **{blob: entry.read(blob) for blob in held}}


SCENARIOS = tuple(
    Scenario(
        threat=ThreatId("EX-7"),
        attack=ReplaceVersion(way=way),
        control=CONTROL,
        play=partial(play, way),
        parts=(
            (("refused", strength), ("false_refusals", ""))
            if strength == "swap"
            else (("refused", strength),)
        ),
        note=NOTE,
    )
    for strength, way in WAYS.items()
)
