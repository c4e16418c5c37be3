"""Copies across a split, exact and disguised, and silence on clean splits."""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets
from tests.controls.dataset import samples

from hauberk.attacks.dataset.leak_rows import LeakRows
from hauberk.controls.dataset.split_leakage import SplitLeakage
from hauberk.core.artifact import Splits
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.errors import UsageError
from hauberk.formats.tables import table_of
from hauberk.methods.metrics import rate_at

IMAGES = samples.split(samples.images, *samples.digits(800, seed=1_000))
TABLE = samples.split(samples.table, *samples.cancer())


def judged(splits):
    results = list(SplitLeakage().check(splits))
    scores = [list(part) for r in results if isinstance(r, RowScores) for _, part in r.read()]
    return [r for r in results if isinstance(r, Finding)], scores[0]


@pytest.mark.parametrize("disguise", ["exact", "jitter", "shift", "brightness", "mirror"])
def test_leaked_images_are_found_under_every_disguise(disguise):
    attacked = LeakRows(share=0.05, disguise=disguise).apply(IMAGES, Random(1_000))
    findings, scores = judged(attacked.subject)
    truth = np.isin(np.arange(len(scores)), attacked.rows)
    assert [finding.level for finding in findings] == [Level.DEFECT]
    assert rate_at(truth, scores, 0.01) >= 0.9


@pytest.mark.parametrize("disguise", ["exact", "jitter"])
def test_leaked_rows_of_a_table_are_found(disguise):
    attacked = LeakRows(share=0.05, disguise=disguise).apply(TABLE, Random(1_000))
    findings, scores = judged(attacked.subject)
    truth = np.isin(np.arange(len(scores)), attacked.rows)
    assert findings[0].level is Level.DEFECT
    assert set(findings[0].location.rows) <= set(attacked.rows)
    assert rate_at(truth, scores, 0.01) == 1.0


@pytest.mark.parametrize("clean", [IMAGES, TABLE])
def test_clean_splits_are_silent(clean):
    assert judged(clean)[0] == []


def test_an_equal_row_on_a_coarse_grid_is_chance():
    x, y = datasets.load_iris(return_X_y=True)
    order = [*(i for i in range(150) if i != 142), 142]
    assert np.array_equal(x[101], x[142])
    assert judged(samples.split(samples.table, x[order], y[order]))[0] == []


def test_more_equal_rows_than_chance_brings_are_for_review_and_many_a_defect():
    x, y = datasets.load_iris(return_X_y=True)
    for n_copies, level in ((1, Level.REVIEW), (6, Level.DEFECT)):
        copied = np.concatenate([x, x[:n_copies]]), np.concatenate([y, y[:n_copies]])
        findings, _ = judged(samples.split(samples.table, *copied, share=120 / len(copied[0])))
        assert [finding.level for finding in findings] == [level]


def test_a_copied_row_with_another_label_is_a_copy():
    x, y = samples.cancer()
    test = samples.table(x[:3], 1 - y[:3], "test")
    findings, _ = judged(Splits(train=samples.table(x, y, "train"), test=test))
    assert findings[0].evidence.value == 3


def with_columns(**columns):
    return table_of("part", [pa.RecordBatch.from_pydict(columns)], label="y")


def test_groups_on_both_sides_are_counted():
    train = with_columns(x=[1.0, 2.0, 3.0], g=["a", "b", None], y=[0, 1, 0])
    test = with_columns(x=[7.5, 8.5], g=["b", None], y=[0, 1])
    findings, _ = judged(Splits(train=train, test=test, group="g"))
    assert "1 groups of g" in findings[0].message
    assert findings[0].location.rows == (0,)


def test_rows_older_than_the_training_rows_are_counted():
    train = with_columns(x=[1.0, 2.0, 3.0], t=[1, 5, 9], y=[0, 1, 0])
    test = with_columns(x=[7.5, 8.5], t=[8, 10], y=[0, 1])
    findings, _ = judged(Splits(train=train, test=test, time="t"))
    assert findings[0].location.rows == (0,)


def test_a_validation_set_is_judged_too():
    splits = dataclasses.replace(TABLE, validation=dataclasses.replace(TABLE.train, name="v"))
    assert [finding.path for finding in judged(splits)[0]] == ["v"]


def test_copied_texts_are_found():
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(300)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(120)]
    copied = [text + " again" for text in texts[:6]]
    train = with_columns(t=texts[:100], y=[0, 1] * 50)
    test = with_columns(t=[*texts[100:], *copied], y=[0] * 26)
    findings, _ = judged(Splits(train=train, test=test))
    assert findings[0].location.rows == (20, 21, 22, 23, 24, 25)


def test_different_columns_are_not_applicable():
    with pytest.raises(NotApplicable):
        judged(Splits(train=with_columns(x=[1.0], y=[1]), test=with_columns(z=[1.0], y=[1])))


@pytest.mark.parametrize("disguise", ["shift", "nonsense"])
def test_a_disguise_must_fit_the_data(disguise):
    with pytest.raises(UsageError):
        LeakRows(disguise=disguise).apply(TABLE, Random(0))
    with pytest.raises(UsageError):
        LeakRows(disguise="nonsense").apply(IMAGES, Random(0))
