"""What the probe finds, and what CI must find."""

from __future__ import annotations

import os

import pytest

from hauberk.core.policy import Isolation
from hauberk.errors import UnavailableError
from hauberk.isolation import probe, probing
from hauberk.isolation.levels import find_bubblewrap


def test_every_level_is_judged() -> None:
    assert set(probe().levels) == set(Isolation)


def test_the_best_level_is_one_that_works() -> None:
    found = probe()
    assert found.levels[found.best] == ""


def test_observe_always_works() -> None:
    assert probe().levels[Isolation.OBSERVE] == ""


def test_a_probe_is_made_once_per_process() -> None:
    assert probe() == probe(refresh=True)


def test_details_name_kernel_and_user() -> None:
    details = probe().details
    assert details["user"] == ("root" if os.geteuid() == 0 else "ordinary")
    assert details["kernel"]


def test_a_level_that_lets_the_trial_out_does_not_count() -> None:
    reason = probing._judge(Isolation.FULL, ["read a file that was not granted"])
    assert reason == "put on, but the trial got out: read a file that was not granted"


def test_the_reason_of_a_missing_level_carries_what_was_found() -> None:
    error = UnavailableError("bubblewrap is not installed", found="nothing")
    assert probing._explain(Isolation.LANDLOCK, error) == "bubblewrap is not installed: nothing"


def test_levels_expected_in_ci_are_there(level) -> None:
    assert probe().levels[level] == ""


def test_a_missing_bubblewrap_is_named(tmp_path) -> None:
    with pytest.raises(UnavailableError, match="bubblewrap is not installed"):
        find_bubblewrap(str(tmp_path))
