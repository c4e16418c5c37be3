"""Reported numbers against what the model scores."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from hauberk.attacks.model.inflate_metrics import InflateMetrics
from hauberk.controls.model.metric_mismatch import MetricMismatch
from hauberk.core.artifact import Batch, Evaluation, ModelFile
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Outcome
from hauberk.engine import assess
from hauberk.errors import UnavailableError, UsageError
from hauberk.formats.tables import table_of
from hauberk.methods.scoring import computed, judge_rows, metric_name


@dataclass(frozen=True)
class Column:
    """A model that reads its scores off a column."""

    classes: tuple[str, ...]

    def scores(self, batch: Batch) -> Any:
        values = np.asarray(batch.column("score").to_pylist(), float)
        return np.stack([1 - values, values], axis=1) if self.classes else values


def evaluation(reported: Mapping[str, float], seed: int = 0, *, classes: bool = True) -> Evaluation:
    rng = np.random.default_rng(seed)
    scores = rng.random(300)
    truth = (
        (scores + rng.normal(0, 0.3, 300) > 0.5).astype(int)
        if classes
        else scores * 2 + rng.random(300)
    )
    data = table_of("sealed", [pa.record_batch({"score": scores, "y": truth})], label="y")
    names = ("0", "1") if classes else ()
    model = ModelFile(name="model", path=Path("model.onnx"))
    return Evaluation(model=model, predictor=Column(names), data=data, reported=reported)


def honest(seed: int = 0) -> Evaluation:
    judged = judge_rows(evaluation({}, seed).predictor, evaluation({}, seed).data)
    return evaluation(computed(judged, ("accuracy", "roc_auc", "f1")), seed)


def found(subject: Evaluation) -> list[str | None]:
    return [finding.location.field for finding in MetricMismatch().check(subject)]


@given(st.integers(0, 50))
def test_honest_reports_pass(seed: int) -> None:
    assert found(honest(seed)) == []


def test_rounding_to_three_decimals_is_honest() -> None:
    reported = {name: round(value, 3) for name, value in honest().reported.items()}
    assert found(evaluation(reported)) == []


@given(st.integers(0, 200))
def test_every_inflated_report_is_found(seed: int) -> None:
    attacked = InflateMetrics().apply(honest(seed), random.Random(seed))
    assert found(attacked.subject)


@pytest.mark.parametrize("way", ["drop", "round", "edit"])
def test_each_way_of_inflating_is_found(way: str) -> None:
    attacked = InflateMetrics(way=way).apply(honest(3), random.Random(0))
    assert found(attacked.subject)


def test_a_difference_of_a_tenth_of_a_point_is_found_and_less_is_not() -> None:
    accuracy = honest().reported["accuracy"]
    assert found(evaluation({"accuracy": accuracy + 0.001})) == ["accuracy"]
    assert found(evaluation({"accuracy": accuracy + 0.0009})) == []


def test_metrics_agree_with_scikit_learn() -> None:
    subject = evaluation({})
    judged = judge_rows(subject.predictor, subject.data)
    predicted = [judged.classes[i] for i in judged.scores.argmax(axis=1)]
    positive = [name == "1" for name in judged.truth]
    expected = {
        "accuracy": metrics.accuracy_score(judged.truth, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(judged.truth, predicted),
        "precision": metrics.precision_score(judged.truth, predicted, pos_label="1"),
        "recall": metrics.recall_score(judged.truth, predicted, pos_label="1"),
        "f1": metrics.f1_score(judged.truth, predicted, pos_label="1"),
        "f1_macro": metrics.f1_score(judged.truth, predicted, average="macro"),
        "roc_auc": metrics.roc_auc_score(positive, judged.scores[:, 1]),
        "log_loss": metrics.log_loss(positive, judged.scores),
    }
    assert computed(judged, expected) == pytest.approx(expected)


def test_metrics_of_numbers_agree_with_scikit_learn() -> None:
    subject = evaluation({}, classes=False)
    judged = judge_rows(subject.predictor, subject.data)
    expected = {
        "mse": metrics.mean_squared_error(judged.truth, judged.scores),
        "mae": metrics.mean_absolute_error(judged.truth, judged.scores),
        "r2": metrics.r2_score(judged.truth, judged.scores),
    }
    assert computed(judged, expected) == pytest.approx(expected)


def test_a_metric_that_is_not_known_is_never_a_pass() -> None:
    with pytest.raises(UnavailableError, match="uplift"):
        found(evaluation({"uplift": 0.9}))


def test_a_wrong_number_beside_an_unknown_one_is_still_told() -> None:
    assessment = assess(MetricMismatch(), evaluation({"accuracy": 1.5, "uplift": 1.0}))
    assert (assessment.outcome, len(assessment.findings)) == (Outcome.FAILED, 1)


def test_nan_is_no_report() -> None:
    assert found(evaluation({"accuracy": float("nan")})) == ["accuracy"]


def test_without_a_report_there_is_nothing_to_hold_against() -> None:
    with pytest.raises(NotApplicable):
        found(evaluation({}))


def test_without_a_label_the_caller_is_told() -> None:
    subject = honest()
    unlabelled = table_of("sealed", [pa.record_batch({"score": [0.5]})])
    with pytest.raises(UsageError, match="label"):
        judge_rows(subject.predictor, unlabelled)


@pytest.mark.parametrize(
    ("reported", "meant"),
    [("val_acc", "accuracy"), ("Test ROC AUC", "roc_auc"), ("f1-score", "f1"), ("speed", None)],
)
def test_projects_name_metrics_in_their_own_way(reported: str, meant: str | None) -> None:
    assert metric_name(reported) == meant
