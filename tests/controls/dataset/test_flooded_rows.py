"""Copies with noise are named; honest crowds and repeats are not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.flooded_rows import FloodedRows
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding
from hauberk.formats.tables import table_of


def named(x):
    rows = pa.RecordBatch.from_pydict({f"x{i}": x[:, i] for i in range(x.shape[1])})
    found = FloodedRows().check(table_of("t", [rows]))
    return [row for f in found if isinstance(f, Finding) for row in f.location.rows]


def test_a_row_copied_with_little_noise_is_named_with_all_its_copies():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(900, 6)) * 10
    x[300:390] = x[7] * (1 + rng.normal(0, 1e-4, (90, 6)))
    assert named(x) == [7, *range(300, 390)]


def test_groups_of_different_spread_are_no_flood():
    rng = np.random.default_rng(2)
    group = rng.integers(0, 4, 800)
    centres, spreads = rng.normal(0, 4, (4, 5)), np.array([0.3, 0.8, 1.5, 2.5])
    assert named(centres[group] + spreads[group][:, None] * rng.normal(size=(800, 5))) == []


def test_counts_that_repeat_are_not_looked_at():
    with pytest.raises(NotApplicable):
        named(np.random.default_rng(3).integers(0, 9, (500, 5)).astype(float))
