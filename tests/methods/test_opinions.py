"""Opinions differ where a trigger decides, and trusted rows speak for themselves."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from tests.controls.dataset import samples

from hauberk.attacks.dataset.flip_labels import FlipLabels
from hauberk.attacks.dataset.stamp_trigger import StampTrigger
from hauberk.controls.dataset.label_flips import LabelFlips
from hauberk.core.control import NotApplicable
from hauberk.core.finding import RowScores
from hauberk.errors import UsageError
from hauberk.formats.tables import table_of
from hauberk.methods.dissent import dissent
from hauberk.methods.metrics import rate_at
from hauberk.methods.opinions import case_of


def scores_of(dataset):
    results = LabelFlips().check(dataset)
    return next(list(next(r.read())[1]) for r in results if isinstance(r, RowScores))


def test_trusted_rows_help_to_find_flips():
    x, y = samples.digits(1_500, seed=11)
    data, trusted = samples.images(x[:600], y[:600]), samples.images(x[600:], y[600:])
    attacked = FlipLabels(share=0.1).apply(data, Random(1))
    truth = np.isin(np.arange(600), attacked.rows)
    alone = rate_at(truth, scores_of(attacked.subject), 0.01)
    helped = rate_at(truth, scores_of(replace(attacked.subject, reference=trusted)), 0.01)
    assert helped > alone
    assert helped > 0.9


def test_trusted_rows_deny_what_a_trigger_affirms():
    x, y = samples.digits(1_500, seed=12)
    data, trusted = samples.images(x[:900], y[:900]), samples.images(x[900:], y[900:])
    attacked = StampTrigger(share=0.05, pattern="patch").apply(data, Random(2))
    found = case_of(replace(attacked.subject, reference=trusted))
    rows = list(attacked.rows)
    own = found.opinions.vetted[rows, found.labels[rows]]
    assert np.median(own) < np.log(0.2)


def test_a_reference_without_a_column_is_the_callers_mistake():
    rows = {"x": np.arange(60.0), "z": np.arange(60.0), "y": ["a", "b"] * 30}
    data = table_of("t", [pa.RecordBatch.from_pydict(rows)], label="y")
    less = table_of("r", [pa.RecordBatch.from_pydict({"x": rows["x"], "y": rows["y"]})], label="y")
    with pytest.raises(UsageError, match="other columns"):
        case_of(replace(data, reference=less))


def test_rows_without_a_label_column_are_not_judged():
    with pytest.raises(NotApplicable, match="label"):
        case_of(table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0] * 50})]))


def test_a_class_in_which_detail_decides_stands_out():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 4_000)
    fine = np.log(np.where(np.eye(8)[labels] > 0, 0.93, 0.01))
    other = fine + rng.normal(0, 0.3, fine.shape)
    planted = np.flatnonzero(labels == 3)[:100]
    other[planted, 3] -= 4
    found = dissent(fine, other, labels)
    assert found.excess.argmax() == 3
    assert found.chances[planted].min() > 0.9
    rest = np.setdiff1d(np.arange(4_000), planted)
    assert np.mean(found.chances[rest] > 0.5) < 0.01


def test_few_classes_are_no_null_for_each_other():
    logs = np.log(np.full((10, 2), 0.5))
    assert dissent(logs, logs, np.array([0, 1] * 5)).chances.max() == 0
