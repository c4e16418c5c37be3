"""Streams that search around one input, and honest ones that only look like it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.methods.test_table_reference import applications

from hauberk.controls.exchange.iterated_queries import KEY, MAX_ROWS, IteratedQueries
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal
from hauberk.formats.v2 import Datatype, Tensor
from hauberk.methods import stream_reference
from hauberk.methods.query_streams import MEMORY
from hauberk.trust.client_state import MemoryClientState

CONTROL = IteratedQueries()
SIDE = 14


def picture(seed: int) -> Any:
    """A smooth blot on black."""
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[:SIDE, :SIDE]
    centre, size = rng.uniform(4, 10, 2), rng.uniform(2, 4)
    wave = 1 + 0.4 * np.sin(rng.uniform(0.3, 1.2) * down + rng.uniform(0.3, 1.2) * right)
    blot = np.exp(-((down - centre[0]) ** 2 + (right - centre[1]) ** 2) / size**2) * wave
    return np.clip(blot, 0, 1).reshape(-1)


def asked(rows: Any, who: str = "p", labels: Iterable[int] = ()) -> Exchange:
    rows = np.atleast_2d(rows)
    scores = np.zeros((len(rows), 3))
    for place, label in enumerate(labels):
        scores[place, label] = 1.0
    output = Tensor(
        name="s", datatype=Datatype.FP32, shape=scores.shape, values=scores.reshape(-1).tolist()
    )
    body = rows.tobytes()
    return Exchange(name="m", principal=who, at=0.0, request=body, rows=rows, outputs=(output,))


def signals(rows: Iterable[Any], *, accounts: int = 1) -> list[Signal | None]:
    state = MemoryClientState()
    return [
        CONTROL.observe(asked(row, f"a{number % accounts}", [0]), state)
        for number, row in enumerate(rows)
    ]


def steps_along_pixels(n: int) -> list[Any]:
    moved = picture(1)
    rows = []
    for pixel in np.random.default_rng(0).permutation(SIDE * SIDE)[:n]:
        moved = moved.copy()
        moved[pixel] += 0.3
        rows.append(moved)
    return rows


def test_steps_along_single_pixels_are_refused_within_twenty_queries():
    found = signals(steps_along_pixels(20))
    assert found[0] is None
    assert found[-1] is not None
    assert found[-1].action is Action.BLOCK


def test_a_search_spread_over_twenty_accounts_is_refused_too():
    assert signals(steps_along_pixels(30), accounts=20)[-1] is not None


def test_halving_an_interval_is_refused_although_the_steps_are_large():
    start, end = picture(1), picture(2)
    low, high, rows = 0.0, 1.0, []
    for turn in range(14):
        middle = (low + high) / 2
        rows.append((1 - middle) * start + middle * end)
        low, high = (middle, high) if turn % 2 else (low, middle)
    assert any(signals(rows))


def test_exact_repeats_are_free():
    assert not any(signals([picture(1)] * 100))


def test_different_inputs_are_free():
    assert not any(signals([picture(seed) for seed in range(60)]))


def test_a_slow_film_is_free():
    shares = np.linspace(0, 1, 80)
    assert not any(signals([(1 - t) * picture(1) + t * picture(2) for t in shares]))


def test_a_still_camera_with_a_noisy_sensor_is_free():
    rng = np.random.default_rng(3)
    assert not any(signals([picture(1) + rng.normal(0, 0.006, SIDE**2) for _ in range(80)]))


def test_what_one_client_does_is_not_held_against_another():
    state = MemoryClientState()
    for row in steps_along_pixels(20):
        CONTROL.observe(asked(row, "searcher", [0]), state)
    assert CONTROL.observe(asked(picture(9), "visitor", [0]), state) is None
    assert CONTROL.observe(asked(picture(1), "visitor", [0]), state) is None


def test_many_probes_in_one_request_are_seen():
    state = MemoryClientState()
    rows = np.array(steps_along_pixels(100))
    assert CONTROL.observe(asked(rows, labels=[0] * 100), state) is not None


@pytest.mark.parametrize("n_rows", [1, MAX_ROWS, MAX_ROWS + 1, 1000])
def test_a_request_of_any_length_is_judged(n_rows):
    rows = np.array([picture(seed % 40) for seed in range(n_rows)])
    assert CONTROL.observe(asked(rows), MemoryClientState()) is None


def test_narrow_rows_are_not_judged():
    state = MemoryClientState()
    rows = [np.arange(8.0) + step / 100 for step in range(50)]
    assert not any(CONTROL.observe(asked(row), state) for row in rows)


def test_the_memory_of_a_client_is_small_and_fixed():
    state = MemoryClientState()
    for seed in range(3 * MEMORY):
        CONTROL.observe(asked(picture(seed)), state)
    held = state.get("p", KEY)
    assert held is not None
    assert len(held) < 8_000


def test_a_broken_memory_begins_anew():
    state = MemoryClientState()
    state.update("p", KEY, lambda _: b"broken")
    assert CONTROL.observe(asked(picture(1)), state) is None


def test_a_lower_limit_stops_earlier():
    strict = replace(CONTROL, limit=1.0)
    state = MemoryClientState()
    rows = steps_along_pixels(4)
    assert any(strict.observe(asked(row, labels=[0]), state) for row in rows)


# Tables --------------------------------------------------------------------------------

TABLE = replace(CONTROL, table=stream_reference.learn(applications(3_000, 1)).table)


def searched(n: int, seed: int) -> Any:
    rows = np.repeat(applications(1, seed), n, axis=0)
    rows[:, :4] += np.random.default_rng(seed).normal(0, 0.02, (n, 4)) * rows[0, :4]
    return rows


def test_a_search_on_a_table_is_refused_soon():
    state = MemoryClientState()
    found = [TABLE.observe(asked(row), state) for row in searched(10, 1)]
    assert found[3] is None
    assert found[-1] is not None
    assert found[-1].action is Action.BLOCK


def test_a_search_on_a_table_from_many_accounts_is_refused_too():
    state = MemoryClientState()
    rows = searched(20, 2)
    found = [TABLE.observe(asked(row, f"a{n}"), state) for n, row in enumerate(rows)]
    assert found[-1] is not None
    assert "several clients" in found[-1].reason


def test_trying_one_field_of_a_table_is_free():
    state, rows = MemoryClientState(), np.repeat(applications(1, 3), 100, axis=0)
    rows[:, 0] = np.linspace(10, 900, 100)
    assert not any(TABLE.observe(asked(row), state) for row in rows)


def test_rows_of_another_width_are_not_held_against_the_table():
    assert TABLE.observe(asked(np.zeros(9)), MemoryClientState()) is None


def scored(row: Any, who: str = "p") -> Exchange:
    """A row of the table, answered by a linear model of two classes."""
    share = 1 / (1 + np.exp(-float(row / SPREADS @ np.array([1, -1, 1, -1, 1, -1]))))
    output = Tensor(name="s", datatype=Datatype.FP32, shape=(1, 2), values=[1 - share, share])
    return Exchange(name="m", principal=who, at=0.0, request=b"", rows=row[None], outputs=(output,))


SPREADS = applications(500, 9).std(axis=0)


def climb(n: int, *, is_greedy: bool) -> list[Signal | None]:
    """Whole steps in one column at a time, kept where they helped, or where it rained."""
    state, rng = MemoryClientState(), np.random.default_rng(1)
    here, best, found = applications(1, 8)[0], -1.0, []
    for _ in range(n):
        row, place = here.copy(), rng.choice([0, 1, 2, 5])
        row[place] = (row[place] + rng.choice([-1, 1]) * max(1, SPREADS[place] // 4)).round(2)
        exchange = scored(row)
        found.append(TABLE.observe(exchange, state))
        score = exchange.outputs[0].values[1]
        if score > best if is_greedy else rng.random() < 0.5:
            here, best = row, score
    return found


def test_a_search_in_whole_numbers_is_refused_within_twenty_queries():
    refused = [signal for signal in climb(20, is_greedy=True) if signal]
    assert refused
    assert refused[0].action is Action.BLOCK
    assert "helped" in refused[0].reason


def test_changes_of_whole_numbers_that_stay_by_chance_are_free():
    assert not any(climb(100, is_greedy=False))
