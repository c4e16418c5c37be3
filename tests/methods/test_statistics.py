"""Statistics hold their promises under simulation and agree with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hauberk.errors import UsageError
from hauberk.methods.statistics import (
    benjamini_hochberg,
    binomial_tail,
    cauchy_combined,
    clopper_pearson,
    holm,
    information,
    rank_p_values,
    rank_sum_p,
    robust_z,
    two_sample_p,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(st.integers(0, 200), st.integers(0, 200))
def test_exact_bounds_enclose_the_share_and_agree_with_scipy(a, b):
    hits, n = min(a, b), max(a, b)
    found = clopper_pearson(hits, n)
    assert 0 <= found.low <= (hits / n if n else 0) <= found.high <= 1
    if n:
        exact = stats.binomtest(hits, n).proportion_ci(0.90, "exact")
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_more_hits_than_trials_is_a_mistake():
    with pytest.raises(UsageError):
        clopper_pearson(3, 2)


@given(P_VALUES)
def test_corrections_agree_with_scipy_and_keep_the_order(p):
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    adjusted = holm(p)
    assert np.all(adjusted >= benjamini_hochberg(p) - 1e-12)
    assert np.all(adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12)
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)


def test_corrections_accept_no_tests():
    assert benjamini_hochberg([]).size == holm([]).size == 0


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=40), st.integers(-9, 9))
def test_robust_z_ignores_scale_and_place(values, place):
    x = np.array(values, float)
    assert robust_z(x * 4 + place) == pytest.approx(robust_z(x))


def test_robust_z_is_a_normal_score_and_survives_outliers():
    x = np.random.default_rng(0).normal(5, 2, 10_000)
    x[:1_000] = 1e9
    assert abs(np.median(robust_z(x)[1_000:])) < 0.3
    assert robust_z(np.ones(5)).tolist() == [0] * 5
    assert robust_z(np.array([0.0, 0, 0, 0, 1]))[-1] > 0


def test_rank_p_values_are_valid_under_the_null():
    rng = np.random.default_rng(0)
    p = rank_p_values(rng.normal(size=5_000), rng.normal(size=999))
    assert p.min() >= 1 / 1_000
    for level in (0.01, 0.1, 0.5):
        assert np.mean(p <= level) < level + 0.03


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=8))
def test_combined_p_values_stay_between_0_and_1(p):
    combined = float(cauchy_combined(p))
    assert 0 <= combined <= 1
    assert combined >= min(p) / 2


def test_combining_equal_p_values_changes_nothing():
    assert float(cauchy_combined([0.03] * 5)) == pytest.approx(0.03)


def test_two_sample_tests_see_a_shift_and_not_nothing():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=300), rng.normal(0.5, 1, 300)
    assert two_sample_p(a, b) < 0.001 > rank_sum_p(a, b)
    assert rank_sum_p(b, a) > 0.99
    assert two_sample_p(a, []) == rank_sum_p([], a) == 1.0


def test_binomial_tail_counts_the_hits_themselves():
    assert binomial_tail(0, 10, 0.1) == 1.0
    assert binomial_tail([10], [10], 0.5)[0] == pytest.approx(0.5**10)


def test_information_is_finite_for_impossible_events():
    assert np.isfinite(information([0.0, 1.0])).all()
