import random

import pytest

from hauberk.errors import ArtifactError, InternalError, TrustError
from hauberk.range.outcomes import auroc, recall_at, refuses, split_scores


def raising(error: Exception):
    def act() -> None:
        raise error

    return act


def test_recall_counts_only_rows_above_the_clean_threshold():
    scores = [i / 100 for i in range(100)]
    assert recall_at(scores, {99, 98, 10}, 0.01) == (2 / 3, 0.0)


def test_ties_never_help():
    assert recall_at([0.5] * 10, {0, 1}, 0.1) == (0.0, 0.0)


def test_the_realised_false_alarm_rate_stays_below_the_allowed_one():
    rng = random.Random(1)
    scores = [rng.random() for _ in range(1000)]
    _, rate = recall_at(scores, range(100), 0.01)
    assert rate == pytest.approx(9 / 900)


def test_auroc_equals_the_reference_also_with_ties():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = random.Random(2)
    scores = [rng.randrange(20) / 20 for _ in range(300)]
    labels = [row < 60 for row in range(300)]
    assert auroc(scores, range(60)) == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_rows_of_one_kind_cannot_be_told_apart():
    with pytest.raises(InternalError, match="change some rows"):
        split_scores([1.0, 2.0], ())


def test_a_door_refuses_with_an_error_of_the_subject():
    assert refuses(raising(TrustError("no")))
    assert refuses(raising(ArtifactError("no")))
    assert not refuses(lambda: None)


def test_our_own_failure_is_no_refusal():
    with pytest.raises(InternalError):
        refuses(raising(InternalError("oops")))
    with pytest.raises(TypeError):
        refuses(raising(TypeError("oops")))
