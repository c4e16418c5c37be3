"""RE-4: dependencies that can change behind the project."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.attacks.code.reword_fault import RewordFault
from hauberk.controls.code.dependency_policy import DependencyPolicy
from hauberk.controls.code.insecure_downloads import InsecureDownloads
from hauberk.controls.code.unsafe_images import UnsafeImages
from hauberk.controls.code.workflow_faults import WorkflowFaults
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario, Trial

KINDS = ("supply/moving", "supply/unhashed", "supply/poetry", "supply/hook", "supply/unpinned")
CONTROL = DependencyPolicy()
REWORDED = RewordFault(group="supply")
CONTROLS = (CONTROL, InsecureDownloads(), UnsafeImages(), WorkflowFaults())
_PLAYS = [planted((CONTROL,), PlantFault(kind=kind), "refused", defect=True) for kind in KINDS]


def _refused(seed: int) -> Trial:
    return _PLAYS[seed % len(_PLAYS)](seed)


SCENARIOS = (
    Scenario(
        threat=ThreatId("RE-4"),
        attack=PlantFault(groups=("supply",)),
        control=CONTROL,
        play=_refused,
        parts=(("refused", "moving or unhashed"),),
        note="a branch, a missing hash or a range, in requirement, project and hook files; refused "
        "means a defect, names drawn by seed, kinds known to the rules",
    ),
    Scenario(
        threat=ThreatId("RE-4"),
        attack=REWORDED,
        control=CONTROL,
        play=planted(CONTROLS, REWORDED, "detected"),
        parts=(("detected", "unseen wording"),),
        note="11 install commands in 6 kinds of files, 14 files of dependencies, by the controls "
        "over dependencies, downloads, images and workflows together, drawn by a grammar that was "
        "written before the rules met it; at that first sight 279 of 300 were told, then "
        "install commands of Python code were read",
    ),
)
