"""Streams of made-up inputs, and honest ones with a few odd inputs among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.methods.test_table_reference import applications

from hauberk.controls.exchange.synthetic_queries import SyntheticQueries
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal
from hauberk.methods import stream_reference
from hauberk.trust.client_state import MemoryClientState

WIDTH = 40
RNG = np.random.default_rng(1)
SHAPE = RNG.normal(size=(6, WIDTH))


def ordinary(n: int, seed: int) -> Any:
    """Rows near a plane of six directions."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)) @ SHAPE + rng.normal(0, 0.1, (n, WIDTH))


def made_up(n: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 2, (n, WIDTH))


CONTROL = SyntheticQueries(reference=stream_reference.learn(ordinary(2_000, 0)))


def ask(state: MemoryClientState, rows: Any, who: str = "p") -> list[Signal | None]:
    return [
        CONTROL.observe(
            Exchange(name="m", principal=who, at=0.0, request=b"", rows=row[None]), state
        )
        for row in rows
    ]


def test_a_stream_of_made_up_inputs_is_hardened_and_then_refused():
    found = ask(MemoryClientState(), made_up(100, 1))
    assert found[5] is None
    assert found[20] is not None
    assert found[20].action is Action.HARDEN
    assert found[-1] is not None
    assert found[-1].action is Action.BLOCK


def test_ordinary_inputs_are_free():
    assert not any(ask(MemoryClientState(), ordinary(1_000, 2)))


def test_a_few_odd_inputs_are_forgotten():
    rows = ordinary(400, 3)
    rows[::20] = made_up(20, 3)
    assert not any(ask(MemoryClientState(), rows))


def test_the_same_odd_input_again_and_again_tells_nothing_new():
    assert not any(ask(MemoryClientState(), np.repeat(made_up(1, 4), 200, axis=0)))


def test_twenty_accounts_together_are_found_with_few_queries_each():
    state = MemoryClientState()
    for turn in range(6):
        for account in range(20):
            found = ask(state, made_up(1, 100 * turn + account), f"a{account}")
    assert found[0] is not None
    assert found[0].evidence is not None
    assert found[0].evidence.facts["crowd"] == "true"


def test_an_honest_client_is_left_alone_beside_a_group():
    state = MemoryClientState()
    for turn in range(6):
        for account in range(20):
            ask(state, made_up(1, 100 * turn + account), f"a{account}")
    assert not any(ask(state, ordinary(200, 5), "honest"))


def test_rows_of_one_large_request_are_looked_at():
    exchange = Exchange(name="m", principal="p", at=0.0, request=b"", rows=made_up(500, 6))
    assert CONTROL.observe(exchange, MemoryClientState()) is not None


@pytest.mark.parametrize("rows", [None, np.zeros((1, 3))])
def test_what_does_not_fit_the_reference_is_not_judged(rows):
    exchange = Exchange(name="m", principal="p", at=0.0, request=b"", rows=rows)
    assert CONTROL.observe(exchange, MemoryClientState()) is None


def test_without_a_reference_nothing_is_judged():
    bare = replace(CONTROL, reference=None)
    exchange = Exchange(name="m", principal="p", at=0.0, request=b"", rows=made_up(500, 6))
    assert bare.observe(exchange, MemoryClientState()) is None


# Tables --------------------------------------------------------------------------------

TABLE = SyntheticQueries(reference=stream_reference.learn(applications(3_000, 1)))


def told(rows: Any) -> list[Signal | None]:
    state = MemoryClientState()
    return [
        TABLE.observe(Exchange(name="m", principal="p", at=0.0, request=b"", rows=row[None]), state)
        for row in rows
    ]


def test_rows_of_a_table_are_free():
    assert not any(told(applications(1_000, 2)))


def test_rows_that_are_drawn_column_by_column_are_hardened():
    rows = applications(300, 3)
    mixed = np.stack([np.random.default_rng(j).permutation(c) for j, c in enumerate(rows.T)], 1)
    first = next(signal for signal in told(mixed) if signal is not None)
    assert first.action is Action.HARDEN
    assert first.reason == "a stream of rows whose columns do not belong together"


def test_rows_with_values_that_their_columns_do_not_take_are_hardened_and_refused():
    found = told(applications(100, 4) + 0.00123)
    assert found[30] is not None
    assert found[-1] is not None
    assert found[-1].action is Action.BLOCK
