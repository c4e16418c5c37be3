"""Bounds of one request, and the budget of its sender."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.controls.exchange import oversized_requests
from hauberk.controls.exchange.oversized_requests import KEY, OversizedRequests
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action
from hauberk.formats.strict_json import JsonLimits
from hauberk.trust.client_state import MemoryClientState


def _exchange(body: bytes = b"{}", at: float = 0.0, principal: str = "p") -> Exchange:
    return Exchange(name="m", principal=principal, at=at, request=body)


_CONTROL = OversizedRequests(rate_per_s=1.0, burst=3.0, per_kib=0.0)


def test_a_rested_principal_may_spend_its_burst_and_no_more():
    state = MemoryClientState()
    signals = [_CONTROL.observe(_exchange(), state) for _ in range(4)]
    assert [signal is None for signal in signals] == [True, True, True, False]


def test_a_spent_budget_is_answered_with_429_and_slow():
    state = MemoryClientState()
    signal = [_CONTROL.observe(_exchange(), state) for _ in range(4)][-1]
    assert (signal.status, signal.action) == (429, Action.SLOW)


def test_budgets_of_principals_are_apart():
    state = MemoryClientState()
    for _ in range(4):
        _CONTROL.observe(_exchange(), state)
    assert _CONTROL.observe(_exchange(principal="q"), state) is None


def test_a_thousand_values_cost_more_than_one():
    small, large = _exchange(b"[1]"), _exchange(b"[" + b"1," * 999 + b"1]")
    assert _CONTROL.cost(large) > 10 * _CONTROL.cost(small)


def test_refused_requests_are_charged_too():
    state = MemoryClientState()
    for _ in range(3):
        _CONTROL.observe(_exchange(b"[" * 99), state)
    assert _CONTROL.observe(_exchange(), state).status == 429


def test_waiting_refills_the_bucket():
    state = MemoryClientState()
    for _ in range(4):
        _CONTROL.observe(_exchange(), state)
    assert _CONTROL.observe(_exchange(at=2.0), state) is None


def test_whoever_goes_on_hammering_still_waits_a_bounded_time():
    state = MemoryClientState()
    for _ in range(1000):
        _CONTROL.observe(_exchange(), state)
    assert _CONTROL.observe(_exchange(at=2 * _CONTROL.burst + 1), state) is None


def test_a_clock_set_back_gives_nothing():
    state = MemoryClientState()
    for _ in range(3):
        _CONTROL.observe(_exchange(at=100.0), state)
    assert _CONTROL.observe(_exchange(at=50.0), state) is not None


@pytest.mark.parametrize(
    ("body", "status"),
    [(b" " * 101, 413), (b"1," * 50, 413), (b"[" * 17, 400), (b'{"a":1,"a":1}', 400)],
)
def test_a_body_beyond_its_bounds_is_refused(body, status):
    control = OversizedRequests(limits=JsonLimits(max_bytes=100, max_values=40))
    assert control.observe(_exchange(body), MemoryClientState()).status == status


@given(st.lists(st.tuples(st.floats(0, 1e6), st.binary(max_size=50)), max_size=20))
def test_what_is_kept_per_principal_never_grows(requests):
    state = MemoryClientState()
    for at, body in requests:
        OversizedRequests().observe(_exchange(body, at), state)
    assert len(state.get("p", KEY) or b"") in (0, 16)


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(oversized_requests).failed == 0
