"""Values beyond a gap, and honest ones that only look so."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.methods.apart import apart


def amounts(n=400, seed=1):
    rng = np.random.default_rng(seed)
    income = rng.lognormal(10, 0.5, n)
    return np.column_stack([income, rng.normal(size=n), income * rng.uniform(0.1, 0.3, n)])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_amounts_a_thousand_times_too_large_lie_apart(seed):
    x = amounts(seed=seed)
    rows = np.arange(0, 400, 40)
    x[rows, 0] = np.random.default_rng(seed).uniform(3e7, 9e7, rows.size)
    (found,) = apart(x)
    assert (found.column, found.rows.tolist()) == (0, rows.tolist())


def test_values_far_below_lie_apart():
    x = amounts()
    x[:8, 1] = -50 - np.arange(8)
    (found,) = apart(x)
    assert found.rows.tolist() == list(range(8))


@pytest.mark.parametrize("seed", range(5))
def test_a_long_tail_has_no_gap(seed):
    x = amounts(seed=seed)
    x[:, 1] = np.random.default_rng(seed).pareto(1.5, 400)
    assert list(apart(x)) == []


def test_rows_that_belong_together_explain_a_gap():
    x = amounts()
    x[:8] = np.array([9e6, 40, 9e5]) + np.random.default_rng(3).normal(size=(8, 3))
    assert list(apart(x)) == []


def test_a_code_for_nothing_is_one_value_and_no_outlier():
    x = amounts()
    x[:8, 1] = 9_999
    assert list(apart(x)) == []


def test_four_values_and_a_twentieth_of_the_rows_are_none():
    few, many = amounts(), amounts()
    few[:4, 1] = 50 + np.arange(4)
    many[:20, 1] = 50 + np.arange(20)
    assert list(apart(few)) == list(apart(many)) == []


def test_missing_numbers_and_constants_are_passed_over():
    x = amounts()
    x[:, 1], x[:, 2] = np.nan, 7.0
    assert list(apart(x)) == []
