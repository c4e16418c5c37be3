"""PI-5: packages named like popular ones."""

from __future__ import annotations

from random import Random

from hauberk.attacks.code.slip_name import SlipName
from hauberk.controls.code.lookalike_packages import LookalikePackages
from hauberk.core.threat import ThreatId
from hauberk.methods.code.package_names import ranks
from hauberk.range.outcomes import found
from hauberk.range.planted import single
from hauberk.range.projects import project
from hauberk.range.scenario import Scenario, Trial

ATTACK = SlipName()
CONTROL = LookalikePackages()


def _slip(seed: int) -> Trial:
    attacked = ATTACK.apply(project(seed), Random(seed))
    honest = single("requirements.txt", f"{attacked.truth['target']}==1.0\n")
    return Trial(
        values={"detected": float(found(CONTROL, attacked.subject))},
        potent=attacked.truth["name"] not in ranks(),
        false_alarm=float(found(CONTROL, honest)),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("PI-5"),
        attack=ATTACK,
        control=CONTROL,
        play=_slip,
        parts=(("detected", ""),),
        note="six kinds of slips over the 1,000 most downloaded packages; a slip that is a popular "
        "package itself is drawn again",
    ),
)
