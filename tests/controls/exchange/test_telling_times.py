"""Answers whose time tells of their input."""

from __future__ import annotations

import pytest

from hauberk.controls.exchange.telling_times import TellingTimes


@pytest.mark.parametrize(("elapsed", "wait"), [(0.01, 0.24), (0.25, 0.0), (0.26, 0.24)])
def test_an_answer_is_held_back_to_the_next_bucket(elapsed, wait):
    assert TellingTimes(bucket_s=0.25).wait_s(elapsed) == pytest.approx(wait)


def test_without_a_bucket_nothing_is_held_back():
    assert TellingTimes().wait_s(0.3) == 0.0
