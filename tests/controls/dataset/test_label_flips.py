"""What `LabelFlips` sees, and that it is silent where there is nothing."""

from __future__ import annotations

from random import Random

import numpy as np
import pyarrow as pa
import pytest
from tests.controls.dataset import samples

from hauberk.attacks.dataset.flip_labels import FlipLabels
from hauberk.controls.dataset.label_flips import LabelFlips
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, RowScores
from hauberk.formats.tables import table_of
from hauberk.methods.metrics import rate_at


def judged(dataset):
    results = list(LabelFlips().check(dataset))
    scores = np.concatenate(
        [part for r in results if isinstance(r, RowScores) for _, part in r.read()]
    )
    return [r for r in results if isinstance(r, Finding)], scores


@pytest.fixture(scope="module")
def clean():
    return samples.images(*samples.digits())


def test_clean_digits_have_scores_and_no_finding(clean):
    findings, scores = judged(clean)
    assert findings == []
    assert scores.shape == (600,)
    assert np.all((scores >= 0) & (scores <= 1))


def test_random_flips_are_flagged_and_named(clean):
    attacked = FlipLabels(share=0.1).apply(clean, Random(1_001))
    findings, scores = judged(attacked.subject)
    truth = np.isin(np.arange(600), attacked.rows)
    assert len(findings) == 1
    assert len(set(findings[0].location.rows) & set(attacked.rows)) >= 8
    assert rate_at(truth, scores, 0.01) > 0.8
    assert np.mean(truth[scores > 0.5]) > 0.7


def test_a_flipped_pair_of_classes_is_named_in_the_evidence():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 900)
    x = np.eye(3)[y] * 6 + rng.normal(size=(900, 3))
    attacked = FlipLabels(share=0.2, choice="targeted").apply(samples.table(x, y), Random(7))
    findings, _ = judged(attacked.subject)
    (pair,) = attacked.truth["pairs"]
    assert f"{pair[0]} labelled {pair[1]}" in findings[0].evidence.facts["strongest pair"]


def test_the_same_rows_get_the_same_scores(clean):
    assert np.array_equal(judged(clean)[1], judged(clean)[1])


def test_classes_that_overlap_are_no_finding():
    rng = np.random.default_rng(0)
    noise = samples.table(rng.normal(size=(400, 3)), rng.integers(0, 2, 400))
    assert judged(noise)[0] == []


def test_rows_without_a_label_score_nothing():
    x, y = samples.cancer()
    labels = [None if i < 5 else int(v) for i, v in enumerate(y)]
    rows = next(samples.table(x, y).read()).set_column(12, "y", pa.array(labels))
    assert judged(table_of("t", [rows], label="y"))[1][:5].tolist() == [0.0] * 5


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({"x": [1.0], "y": [1]}, None),
        ({"x": [1.0] * 50, "y": [1] * 50}, "y"),
        ({"x": [1.0] * 50, "y": list(range(50))}, "y"),
        ({"x": [], "y": []}, "y"),
        ({"y": [0, 1] * 40}, "y"),
    ],
)
def test_what_cannot_be_judged_is_not_applicable(columns, label):
    table = table_of("t", [pa.RecordBatch.from_pydict(columns)], label=label)
    with pytest.raises(NotApplicable):
        judged(table)


def test_votes_on_the_same_things_are_left_to_the_control_for_annotators():
    rng = np.random.default_rng(8)
    x = np.repeat(rng.normal(size=(130, 3)), 3, axis=0)
    y = np.where((x[:, 0] > 0) != (rng.random(390) < 0.08), "a", "b")
    who = [f"p{i % 5}" for i in range(390)]
    rows = pa.RecordBatch.from_pydict({f"x{i}": x[:, i] for i in range(3)} | {"y": y, "who": who})
    findings, scores = judged(table_of("votes", [rows], label="y", annotator="who"))
    assert findings == []
    assert scores.size == 390


def test_amounts_are_no_classes():
    rng = np.random.default_rng(9)
    rows = pa.RecordBatch.from_pydict(
        {"x": rng.normal(size=600), "y": rng.choice([0.0, 0.6153846, 1.5, 2.25, 3.1], 600)}
    )
    with pytest.raises(NotApplicable, match="no class"):
        judged(table_of("hours", [rows], label="y"))
