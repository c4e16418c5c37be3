"""Predictions, confidence, latency and errors held against the first days."""

from __future__ import annotations

import random

import pytest

from hauberk.monitor.judging import moved_alerts
from hauberk.monitor.store import Sum


def day(number, draw, *, yes=0.5, confidence=0.8, latency=0.05, errors=0.001):
    n = 2000
    share = min(max(yes + draw.gauss(0, 0.01), 0), 1)
    return Sum(
        hour=number * 24,
        rows=n,
        requests=n,
        refused=0,
        latency=latency,
        confidence=confidence + draw.gauss(0, 0.005),
        accuracy=None,
        estimate=None,
        predicted={"yes": round(n * share), "no": n - round(n * share)},
        shapes=[],
        errors=round(n * errors),
    )


def told(last, *, seed=1, before=20, weekly=0.0):
    draw = random.Random(seed)
    days = [day(i, draw, yes=0.5 + weekly * (i % 7 >= 5)) for i in range(before)]
    return {alert.cause for alert in moved_alerts("m", [*days, day(before, draw, **last)], at=0)}


@pytest.mark.parametrize(
    ("last", "cause"),
    [
        ({"yes": 0.75}, "predictions moved/m"),
        ({"confidence": 0.7}, "confidence moved/m"),
        ({"confidence": 0.9}, "confidence moved/m"),
        ({"latency": 0.25}, "latency moved/m"),
        ({"latency": float("inf")}, "latency moved/m"),
        ({"errors": 0.05}, "errors moved/m"),
    ],
)
def test_what_moved_away_from_the_first_days_is_told(last, cause):
    assert told(last) == {cause}


@pytest.mark.parametrize("seed", range(20))
def test_honest_days_weekends_and_faster_answers_are_no_alarm(seed):
    assert told({}, seed=seed) == set()
    assert told({"yes": 0.7}, seed=seed, weekly=0.2) == set()
    assert told({"latency": 0.001, "errors": 0.0}, seed=seed) == set()
    assert told({"latency": 0.1}, seed=seed) == set(), "a step between two bounds is chance"


def test_the_first_week_says_nothing():
    assert told({"yes": 0.9, "latency": 5.0}, before=6) == set()
