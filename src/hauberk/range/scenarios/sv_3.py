"""SV-3: pictures of a class rebuilt from answers, with full and with hardened ones."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.exchange.invert_class import InvertClass, Portrait
from hauberk.controls.exchange.iterated_queries import IteratedQueries
from hauberk.core.threat import ThreatId
from hauberk.methods.oracles import Listening, Oracle
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.sv_5 import honest, populated
from hauberk.range.worlds import pictures
from hauberk.range.worlds.pictures import LabelsOnly, Prepared, Victim, Watched

ATTACK = InvertClass()
CONTROL = IteratedQueries()
WITHIN = 400
_INVERTED = {"clothes": (0, 2, 4, 8), "digits": (0, 6)}
"""Classes whose mean the climb reaches with all scores; others it reaches by chance."""


def portrait(model: Victim, oracle: Oracle, seed: int) -> Portrait:
    """A class in turn."""
    known = _INVERTED[model.name]
    label = known[seed // 2 % len(known)]
    typical = model.train.images[model.train.labels == label].mean(axis=0)
    return Portrait(oracle=oracle, side=model.side, label=label, typical=typical)


def _watched(name: str) -> Watched:
    state = Prepared(populated(name))
    return Watched(victim=pictures.victim(name), control=CONTROL, state=state)


def _detected(seed: int) -> Trial:
    name = pictures.subject(seed)
    watched, visited = _watched(name), _watched(name)
    model = watched.victim
    heard = replace(ATTACK, budget=WITHIN).play(portrait(model, watched, seed), Random(seed))
    bare = Listening(scores=model.network.scores)
    return Trial(
        values={"detected": heard.facts["first_refusal"] > 0},
        potent=ATTACK.play(portrait(model, bare, seed), Random(seed)).succeeded,
        false_alarm=visited.bothers(honest(model, seed), f"c{seed}"),
    )


def _hardened(seed: int) -> Trial:
    """How much less the picture is like the class when answers are labels.

    Where the bare picture is not like it at all, the cut is told in parts of what counts as alike:
    in parts of nearly nothing any difference would be huge.
    """
    model = pictures.victim(pictures.subject(seed))
    oracles = (Listening(scores=model.network.scores), LabelsOnly(victim=model))
    bare, shaped = (
        ATTACK.play(portrait(model, oracle, seed), Random(seed)).facts["likeness"]
        for oracle in oracles
    )
    return Trial(
        values={"similarity_cut": (bare - max(shaped, 0.0)) / max(bare, ATTACK.alike)},
        potent=bare >= ATTACK.alike,
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-3"),
        attack=ATTACK,
        control=CONTROL,
        play=_detected,
        parts=(("detected", ""),),
        trials=3_000,
        min_potency=0.7,
        note="promoted from shadow; a climb by scores in smooth steps, found within 400 queries; "
        "asked as the guard asks, without HTTP; honest clients as for SV-5",
    ),
    Scenario(
        threat=ThreatId("SV-3"),
        attack=ATTACK,
        control="output policy: label",
        play=_hardened,
        parts=(("similarity_cut", ""),),
        trials=31,
        min_potency=0.7,
        note="1,500 queries; likeness is the correlation with the mean of the class in training",
    ),
)
