"""PI-6: services and clusters that answer anyone."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.attacks.code.reword_fault import RewordFault
from hauberk.controls.code.exposed_services import ExposedServices
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted
from hauberk.range.scenario import Scenario

ATTACK = PlantFault(groups=("service",))
CONTROL = ExposedServices()
REWORDED = RewordFault(group="service")

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
    Scenario(
        threat=ThreatId("PI-6"),
        attack=REWORDED,
        control=CONTROL,
        play=planted((CONTROL,), REWORDED, "detected"),
        parts=(("detected", "unseen wording"),),
        note="16 commands in 12 kinds of files and 14 files of settings, drawn by a grammar that "
        "was written before the rules met it; at that first sight 245 of 300 were told, with 1 "
        "alarm on a twin, then commands of Python code, of lists in compose files, and of "
        "ENTRYPOINT and CMD together were read",
    ),
)
