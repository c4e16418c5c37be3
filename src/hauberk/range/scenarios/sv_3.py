"""SV-3: pictures of a class rebuilt from answers, with full and with hardened ones."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.exchange.invert_class import InvertClass, Portrait
from hauberk.controls.exchange.iterated_queries import IteratedQueries
from hauberk.core.threat import ThreatId
from hauberk.guard.shaping import Detail, Level
from hauberk.methods.oracles import Listening, Oracle
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.sv_5 import honest, populated
from hauberk.range.worlds import pictures
from hauberk.range.worlds.pictures import Prepared, Victim, gallery

ATTACK = InvertClass()
CONTROL = IteratedQueries()
WITHIN = 400
OK = 200
LABELS = replace(pictures.UNLIMITED, roles={"client": Detail(detail=Level.LABEL)})
_INVERTED = {"clothes": (0, 2, 4, 8), "digits": (0, 2, 6)}
"""Classes whose mean the climb reaches with all scores; others it reaches by chance."""


def portrait(model: Victim, oracle: Oracle, seed: int) -> Portrait:
    """A class in turn."""
    known = _INVERTED[model.name]
    label = known[seed // 2 % len(known)]
    typical = model.train.images[model.train.labels == label].mean(axis=0)
    return Portrait(oracle=oracle, side=model.side, label=label, typical=typical)


def _detected(seed: int) -> Trial:
    name = pictures.subject(seed)
    watched = gallery(name, watches=(CONTROL,), state=Prepared(populated(name)))
    model = watched.victim
    heard = replace(ATTACK, budget=WITHIN).play(portrait(model, watched, seed), Random(seed))
    bare = Listening(scores=model.network.scores)
    visitor = gallery(name, watches=(CONTROL,), state=Prepared(populated(name)))
    answers = visitor.in_turn(honest(model, seed), f"c{seed}")
    return Trial(
        values={"detected": heard.facts["first_refusal"] > 0},
        potent=ATTACK.play(portrait(model, bare, seed), Random(seed)).succeeded,
        false_alarm=any(answer.status != OK for answer in answers),
    )


def _hardened(seed: int) -> Trial:
    """How much less the picture is like the class when answers are labels."""
    name = pictures.subject(seed)
    model = pictures.victim(name)
    bare = ATTACK.play(
        portrait(model, Listening(scores=model.network.scores), seed), Random(seed)
    ).facts["likeness"]
    shaped = ATTACK.play(portrait(model, gallery(name, policy=LABELS), seed), Random(seed)).facts[
        "likeness"
    ]
    return Trial(
        values={"similarity_cut": (bare - max(shaped, 0.0)) / max(bare, 1e-9)},
        potent=bare >= ATTACK.alike,
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-3"),
        attack=ATTACK,
        control=CONTROL,
        play=_detected,
        parts=(("detected", ""),),
        min_potency=0.7,
        note="promoted from shadow; a climb by scores in smooth steps, found within 400 queries; "
        "honest clients as for SV-5",
    ),
    Scenario(
        threat=ThreatId("SV-3"),
        attack=ATTACK,
        control="output policy: label",
        play=_hardened,
        parts=(("similarity_cut", ""),),
        min_potency=0.7,
        note="1,500 queries; likeness is the correlation with the mean of the class in training",
    ),
)
