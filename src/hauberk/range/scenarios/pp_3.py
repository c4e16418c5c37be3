"""PP-3: step code that turns foreign bytes, text or archives into actions."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.attacks.code.reword_fault import RewordFault
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
    Scenario(
        threat=ThreatId("PP-3"),
        attack=RewordFault(),
        control=CONTROLS[3],
        play=planted(CONTROLS, RewordFault(), "detected"),
        parts=(("detected", "unseen wording"),),
        note="23 calls under 10 ways of naming them in 13 places, drawn by a grammar that was "
        "written before the rules met it; at that first sight 181 of 200 were told and no twin, "
        "then class attributes that hold functions were followed; archives of unknown kind "
        "stay missed",
    ),
)
