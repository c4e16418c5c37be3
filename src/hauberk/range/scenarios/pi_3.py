"""PI-3: container images that are built unsafely."""

from __future__ import annotations

from hauberk.attacks.code.plant_fault import PlantFault
from hauberk.controls.code.unsafe_images import UnsafeImages
from hauberk.core.threat import ThreatId
from hauberk.range.planted import planted, precise
from hauberk.range.scenario import Scenario

ATTACK = PlantFault(groups=("image",))
UNPINNED = PlantFault(kind="image/latest")
CONTROL = UnsafeImages()

SCENARIOS = (
    Scenario(
        threat=ThreatId("PI-3"),
        attack=ATTACK,
        control=CONTROL,
        play=planted((CONTROL,), ATTACK, "detected"),
        parts=(("detected", ""),),
        note="9 kinds of faults in container files, names drawn by seed, kinds known to the rules",
    ),
    Scenario(
        threat=ThreatId("PI-3"),
        attack=UNPINNED,
        control=CONTROL,
        play=planted((CONTROL,), UNPINNED, "refused", defect=True),
        parts=(("refused", "unpinned base"),),
        note="a base named by a tag that moves; refused means a defect",
    ),
    Scenario(
        threat=ThreatId("PI-3"),
        attack=ATTACK,
        control=CONTROL,
        play=precise((CONTROL,), ATTACK, "precision"),
        parts=(("precision", ""),),
        note="one finding drawn from those over a small project, planted container files "
        "and as many honest twins; kinds known to the rules",
    ),
)
