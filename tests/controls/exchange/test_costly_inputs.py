"""Inputs that cost more than their share."""

from __future__ import annotations

import pytest

from hauberk.controls.exchange.costly_inputs import CostlyInputs
from hauberk.core.artifact import Exchange
from hauberk.formats.http import json_call
from hauberk.guard.policy import GuardPolicy
from hauberk.range.worlds import guarded
from hauberk.trust.client_state import MemoryClientState


def _asked(at=0.0, principal="p"):
    return Exchange(name="m", principal=principal, at=at, request=b"")


@pytest.fixture
def indebted():
    state, control = MemoryClientState(), CostlyInputs(share=0.5, burst_s=1.0)
    control.settle(_asked(), 1.5, state)
    return control, state


def test_a_rested_sender_is_not_refused():
    assert CostlyInputs().observe(_asked(), MemoryClientState()) is None


def test_a_sender_in_debt_is_refused_until_it_has_waited(indebted):
    control, state = indebted
    said = [control.observe(_asked(at), state) for at in (0.0, 0.9, 1.1)]
    assert [one and one.status for one in said] == [429, 429, None]


def test_another_sender_is_not(indebted):
    control, state = indebted
    assert control.observe(_asked(principal="q"), state) is None


def test_a_clock_set_back_gives_nothing(indebted):
    control, state = indebted
    assert control.observe(_asked(-100.0), state).status == 429


def test_a_debt_is_bounded():
    state, control = MemoryClientState(), CostlyInputs(share=1.0, burst_s=1.0)
    control.settle(_asked(), 1000.0, state)
    assert control.observe(_asked(1.1), state) is None


def test_a_client_that_waits_for_each_answer_is_never_refused():
    state, control, now = MemoryClientState(), CostlyInputs(), 0.0
    for _ in range(1000):
        assert control.observe(_asked(now), state) is None
        now += 0.3
        control.settle(_asked(now), 0.3, state)


def test_the_model_s_own_time_is_booked_by_the_guard():
    world = guarded.early_exit(GuardPolicy(compute_share=1e-9, compute_burst_s=1e-6, slow_s=0.001))
    call = json_call(guarded.CLASSIFIER_PATH, guarded.SAMPLE)
    assert [world.door.call(call).status for _ in range(2)] == [200, 429]
