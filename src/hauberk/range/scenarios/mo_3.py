"""MO-3: transactions pushed across the boundary a little more every day, among seasons."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np

from hauberk.attacks.dataset.shift_slowly import ShiftSlowly
from hauberk.controls.dataset.slow_drift import SlowDrift
from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.traffic import START, YEAR, accuracies, traffic

ATTACK = ShiftSlowly()
CONTROL = SlowDrift()
N_DAYS = 60
FALL = 0.03
_WORLD = (
    "1000 transactions a day, a training year with weekly and yearly seasons and days that "
    "differ by chance, then 60 days; the model is a logistic regression"
)


def alarm_days(training: Dataset, live: Dataset) -> list[int]:
    """Days, from 0, on which the control said something."""
    found = CONTROL.check(Comparison(old=training, new=live))
    dates = {finding.evidence.facts["day"] for finding in found}
    return sorted(int(np.datetime64(date).astype(int)) - START - YEAR for date in dates)


def _slow(seed: int) -> Trial:
    """Found before the accuracy of a day has fallen by three points below its honest twin's."""
    world = traffic(seed, N_DAYS)
    attacked = ATTACK.apply(world.live, Random(seed)).subject
    fallen = np.flatnonzero(accuracies(world.live) - accuracies(attacked) >= FALL)
    alarms = alarm_days(world.training, attacked)
    is_in_time = bool(alarms) and bool(fallen.size) and alarms[0] < fallen[0]
    return Trial(values={"detected": is_in_time}, potent=bool(fallen.size))


@lru_cache(maxsize=4)
def _honest_alarms(seed: int) -> frozenset[int]:
    world = traffic(seed, N_DAYS)
    return frozenset(alarm_days(world.training, world.live))


def _honest(seed: int) -> Trial:
    """One honest day; sixty of them share a world."""
    return Trial(values={"false_alarms": seed % N_DAYS in _honest_alarms(seed // N_DAYS)})


SCENARIOS = (
    Scenario(
        threat=ThreatId("MO-3"),
        attack=ATTACK,
        control=CONTROL,
        play=_slow,
        parts=(("detected", "before accuracy falls 3 points"),),
        note=f"{_WORLD}; rows of fraud up to half a spread above the boundary move by 0.5 % of "
        "the spread more every day",
    ),
    Scenario(
        threat=ThreatId("MO-3"),
        attack="honest days",
        control=CONTROL,
        play=_honest,
        parts=(("false_alarms", "seasonal days included"),),
        note=_WORLD,
    ),
)
