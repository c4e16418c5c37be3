"""IN-1: accounts of one person steer a classifier that learns from feedback."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.dataset.vote_together import VoteTogether
from hauberk.controls.dataset.steered_feedback import SteeredFeedback
from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked
from hauberk.core.threat import ThreatId
from hauberk.methods.feedback import Judged, capped, judged, tried
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.feedback import WHO, lift, stage, updated

IN_1 = ThreatId("IN-1")
ATTACK = VoteTogether()
CONTROL = SteeredFeedback()
N_SYBILS = 4
N_ATTACKS = 6
"""Attacks on one world, each with a class, a target and rows of its own."""

MIN_LIFT = 0.2


@cache
def _twin(world: int, number: int = 0) -> Attacked[Dataset]:
    """One of several attacks on a world."""
    return ATTACK.apply(stage(world).feedback, Random(world * N_ATTACKS + number))


@cache
def _judged(seed: int) -> Judged:
    return judged(_twin(seed).subject, WHO, CONTROL.alpha)


@cache
def _base(seed: int) -> Any:
    empty = np.zeros(len(_people(stage(seed).feedback)))
    return updated(stage(seed).base, stage(seed).feedback, empty)


@cache
def _steered(seed: int, number: int = 0) -> tuple[Any, float]:
    """The update without any control, and what it lifts."""
    attacked, world = _twin(seed, number), stage(seed)
    model = updated(world.base, attacked.subject, np.ones(len(_people(attacked.subject))))
    truth = attacked.truth
    return model, lift(model, _base(seed), world.canaries, truth["source"], truth["target"])


def _people(feedback: Dataset) -> list[str]:
    return [name for batch in feedback.read() for name in batch.column(WHO).to_pylist()]


def _lifted(seed: int) -> Trial:
    world, stream = stage(seed), _judged(seed)
    weights = np.where(stream.blamed, 0.0, capped(stream.people))
    attacked, free = _twin(seed), _steered(seed)[1]
    model = updated(world.base, attacked.subject, weights)
    truth = attacked.truth
    left = lift(model, _base(seed), world.canaries, truth["source"], truth["target"])
    return Trial(
        values={"target_lift_ratio": max(0.0, left) / max(free, 1e-9)}, potent=free >= MIN_LIFT
    )


def _sybil(seed: int) -> Trial:
    """One of four accounts; the others share the world."""
    number, place = divmod(seed, N_SYBILS)
    stream = _judged(number)
    named = set(stream.people[stream.blamed])
    sybils = set(_twin(number).truth["accounts"])
    honest = set(stream.people) - sybils
    return Trial(
        values={"detected": sorted(sybils)[place] in named},
        potent=_steered(number)[1] >= MIN_LIFT,
        false_alarm=len(named & honest) / len(honest),
    )


def _update(seed: int) -> Trial:
    """The update that nothing has filtered, at the gate; the honest one beside it."""
    number, place = divmod(seed, N_ATTACKS)
    model, free = _steered(number, place)
    return Trial(
        values={"refused": _refused(number, model)},
        potent=free >= MIN_LIFT,
        false_alarm=float(_alarm(number)),
    )


@cache
def _alarm(seed: int) -> bool:
    """Whether the update that honest feedback makes is refused."""
    world = stage(seed)
    everybody = np.ones(len(_people(world.feedback)))
    return _refused(seed, updated(world.base, world.feedback, everybody))


def _refused(seed: int, model: Any) -> bool:
    x, truth = stage(seed).canaries
    names, codes = np.unique(truth, return_inverse=True)
    before, after = (np.searchsorted(names, one.predict(x)) for one in (_base(seed), model))
    return bool(tried(before, after, codes, len(names)).refused)


_WORLD = (
    "200 accounts say 10 digits each, four more say one digit of another, 100 times each; "
    f"logistic regression on 300 rows and the feedback; potent where "
    f"{MIN_LIFT} of the digit is lost"
)

SCENARIOS = (
    Scenario(
        threat=IN_1,
        attack=ATTACK,
        control=CONTROL,
        play=_lifted,
        parts=(("target_lift_ratio", "2 % sybil accounts"),),
        note=f"{_WORLD}; pushes left out and influence capped at two median accounts, no last gate",
    ),
    Scenario(
        threat=IN_1,
        attack=ATTACK,
        control=CONTROL,
        play=_sybil,
        parts=(("detected", ""),),
        trials=24,
        note=f"{_WORLD}; the false-alarm rate is of honest accounts",
    ),
    Scenario(
        threat=IN_1,
        attack=ATTACK,
        control="canaries before an update is adopted (methods/feedback)",
        play=_update,
        parts=(("refused", ""),),
        note=f"{_WORLD}; nothing filtered before; six attacks on each world; "
        "600 canaries; false alarms are honest updates",
    ),
)
