"""The yardstick beside a step."""

from __future__ import annotations

import time

import pytest

from hauberk.lifecycle import pacing


def test_work_is_counted_in_lengths_of_the_yardstick(monkeypatch):
    clock = iter(0.004 * number for number in range(1000))
    monkeypatch.setattr(time, "thread_time", lambda: next(clock))
    with pacing.Pace() as pace:
        pass
    assert pace.factor == pytest.approx(2.0)


def test_the_yardstick_takes_time_here_too():
    with pacing.Pace() as pace:
        pass
    assert pace.factor > 0
