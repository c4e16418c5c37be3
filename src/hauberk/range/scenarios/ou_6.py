"""OU-6: published outputs with their marks stripped and their words changed."""

from __future__ import annotations

from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.ou_3 import CONTROL, NEAR, row_trial


def _attributed(seed: int) -> Trial:
    return row_trial(seed + 5, "attributed", 0.2)


SCENARIOS = (
    Scenario(
        threat=ThreatId("OU-6"),
        attack=NEAR,
        control=CONTROL,
        play=_attributed,
        trials=200,
        parts=(("attributed", "20 % edits"),),
        note="texts alone, looked up in the log of outputs; no mark inside the text is relied on, "
        "and pictures are not marked; otherwise as OU-3",
    ),
)
