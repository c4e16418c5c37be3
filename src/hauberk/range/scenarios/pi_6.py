"""PI-6: services and clusters that answer anyone."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.controls.code.exposed_services import ExposedServices
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario

ATTACK = PlantFault(groups=("service",))
CONTROL = ExposedServices()

SCENARIOS = (
    Scenario(
        threat=ThreatId("PI-6"),
        attack=ATTACK,
        control=CONTROL,
        play=planted((CONTROL,), ATTACK, "detected"),
        parts=(("detected", ""),),
        note="18 kinds in scripts, container, cluster and cloud files, names drawn by seed, "
        "kinds known to the rules",
    ),
    Scenario(
        threat=ThreatId("PI-6"),
        attack="a hardened configuration",
        control=CONTROL,
        play=planted((CONTROL,), ATTACK, "false_alarms", is_clean=True),
        parts=(("false_alarms", ""),),
        note="the hardened twins of the same files",
    ),
)
