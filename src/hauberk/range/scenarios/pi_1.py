"""PI-1: workflows that strangers can steer."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.controls.code.workflow_faults import WorkflowFaults
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario

ATTACK = PlantFault(groups=("flow",))
CONTROL = WorkflowFaults()

SCENARIOS = (
    Scenario(
        threat=ThreatId("PI-1"),
        attack=ATTACK,
        control=CONTROL,
        play=planted((CONTROL,), ATTACK, "detected"),
        parts=(("detected", ""),),
        note="14 kinds in workflows of four systems, names drawn by seed, kinds known to the rules",
    ),
)
