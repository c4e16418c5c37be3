"""Slices where a model is worse than elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.methods.slices import worst_slices


def _rows(seed: int, n: int = 1200) -> dict[str, list[object]]:
    rng = np.random.default_rng(seed)
    return {
        "age": rng.integers(18, 80, n).tolist(),
        "city": rng.choice(["north", "south", "west"], n).tolist(),
        "name": [f"person {place}" for place in range(n)],
    }


def test_a_slice_of_two_conditions_is_found_and_proven():
    columns = _rows(1)
    rng = np.random.default_rng(2)
    old = np.array(columns["age"]) > 65
    bad = old & (np.array(columns["city"]) == "west")
    wrong = rng.random(len(bad)) < np.where(bad, 0.6, 0.1)
    first = worst_slices(columns, wrong, np.random.default_rng(0))[0]
    assert first.p_value < 0.01
    assert first.error > 0.4 > first.rest
    assert {part.split()[0] for part in first.where} == {"age", "city"}


def test_a_model_that_is_equally_good_everywhere_has_no_proven_slice():
    alarms = 0
    for seed in range(40):
        wrong = np.random.default_rng(seed).random(600) < 0.15
        found = worst_slices(_rows(seed, 600), wrong, np.random.default_rng(seed))
        alarms += any(one.p_value < 0.05 for one in found)
    assert alarms <= 5


@pytest.mark.parametrize("values", [[None, float("nan"), 1.0] * 40, [1.5] * 120, ["a"] * 120])
def test_missing_and_constant_columns_are_no_trouble(values):
    found = worst_slices({"x": values}, np.arange(120) % 5 == 0, np.random.default_rng(0))
    assert all(0 <= one.p_value <= 1 for one in found)


def test_no_rows_have_no_slices():
    assert worst_slices({"x": []}, np.zeros(0, bool), np.random.default_rng(0)) == ()
