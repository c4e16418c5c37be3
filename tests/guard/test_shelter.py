"""A guard whose memory of clients is on another machine, which comes and goes."""

from __future__ import annotations

import pytest

from hauberk.errors import TrustError, UnavailableError
from hauberk.guard.desk import Surroundings
from hauberk.guard.policy import GuardPolicy, OnStateFailure
from hauberk.guard.shelter import Sheltered
from hauberk.range.worlds import served
from hauberk.trust.client_state import MemoryClientState


class Far(MemoryClientState):
    """A memory that is away when it is told to be."""

    error: Exception | None = None

    def update(self, principal, key, change):
        self.ping()
        return super().update(principal, key, change)

    def get(self, principal, key):
        self.ping()
        return super().get(principal, key)

    def ping(self):
        if self.error is not None:
            raise self.error


class Hour:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def far():
    return Far()


@pytest.fixture
def said():
    return []


@pytest.fixture
def hour():
    return Hour()


@pytest.fixture
def state(far, said, hour):
    return Sheltered(shared=far, say=said.append, clock=hour)


@pytest.fixture
def opened(tmp_path, open_desk, state):
    def open_one(choice):
        policy = GuardPolicy(on_state_failure=choice, rate_per_s=0.001, burst=5.0, slow_s=0.001)
        bundle = served.write_classifier(tmp_path / "b", policy)
        return open_desk(bundle, Surroundings(state=state, clock=lambda: 1e6))

    return open_one


AWAY = UnavailableError("the server of the shared state cannot be asked")
FORGED = TrustError("the shared state holds what no host has written")


@pytest.mark.parametrize("error", [AWAY, FORGED])
def test_a_policy_that_refuses_answers_nobody_until_the_memory_is_back(
    opened, far, hour, said, error
):
    desk = opened(OnStateFailure.REFUSE)
    assert desk.ask().status == 200
    far.error = error
    desk.ask()  # finds out
    assert [desk.ask().status for _ in range(3)] == [503] * 3
    far.error, hour.now = None, 10.0
    assert desk.ask().status == 200
    assert said[0].startswith("ALARM:")
    assert "back" in said[-1]


def test_a_policy_that_degrades_keeps_budgets_of_its_own(opened, far, said):
    desk = opened(OnStateFailure.DEGRADE)
    far.error = AWAY
    statuses = [desk.ask().status for _ in range(8)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert len([line for line in said if line.startswith("ALARM:")]) == 1


def test_a_memory_that_is_away_is_not_asked_again_at_once(state, far, hour):
    far.error = AWAY
    for _ in range(50):
        state.update("alice", "n", lambda old: (old or b"") + b"1")
    assert state.failures == 1
    hour.now = 3.0
    assert state.is_failing
    far.error, hour.now = None, 4.0
    assert state.is_failing  # asked at 3.0, and not again before 5.0
    hour.now = 6.0
    assert not state.is_failing


def test_the_metrics_show_that_the_memory_is_away(opened, far):
    desk = opened(OnStateFailure.DEGRADE)
    assert b"hauberk_state_failing 0" in desk.get("/metrics").body
    far.error = AWAY
    desk.ask()
    body = desk.get("/metrics").body
    assert b"hauberk_state_failing 1" in body
    assert b"hauberk_state_failures_total 1" in body


def test_liveness_does_not_depend_on_the_memory(opened, far):
    desk = opened(OnStateFailure.REFUSE)
    far.error = AWAY
    desk.ask()
    assert desk.get("/v2/health/live").status == 200
