import numpy as np
import pytest

from hauberk.methods import membership


def test_each_row_is_inside_of_half_of_the_shadows():
    inside = membership.halves(100, 4, np.random.default_rng(1))
    assert (inside.sum(axis=0) == 2).all()
    assert (inside.sum(axis=1) == 50).all()


def test_the_ratio_is_over_the_mean_of_knowing_and_not_knowing():
    inside = np.array([[True, False], [False, True]])
    found = membership.ratios([0.9, 0.5], [[0.8, 0.4], [0.4, 0.6]], inside)
    assert found == pytest.approx([0.9 / 0.6, 0.5 / 0.5])


def _audit(gain: float, n: int = 2000):
    rng = np.random.default_rng(2)
    member = np.arange(2 * n) < n
    inside = membership.halves(2 * n, 4, rng)
    hard = rng.uniform(0.2, 0.6, 2 * n)

    def given(knows):
        return hard + gain * knows + rng.normal(0, 0.01, 2 * n)

    return membership.exposure(given(member), [given(one) for one in inside], inside, member)


def test_members_of_a_model_that_remembers_stand_out():
    found = _audit(0.3)
    assert found.auc > 0.99
    assert all(one.low > 0.5 and one.n_false <= one.false_rate * 2000 for one in found.rates)
    assert len(found.most_exposed(5)) == 5


def test_members_of_a_model_that_does_not_are_found_by_chance_alone():
    found = _audit(0.0)
    assert found.auc == pytest.approx(0.5, abs=0.03)
    assert found.rates[0].low < 0.02


def test_a_rate_that_the_rows_cannot_show_is_left_out():
    assert [one.false_rate for one in _audit(0.0, n=500).rates] == [0.01]
