"""AN-5: rows of people and secrets in the outputs of a shared notebook."""

from __future__ import annotations

from random import Random

from hauberk.attacks.code.show_rows import PATH, ShowRows
from hauberk.controls.code.committed_secrets import CommittedSecrets
from hauberk.controls.code.people_data import PeopleData
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import found
from hauberk.range.planted import single
from hauberk.range.projects import project
from hauberk.range.scenario import Scenario, Trial

ATTACK = ShowRows()
CONTROLS = (PeopleData(), CommittedSecrets())


def _play(seed: int) -> Trial:
    attacked = ATTACK.apply(project(seed), Random(seed))
    clean = single(PATH, attacked.truth["twin"])
    shown = attacked.truth["shown"]
    return Trial(
        values={"detected": float(any(found(control, attacked.subject) for control in CONTROLS))},
        potent="AKIA" in shown or "@mail" in shown,
        false_alarm=float(any(found(control, clean) for control in CONTROLS)),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("AN-5"),
        attack=ATTACK,
        control=CONTROLS[0],
        play=_play,
        parts=(("detected", ""),),
        note="by the controls over people's data and over credentials together; the clean twin "
        "prints statistics of the same shape",
    ),
)
