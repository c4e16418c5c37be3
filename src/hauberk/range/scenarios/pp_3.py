"""PP-3: step code that turns foreign bytes, text or archives into actions."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from random import Random

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.attacks.code.reword_fault import RewordFault
from hauberk.attacks.model.plant_payload import PlantPayload
from hauberk.controls.code.code_execution import CodeExecution
from hauberk.controls.code.insecure_downloads import InsecureDownloads
from hauberk.controls.code.unpinned_models import UnpinnedModels
from hauberk.controls.code.unsafe_deserialization import UnsafeDeserialization
from hauberk.core.artifact import ModelFile
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.loaders import opens
from hauberk.scanner import scan

ATTACK = PlantFault(groups=("load", "hub", "run", "get"))
CONTROLS = (CodeExecution(), InsecureDownloads(), UnpinnedModels(), UnsafeDeserialization())


def _opened(seed: int) -> Trial:
    """A file with a payload in a folder of data: scanned, then opened by a victim."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clean = ModelFile(name="data.bin", path=folder / "data.bin")
        attacked = PlantPayload().apply(clean, Random(seed))
        canary = Path(attacked.truth["canary"])
        scan([folder], today=date(2026, 1, 1))
        fired = canary.exists()
        opens(attacked.subject.path, attacked.truth["loader"])
        return Trial(values={"canaries_fired": float(fired)}, potent=canary.exists())


SCENARIOS = (
    Scenario(
        threat=ThreatId("PP-3"),
        attack="payload files",
        control="hauberk scan",
        play=_opened,
        parts=(("canaries_fired", ""),),
        note="pickles, arrays, archives and containers of both, drawn from all kinds known to the "
        "range; potent where a victim who opens the file leaves the canary",
    ),
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
