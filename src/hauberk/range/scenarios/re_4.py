"""RE-4: dependencies that can change behind the project."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.controls.code.dependency_policy import DependencyPolicy
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario, Trial

KINDS = ("supply/moving", "supply/unhashed", "supply/poetry", "supply/hook", "supply/unpinned")
CONTROL = DependencyPolicy()
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
)
