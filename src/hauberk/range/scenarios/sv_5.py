"""SV-5: attackers who search for a misclassified neighbour, or know the model and make one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.exchange.craft_picture import Canvas, CraftPicture
from hauberk.attacks.exchange.search_evasion import Prey, SearchEvasion
from hauberk.controls.exchange.iterated_queries import IteratedQueries
from hauberk.core.threat import ThreatId
from hauberk.methods.oracles import Listening, Oracle
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios import in_3
from hauberk.range.worlds import pictures, viewers
from hauberk.range.worlds.pictures import Prepared, Victim, Watched

ATTACK = SearchEvasion()
CONTROL = IteratedQueries()
IN_TIME = 20
"""Queries within which an attacker is to be stopped."""

SURE = 0.99
"""Inputs that the model is less sure of fall to the first noise; no search is needed."""

CRAFTED = tuple(CraftPicture(technique=name, eps=8 / 255) for name in ("sign", "steps"))
N_CRAFTED = 200
N_TRIED = 20
"""Of so many pictures an attacker who knows the model tries the least sure ones at home;
the first that works is sent."""

N_PICTURES = 40
BACKGROUND = 20
TRIED = 6
_SEARCHES = {
    "clothes": (
        replace(ATTACK, technique="hop-skip-jump", reach=0.3, budget=1500),
        replace(ATTACK, technique="boundary", reach=0.35, budget=2000),
        replace(ATTACK, technique="square", eps=0.1, budget=2000),
        replace(ATTACK, technique="simba", budget=600),
    ),
    # Digits have a quarter of the pixels and more contrast: the same size is harder to reach.
    "digits": (
        replace(ATTACK, technique="hop-skip-jump", reach=0.3, budget=1500),
        replace(ATTACK, technique="boundary", reach=0.5, budget=2000),
        replace(ATTACK, technique="square", eps=0.2, budget=2000),
        replace(ATTACK, technique="simba", budget=600),
    ),
}


def searching(seed: int) -> SearchEvasion:
    """Each technique in turn, on clothes and on digits."""
    known = _SEARCHES[pictures.subject(seed)]
    return known[seed // 2 % len(known)]


@cache
def _sure(name: str) -> Any:
    """Places of pictures that the model is sure of and right about."""
    model = pictures.victim(name)
    scores = model.network.scores(model.foe.rows[:4000])
    right = scores.argmax(axis=1) == model.foe.labels[:4000]
    return np.flatnonzero(right & (scores.max(axis=1) > SURE))


def prey(model: Victim, oracle: Oracle, seed: int) -> Prey:
    """A picture that the model is sure of and right about."""
    place = np.random.default_rng([seed, 5]).choice(_sure(model.name))
    return Prey(
        oracle=oracle,
        image=model.foe.images[place],
        label=int(model.foe.labels[place]),
        others=model.foe.images,
    )


def _watched(name: str, state: Prepared) -> Watched:
    return Watched(victim=pictures.victim(name), control=CONTROL, state=state)


@cache
def populated(name: str) -> dict[tuple[str, str], bytes]:
    """Memory of a guard that honest clients have used."""
    state = Prepared({})
    watched = _watched(name, state)
    for number in range(BACKGROUND):
        watched.bothers(honest(watched.victim, number), f"b{number}")
    return state.all()


def honest(model: Victim, seed: int) -> list[Any]:
    """What one honest client shows; all habits in turn."""
    kinds = viewers.kinds()
    rng = np.random.default_rng([seed, 6])
    seen = viewers.stream(
        kinds[seed // 2 % len(kinds)], model.honest.images, model.honest.labels, N_PICTURES, rng
    )
    return [picture.reshape(-1) for picture in seen]


def _stopped(seed: int) -> Trial:
    attack, name = searching(seed), pictures.subject(seed)
    watched = _watched(name, Prepared(populated(name)))
    model = watched.victim
    heard = replace(attack, budget=3 * IN_TIME).play(prey(model, watched, seed), Random(seed))
    first = heard.facts["first_refusal"]
    return Trial(
        values={"stopped": 0 < first <= IN_TIME and not heard.succeeded},
        potent=_is_potent(attack, model, seed) if seed % TRIED < len(pictures.SUBJECTS) else None,
    )


def _is_potent(attack: SearchEvasion, model: Victim, seed: int) -> bool:
    """Whether the attack works with the control off; of three in a row one is tried."""
    bare = Listening(scores=model.network.scores)
    return attack.play(prey(model, bare, seed), Random(seed)).succeeded


def _alarmed(seed: int) -> Trial:
    """One client among those who were there before."""
    name = pictures.subject(seed)
    watched = _watched(name, Prepared(populated(name)))
    return Trial(values={"false_alarms": watched.bothers(honest(watched.victim, seed), f"c{seed}")})


def _unsure(model: Victim, rng: np.random.Generator) -> Any:
    """Places of pictures that the model is right about, the least sure first."""
    places = rng.choice(len(model.foe.rows), N_CRAFTED, replace=False)
    scores = model.network.scores(model.foe.rows[places])
    places = places[scores.argmax(axis=1) == model.foe.labels[places]]
    return places[np.argsort(model.network.scores(model.foe.rows[places]).max(axis=1))]


def _crafted(seed: int) -> Trial:
    """One input made with the gradient of the model, and a picture of a visitor beside it."""
    name = pictures.subject(seed)
    model, control = pictures.victim(name), in_3.fitted(name)
    attack = CRAFTED[seed // len(pictures.SUBJECTS) % len(CRAFTED)]
    rng = np.random.default_rng([seed, 8])
    for place in _unsure(model, rng)[:N_TRIED]:
        made = Canvas(
            network=model.network, image=model.foe.images[place], label=int(model.foe.labels[place])
        )
        heard = attack.play(made, Random(seed))
        if heard.succeeded:
            break
    visitor = model.honest.images[rng.integers(len(model.honest.images))]
    return Trial(
        values={"detected": in_3.says(control, heard.facts["picture"])},
        potent=heard.succeeded,
        false_alarm=in_3.says(control, visitor),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-5"),
        attack=CRAFTED[0],
        control=in_3.CONTROL,
        play=_crafted,
        parts=(("detected", "FGSM and PGD, 8/255"),),
        trials=600,
        note="promoted from shadow, profile strict; one step and twenty in turn, on clothes of "
        "14 x 14 and digits of 8 x 8; the attacker knows the model, tries at home, and sends one "
        "picture that works; looked for with the model's own gradients (methods/hidden_steps)",
    ),
    Scenario(
        threat=ThreatId("SV-5"),
        attack=ATTACK,
        control=CONTROL,
        play=_stopped,
        parts=(("stopped", "query attack, within 20 queries"),),
        min_potency=0.8,
        note="promoted from shadow; four searches in turn on clothes and digits, of pictures "
        "that the model is sure of; whoever succeeds before is not stopped; asked as the guard "
        "asks, without HTTP; one attacker in three is tried with the control off",
    ),
    Scenario(
        threat=ThreatId("SV-5"),
        attack="honest clients",
        control=CONTROL,
        play=_alarmed,
        parts=(("false_alarms", ""),),
        note="promoted from shadow; ten habits in turn, films, cameras and retries among them; "
        "40 pictures each, given to the control as the guard does",
    ),
)
