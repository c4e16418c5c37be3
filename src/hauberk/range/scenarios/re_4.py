"""RE-4: dependencies that can change behind the project."""

from __future__ import annotations

from random import Random

from hauberk.attacks.code.pin_vulnerable import PinVulnerable
from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.attacks.code.reword_fault import RewordFault
from hauberk.controls.code.dependency_policy import DependencyPolicy
from hauberk.controls.code.insecure_downloads import InsecureDownloads
from hauberk.controls.code.known_vulnerabilities import KnownVulnerabilities
from hauberk.controls.code.unsafe_images import UnsafeImages
from hauberk.controls.code.workflow_faults import WorkflowFaults
from hauberk.core.threat import ThreatId
from hauberk.methods.code.advisories import Advisories, Advisory, to_bytes
from hauberk.range.outcomes import denied
from hauberk.range.planted import planted, single
from hauberk.range.projects import project
from hauberk.range.scenario import Scenario, Trial

KINDS = ("supply/moving", "supply/unhashed", "supply/poetry", "supply/hook", "supply/unpinned")
CONTROL = DependencyPolicy()
REWORDED = RewordFault(group="supply")
CONTROLS = (CONTROL, InsecureDownloads(), UnsafeImages(), WorkflowFaults())
_PLAYS = [planted((CONTROL,), PlantFault(kind=kind), "refused", defect=True) for kind in KINDS]


def _refused(seed: int) -> Trial:
    return _PLAYS[seed % len(_PLAYS)](seed)


def _known_bad(seed: int) -> Trial:
    """A pin of a version that a record of malicious packages names; the twin pins the next."""
    attacked = PinVulnerable().apply(project(seed), Random(seed))
    truth = attacked.truth
    record = Advisory("MAL-2026-1", "", (("0", truth["fixed"], ""),), ())
    database = to_bytes(Advisories(day="2999-01-01", packages={truth["package"]: [record]}))
    control = KnownVulnerabilities(database=database)
    twin = single(truth["path"], truth["twin"])
    return Trial(
        values={"refused": float(denied(control, attacked.subject))},
        potent=True,
        false_alarm=float(denied(control, twin)),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("RE-4"),
        attack="a version that a record names",
        control=KnownVulnerabilities(),
        play=_known_bad,
        parts=(("refused", "known bad"),),
        note="one record of a malicious package in an imported snapshot, its range drawn by seed; "
        "refused means a defect; potent by the record alone",
    ),
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
