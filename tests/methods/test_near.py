"""Ratios of distances give valid p-values, and copies fall far outside."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.formats.tables import table_of
from hauberk.methods import embed, near


@pytest.mark.parametrize("width", [2, 5, 20])
def test_p_values_of_fresh_rows_are_valid(width):
    rng = np.random.default_rng(width)
    columns = {f"c{i}": rng.normal(size=3_000) for i in range(width)}
    rows = embed.load(table_of("t", [pa.RecordBatch.from_pydict(columns)]))
    found = near.table_copies(rows, np.arange(2_000, 3_000), np.arange(2_000))
    for level in (0.1, 0.01, 0.001):
        assert np.mean(found.p_values <= level) <= 1.5 * level + 0.002


def test_a_jittered_copy_is_surprising_and_its_original_named():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 6))
    x = np.concatenate([x, x[7:8] + 1e-4])
    rows = embed.load(
        table_of("t", [pa.RecordBatch.from_pydict({f"c{i}": c for i, c in enumerate(x.T)})])
    )
    found = near.table_copies(rows, np.array([500]), np.arange(500))
    assert found.p_values[0] < 1e-9
    assert found.originals[0] == 7


def test_repeats_in_the_null_blunt_the_test():
    sharp = near.ratio_p_values(np.array([0.1]), np.full(100, 0.9))
    blunt = near.ratio_p_values(
        np.array([0.1]), np.concatenate([np.full(90, 0.9), np.full(10, 0.01)])
    )
    assert sharp < blunt


def test_a_pool_of_one_row_proves_nothing():
    rows = embed.load(table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0, 2.0]})]))
    assert near.table_copies(rows, np.array([1]), np.array([0])).p_values.tolist() == [1.0]


def test_a_grid_has_a_resolution_and_constants_have_none():
    rows = embed.load(
        table_of("t", [pa.RecordBatch.from_pydict({"x": [0.0, 1.0, 2.0], "c": [5.0] * 3})])
    )
    assert near.resolution(rows) == pytest.approx(0.5 / np.std([0, 1, 2]))


def test_minimum_hashes_estimate_the_share_of_common_shingles():
    words = [f"w{i}" for i in range(200)]
    one, two = " ".join(words), " ".join(words[:150] + ["x"] * 50)
    same = np.mean(near.minimum_hashes(one) == near.minimum_hashes(two))
    assert 0.4 < same < 0.9
    assert np.array_equal(near.minimum_hashes(one), near.minimum_hashes(one.upper()))
    assert near.minimum_hashes("").shape == (near.N_HASHES,)


def test_more_copies_than_repeats_explain_are_an_excess():
    assert near.exact_excess(0, 100, 0, 100) == 1.0
    assert near.exact_excess(10, 100, 0, 1_000) < 1e-9
    assert near.exact_excess(10, 100, 100, 1_000) > 0.1
