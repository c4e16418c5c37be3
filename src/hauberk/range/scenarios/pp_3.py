"""PP-3: step code that turns foreign bytes, text or archives into actions."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.controls.code.code_execution import CodeExecution
from hauberk.controls.code.insecure_downloads import InsecureDownloads
from hauberk.controls.code.unpinned_models import UnpinnedModels
from hauberk.controls.code.unsafe_deserialization import UnsafeDeserialization
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario

ATTACK = PlantFault(groups=("load", "hub", "run", "get"))
CONTROLS = (CodeExecution(), InsecureDownloads(), UnpinnedModels(), UnsafeDeserialization())

SCENARIOS = (
    Scenario(
        threat=ThreatId("PP-3"),
        attack=ATTACK,
        control=CONTROLS[3],
        play=planted(CONTROLS, ATTACK, "detected"),
        parts=(("detected", ""),),
        note="28 kinds known to the rules, judged by the four controls over loading, hubs, "
        "execution and downloads together; the false alarm is the honest twin of the same file",
    ),
)
