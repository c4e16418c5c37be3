"""Outliers stand out of their rows; skewed columns and constant ones do not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.controls.dataset import samples

from hauberk.controls.dataset.distorted_values import DistortedValues
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.formats.tables import table_of
from hauberk.methods.metrics import rate_at


def judged(x):
    rows = pa.RecordBatch.from_pydict({f"c{chr(97 + i)}": column for i, column in enumerate(x.T)})
    results = list(DistortedValues().check(table_of("t", [rows])))
    scores = next(list(next(r.read())[1]) for r in results if isinstance(r, RowScores))
    return [r for r in results if isinstance(r, Finding)], scores


def sums(n=600, seed=0):
    x = np.random.default_rng(seed).normal(50, 5, (n, 4))
    return np.column_stack([x, x.sum(axis=1) + np.random.default_rng(seed + 1).normal(0, 1, n)])


def test_outliers_are_named_with_their_column():
    x = sums()
    x[:12, 2] *= 25
    findings, scores = judged(x)
    assert findings[0].level is Level.REVIEW
    assert findings[0].location.field == "cc"
    assert rate_at(np.arange(600) < 12, scores, 0.01) == 1.0


def test_another_unit_is_seen_against_the_rest_of_the_row():
    x = sums()
    x[:15, 4] /= 2.54
    _, scores = judged(x)
    assert rate_at(np.arange(600) < 15, scores, 0.01) == 1.0


def test_honest_tables_are_silent():
    measured, _ = samples.cancer()
    assert judged(measured)[0] == []
    assert judged(sums(seed=7))[0] == []


def test_rare_amounts_do_not_stand_out_of_zeros():
    x = sums()
    x[:, 0] = np.where(np.arange(600) % 20 == 0, 5_000, 0)
    assert judged(x)[0] == []


def test_one_column_says_nothing_of_itself():
    with pytest.raises(NotApplicable):
        judged(np.ones((100, 1)))


def test_a_long_tail_explains_its_far_end():
    draws = np.random.default_rng(3)
    x = np.column_stack([draws.standard_t(1.5, 2_000) for _ in range(4)])
    assert judged(x)[0] == []


def test_columns_that_are_large_together_fit_each_other():
    draws = np.random.default_rng(4)
    size = np.where(np.arange(900) % 60 == 0, 400.0, 1.0) * draws.normal(20, 1, 900)
    tail = draws.exponential(40, 900)
    x = np.column_stack([size + tail, size + tail + draws.normal(0, 0.5, 900), tail])
    assert judged(x)[0] == []


def test_outliers_of_a_measured_target_are_named():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(400, 3))
    y = 200 + 40 * x[:, 0] + 60 * rng.normal(size=400)
    rows = np.arange(5, 400, 40)
    y[rows] = y.max() + np.ptp(y) * rng.uniform(0.6, 2, rows.size)
    columns = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}
    subject = table_of("t", [pa.RecordBatch.from_pydict(columns)], label="y")
    found = [r for r in DistortedValues().check(subject) if isinstance(r, Finding)]
    assert {f.location.field for f in found} == {"y"}
    assert set(found[0].location.rows) <= set(rows.tolist())
