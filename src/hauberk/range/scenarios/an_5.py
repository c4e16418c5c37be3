"""AN-5: rows that leave by the network, or in the outputs of a shared notebook."""

from __future__ import annotations

from random import Random

from hauberk.attacks.code.show_rows import PATH, ShowRows
from hauberk.controls.code.committed_secrets import CommittedSecrets
from hauberk.controls.code.people_data import PeopleData
from hauberk.core.policy import Isolation
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import found
from hauberk.range.planted import single
from hauberk.range.projects import project
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.egress import HONEST, OUTSIDE, ROWS, WAYS, code_of, denials, waiting

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


def _sent(seed: int) -> Trial:
    """A step sends rows in one way; the twin writes a file."""
    way = tuple(WAYS)[seed % len(WAYS)]
    level = (Isolation.FULL, Isolation.LANDLOCK)[seed // len(WAYS) % 2]
    with waiting() as attacker:
        code = code_of(way, "127.0.0.1", attacker.port)
        denials(code, Isolation.OBSERVE)
        came = attacker.received()
        seen = denials(code, level)
        leaked = attacker.received()
    if level is Isolation.FULL:  # its network is its own; loopback in there is nobody's
        seen = denials(code_of(way, OUTSIDE, 443), level)
    return Trial(
        values={"refused": float(not leaked), "logged": float(bool(seen))},
        potent=ROWS in came or ROWS.hex().encode() in came,
        false_alarm=float(bool(denials(HONEST, level))),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("AN-5"),
        attack="rows sent out of a step",
        control="sandbox of steps",
        play=_sent,
        parts=(("refused", ""), ("logged", "")),
        note="a socket, a datagram, a webhook, a child process and a name lookup in turn, at both "
        "levels of isolation in turn; potent where somebody on loopback receives the rows when the "
        "step is only observed; at the level full what is logged is the same turned to an address "
        "outside; the twin writes a file",
    ),
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
