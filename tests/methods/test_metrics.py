"""Metrics agree with scikit-learn and with themselves under splitting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

from hauberk.errors import UsageError
from hauberk.methods.metrics import count, rate_at, roc_auc, roc_auc_of_classes

CLASSES = ("a", "b", "c")
ROWS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES), st.sampled_from("mf")),
    min_size=1,
    max_size=50,
)


@given(ROWS, st.integers(0, 50))
def test_counts_of_parts_add_up_and_agree_with_scikit_learn(rows, cut):
    def counted(part):
        truth, predicted, group = zip(*part, strict=True) if part else ((), (), ())
        return count(truth, predicted, group, classes=CLASSES, group_names="mf")

    whole = counted(rows)
    assert np.array_equal((counted(rows[:cut]) + counted(rows[cut:])).cube, whole.cube)
    truth, predicted, _ = zip(*rows, strict=True)
    assert np.array_equal(whole.confusion, confusion_matrix(truth, predicted, labels=CLASSES))
    assert whole.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert 0 <= whole.equalized_odds_difference() <= 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60))
def test_roc_auc_counts_ties_half(rows):
    truth, scores = zip(*rows, strict=True)
    if len(set(truth)) == 2:
        assert roc_auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
    else:
        assert roc_auc(truth, scores) == 0.5


def test_roc_auc_of_many_classes_is_the_mean_against_the_rest():
    rng = np.random.default_rng(0)
    truth = rng.choice(CLASSES, 100)
    scores = rng.dirichlet([1, 1, 1], 100)
    expected = roc_auc_score(truth, scores, multi_class="ovr", labels=list(CLASSES))
    assert roc_auc_of_classes(truth, scores, CLASSES) == pytest.approx(expected)
    two = roc_auc_of_classes(truth[truth != "c"], scores[truth != "c"][:, :2], ("a", "b"))
    assert 0 < two < 1
    assert roc_auc_of_classes([], np.zeros((0, 3)), CLASSES) == 0.5


def test_equalized_odds_is_the_larger_of_two_gaps():
    truth = ["y"] * 4 + ["n"] * 4
    predicted = ["y", "y", "y", "n", "n", "n", "y", "n"]
    groups = ["m", "m", "f", "f", "m", "m", "f", "f"]
    table = count(truth, predicted, groups)
    assert table.equalized_odds_difference() == 0.5
    assert table.accuracy_by_group() == {"f": 0.5, "m": 1.0}


def test_one_group_has_no_gap():
    assert count(["y", "n"], ["n", "n"]).equalized_odds_difference() == 0.0
    assert count([], []).accuracy == 0.0


def test_rows_must_fit_each_other():
    with pytest.raises(UsageError):
        count(["a"], ["b"], classes=("a",))
    with pytest.raises(UsageError):
        count(["a"], [])
    with pytest.raises(UsageError):
        count(["a"], ["a"]) + count(["b"], ["b"])


def test_a_score_shared_by_many_earns_nothing():
    truth = [True] * 10 + [False] * 90
    assert rate_at(truth, [1.0] * 100, 0.01) == 0.0
    assert rate_at(truth, [1.0] * 10 + [0.0] * 90, 0.01) == 1.0
    assert rate_at([False], [0.0], 0.01) == 0.0
    assert rate_at([True, False], [0.0, 0.0], 1.0) == 1.0
