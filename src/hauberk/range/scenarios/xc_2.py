"""XC-2: policies that a project lowers for itself, and waivers that are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

from hauberk.attacks.pipeline.switch_off_control import EDITS, SwitchOffControl
from hauberk.controls.registry.unverified_release import UnverifiedRelease
from hauberk.core.policy import Decision, Waiver
from hauberk.core.threat import ThreatId
from hauberk.engine.decide import decide
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.gates import FLOOR, TODAY, OpenGate, PinnedGate, flawed

XC_2 = ThreatId("XC-2")
_EDITS = tuple(EDITS)
_MAX_DAYS = 400


def _lowered(seed: int) -> Trial:
    attack = SwitchOffControl(edit=_EDITS[seed % len(_EDITS)])
    return Trial(
        values={"refused": not attack.play(PinnedGate(seed), Random(seed)).succeeded},
        potent=attack.play(OpenGate(), Random(seed)).succeeded,
    )


def _expired(seed: int) -> Trial:
    rng = Random(seed)
    over = TODAY - timedelta(days=rng.randrange(1, _MAX_DAYS))
    waiver = Waiver(threat="TR-7", subject="model.onnx", reason="known", owner="ada", expires=over)
    policy = replace(FLOOR, waivers=(waiver,))

    def allowed(today: date) -> bool:
        return decide(flawed(), policy, today=today).decision is Decision.ALLOW

    return Trial(values={"ignored": not allowed(TODAY)}, potent=allowed(over))


_HONEST: tuple[dict[str, Any], ...] = (
    {},
    {"fail_on": "medium"},
    {"fail_on": "low", "min_isolation": "landlock"},
    {"min_isolation": "full"},
    {"required": [*sorted(FLOOR.required or ()), "dataset/split-leakage"]},
)


def _honest(seed: int) -> Trial:
    refused = not PinnedGate(seed).admits(_HONEST[seed % len(_HONEST)])
    return Trial(values={"false_refusals": refused}, false_alarm=float(refused))


SCENARIOS = (
    Scenario(
        threat=XC_2,
        attack=SwitchOffControl(),
        control=UnverifiedRelease(),
        play=_lowered,
        parts=(("refused", "unsigned or lowered policy"),),
        note=f"{', '.join(EDITS)} in turn; refused means at the start of the run and again by "
        "whoever verifies a release that was made all the same; potent where a gate that believes "
        "the project's own file releases the flawed model",
    ),
    Scenario(
        threat=XC_2,
        attack=SwitchOffControl(edit="own waiver"),
        control="the gate of a run",
        play=_expired,
        parts=(("ignored", "expired waiver"),),
        note="waivers that ended 1 to 399 days ago; potent on their last day",
    ),
    Scenario(
        threat=XC_2,
        attack="none: policies that demand as much or more",
        control=UnverifiedRelease(),
        play=_honest,
        parts=(("false_refusals", ""),),
    ),
)
