import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk import catalogue
from hauberk.core.threat import Statistic
from hauberk.range.intervals import fewest_trials, median_bounds, share_bounds
from hauberk.range.judge import is_refusal

PARTS = [
    (threat.id, target) for threat in catalogue.threats().values() for target in threat.targets
]


@settings(deadline=None)
@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_share_bounds_equal_the_beta_quantiles(counts):
    stats = pytest.importorskip("scipy.stats")
    successes, trials = counts
    low, high = share_bounds(successes, trials)
    want_low = stats.beta.ppf(0.05, successes, trials - successes + 1) if successes else 0.0
    misses = trials - successes
    want_high = stats.beta.ppf(0.95, successes + 1, misses) if misses else 1.0
    assert low == pytest.approx(want_low, abs=1e-9)
    assert high == pytest.approx(want_high, abs=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_share_bounds_hold_the_share_and_mirror_each_other(counts):
    successes, trials = counts
    low, high = share_bounds(successes, trials)
    mirrored = share_bounds(trials - successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_no_miss_proves_what_the_rule_of_three_says():
    for trials in (30, 100, 1000):
        assert 1 - share_bounds(trials, trials)[0] == pytest.approx(3 / trials, rel=0.06)


@pytest.mark.parametrize("counts", [(0, 0), (-1, 3), (4, 3)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="expected"):
        share_bounds(*counts)


@pytest.mark.parametrize(("trials", "rank"), [(5, 1), (8, 2), (10, 2), (20, 6), (50, 19)])
def test_median_bounds_are_the_tabulated_order_statistics(trials, rank):
    assert median_bounds(range(1, trials + 1)) == (rank, trials + 1 - rank)


@given(st.integers(5, 200))
def test_median_bounds_cover_at_the_promised_rate(trials):
    binom = pytest.importorskip("scipy.stats").binom
    low, _ = median_bounds(range(1, trials + 1))
    assert binom.cdf(low - 1, trials, 0.5) <= 0.05 < binom.cdf(low, trials, 0.5)


def test_four_values_bound_no_median():
    assert median_bounds([1.0, 2.0, 3.0, 4.0]) is None
    assert median_bounds([]) is None


@pytest.mark.parametrize(("threat_id", "target"), PARTS)
def test_a_target_can_be_met_in_the_trials_that_it_names(threat_id, target):
    if target.statistic is Statistic.MEDIAN:
        assert target.trials >= 5
    elif not is_refusal(target):
        assert target.trials >= fewest_trials(target.value, misses=0)


@pytest.mark.parametrize(("threat_id", "target"), PARTS)
def test_a_rate_allows_a_miss_unless_its_number_was_fixed(threat_id, target):
    fixed = {("EX-12", "false_alarms"), ("AQ-5", "detected")}
    if target.statistic is Statistic.SHARE and not is_refusal(target):
        allows = target.trials >= fewest_trials(target.value)
        assert allows or (threat_id, target.metric) in fixed
