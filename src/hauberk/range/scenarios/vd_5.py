"""VD-5: lineages forged by whoever holds the store and one of two keys."""

from __future__ import annotations

from random import Random

from hauberk.attacks.registry.forge_lineage import WAYS, ForgeLineage
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.datasets import CONTROL, copy_of
from hauberk.range.worlds.lineages import NAME, TAG, Client, warehouse

VD_5 = ThreatId("VD-5")


def _client(seed: int, *, guarded: bool) -> Client:
    house = warehouse(Random(seed))
    client = Client(house=copy_of(house), guarded=guarded, wanted=_wanted(seed))
    client.expected = client.lineage()
    return client


def _wanted(seed: int) -> str | None:
    """The tag is asked for where it is moved."""
    return TAG if _way(seed) == "move tag" else None


def _way(seed: int) -> str:
    return tuple(WAYS)[seed % len(WAYS)]


def _forged(seed: int) -> Trial:
    attack = ForgeLineage(way=_way(seed))
    bare = attack.play(_client(seed, guarded=False), Random(seed))
    guarded = attack.play(_client(seed, guarded=True), Random(seed))
    refused = bool(guarded.facts["refused"])
    return Trial(values={"refused": refused}, potent=bare.succeeded)


def _clean(seed: int) -> Trial:
    house = warehouse(Random(seed))
    alarms = [alarmed(CONTROL, house.entry(NAME, wanted)) for wanted in (None, "3")]
    return Trial(values={"false_refusals": any(alarms)}, false_alarm=float(any(alarms)))


SCENARIOS = (
    Scenario(
        threat=VD_5,
        attack=ForgeLineage(),
        control=CONTROL,
        play=_forged,
        parts=(("refused", ""),),
        note="eight ways in turn, each with keys and data of its own; the forger holds the store "
        "and one of two keys that have to sign",
    ),
    Scenario(
        threat=VD_5,
        attack="nobody",
        control=CONTROL,
        play=_clean,
        parts=(("false_refusals", ""),),
        note="three versions signed by both owners",
    ),
)
