"""Drift is seen where it is and not where it is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.formats.tables import table_of
from hauberk.sketches.drift import chi_square_tail, distance
from hauberk.sketches.profile import profile_of


def profile(**columns):
    return profile_of(table_of("t", [pa.RecordBatch.from_pydict(columns)]))


def sample(seed, n=1_000, shift=0.0, share=0.5, gaps=0.0):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(shift, 1, n)
    words = np.where(rng.random(n) < share, "a", "b")
    return profile(x=pa.array(numbers, mask=rng.random(n) < gaps), c=words)


def drifted(reference, live):
    return [column.name for column in distance(reference, live) if column.drifted]


def test_the_column_that_moved_is_named():
    assert drifted(sample(1), sample(2, shift=0.4)) == ["x"]
    assert drifted(sample(1), sample(2, share=0.7)) == ["c"]
    assert drifted(sample(1), sample(2, gaps=0.2)) == ["x"]


def test_clean_pairs_rarely_alarm():
    alarms = sum(bool(drifted(sample(i), sample(i + 1_000, n=300))) for i in range(200))
    assert alarms <= 4


def test_tiny_samples_do_not_alarm():
    assert drifted(sample(1), sample(2, n=3)) == []


def test_new_categories_and_values_out_of_range_are_unseen():
    reference = profile(x=np.linspace(0, 1, 500), c=["a"] * 500)
    live = profile(x=np.linspace(0, 2, 400), c=["a"] * 300 + ["z"] * 100)
    x, c = distance(reference, live)
    assert x.drifted
    assert 0.45 < x.unseen < 0.55
    assert c.drifted
    assert c.unseen == 0.25


def test_everything_unseen_is_certain():
    found = distance(profile(c=["a"] * 100), profile(c=["b"] * 100))[0]
    assert found.unseen == 1.0
    assert found.p_value < 1e-9


def test_equal_profiles_have_no_distance():
    one = sample(1)
    assert all(
        column.shape == 0 and column.p_value > 0.9 and abs(column.psi) < 1e-9
        for column in distance(one, one)
    )


def test_a_difference_too_small_to_matter_is_no_drift():
    assert drifted(sample(1, n=200_000), sample(2, n=200_000, shift=0.03)) == []


def test_columns_of_one_side_only_are_left_out():
    assert [c.name for c in distance(profile(x=[1.0], y=[1.0]), profile(y=[1.0]))] == ["y"]


def test_empty_and_overflown_columns_say_nothing():
    many = [str(i) for i in range(2_000)]
    assert drifted(profile(c=many), profile(c=["q"] * 100)) == []
    empty = pa.array([None] * 5, pa.float64())
    assert drifted(profile(x=empty), profile(x=[1.0])) == []
    none = profile_of(
        table_of("t", [pa.RecordBatch.from_pydict({"x": pa.array([], pa.float64())})])
    )
    assert drifted(profile(x=[1.0]), none) == []


@pytest.mark.parametrize(
    ("x", "k", "p"), [(6.635, 1, 0.01), (23.209, 10, 0.01), (135.8, 100, 0.01)]
)
def test_the_tail_of_chi_square_is_close(x, k, p):
    assert chi_square_tail(x, k) == pytest.approx(p, rel=0.1)
    assert chi_square_tail(0, k) == 1.0
