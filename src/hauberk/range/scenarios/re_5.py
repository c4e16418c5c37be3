"""RE-5: comments and settings that tell where valuable systems are."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.controls.code.told_places import ToldPlaces
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted, precise
from hauberk.range.scenario import Scenario

ATTACK = PlantFault(groups=("place",))
CONTROL = ToldPlaces()

_TELLING = frozenset({".dvc/config", "params.yaml", "src/loaders.py"})
"""Files of the clean project that name a bucket or an inner host themselves."""

SCENARIOS = (
    Scenario(
        threat=ThreatId("RE-5"),
        attack=ATTACK,
        control=CONTROL,
        play=planted((CONTROL,), ATTACK, "recall"),
        parts=(("recall", ""),),
        note="six kinds known to the rules, names and numbers drawn by seed",
    ),
    Scenario(
        threat=ThreatId("RE-5"),
        attack=ATTACK,
        control=CONTROL,
        play=precise((CONTROL,), ATTACK, "precision", without=_TELLING),
        parts=(("precision", ""),),
        note="one finding drawn from those over a small project, five planted places and as many "
        "honest twins; kinds known to the rules",
    ),
)
