"""IN-6: machine-made texts that come in with their marks stripped and their words changed."""

from __future__ import annotations

from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.ou_3 import CONTROL, NEAR, row_trial


def _known(seed: int) -> Trial:
    return row_trial(seed + 3, "detected", 0.2)


SCENARIOS = (
    Scenario(
        threat=ThreatId("IN-6"),
        attack=NEAR,
        control=CONTROL,
        play=_known,
        trials=200,
        parts=(("detected", "20 % edits"),),
        note="texts of one's own models, by the log of outputs; texts of other models and pictures "
        "are not known; otherwise as OU-3",
    ),
)
