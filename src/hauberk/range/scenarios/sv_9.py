"""SV-9: the depth of an input, told by how long its answer takes, over real connections."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.exchange.time_answers import TimeAnswers
from hauberk.controls.exchange.telling_times import TellingTimes
from hauberk.core.attack import Transcript
from hauberk.core.threat import ThreatId
from hauberk.guard.policy import GuardPolicy
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import guarded
from hauberk.range.worlds.paced import paced

ATTACK = TimeAnswers(inputs=100, repeats=2, at_once=16)
BUCKET_S = 0.56
CONTROL = TellingTimes(bucket_s=BUCKET_S)
CHANCE = 0.5

_OPEN = GuardPolicy(rate_per_s=1e9, burst=1e9, compute_share=1e9, compute_burst_s=1e9)


def _timed(policy: GuardPolicy, seed: int) -> Transcript:
    with paced(policy) as door:
        return ATTACK.play(guarded.as_target(door), Random(seed))


def _trial(seed: int) -> Trial:
    open_ = _timed(_OPEN, seed)
    padded = _timed(replace(_OPEN, answer_bucket_s=BUCKET_S), seed)
    return Trial(
        values={
            "accuracy_above_chance": max(0.0, padded.facts["accuracy"] - CHANCE),
            "latency_cost": padded.facts["seconds"] / open_.facts["seconds"] - 1,
        },
        potent=open_.succeeded,
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-9"),
        attack=ATTACK,
        control=CONTROL,
        play=_trial,
        parts=(
            ("accuracy_above_chance", "padded answers"),
            ("latency_cost", "padded answers"),
        ),
        note="a model that takes 450 ms for shallow and 520 ms for deep inputs, over loopback; "
        "buckets of 560 ms; 200 inputs asked twice each, half of them to learn the cut; "
        "potent where the attacker is a tenth above chance without buckets",
        trials=25,
        timed=True,
    ),
)
