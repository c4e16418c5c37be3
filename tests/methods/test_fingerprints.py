"""A copy is nearer to its original than to models made as the original was; others are not."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.errors import UsageError
from hauberk.methods.fingerprints import fingerprint, pieced, smooth

RNG = np.random.default_rng(0)
N, CLASSES = 1_000, 5
INPUTS = np.arange(N)[:, None]
TASK = RNG.normal(0, 2, (N, CLASSES))


def scores_of(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def opinion(rng: np.random.Generator = RNG) -> np.ndarray:
    """What one model thinks beyond the task."""
    return rng.normal(size=(N, CLASSES))


OWN = opinion()
PRINT = fingerprint(INPUTS, scores_of(TASK + OWN), [scores_of(TASK + opinion()) for _ in range(15)])


def test_a_copy_is_told():
    assert PRINT.p_value(scores_of(TASK + 0.4 * OWN + opinion())) < 1e-4


def test_a_copy_is_told_by_its_labels_where_it_is_a_good_one():
    assert PRINT.p_value(scores_of(TASK + OWN + 0.3 * opinion()).argmax(axis=1)) < 1e-4


def test_p_values_of_other_models_are_those_of_chance():
    values = [PRINT.p_value(scores_of(TASK + opinion())) for _ in range(200)]
    assert min(values) > 2e-4
    assert 0.01 <= np.mean(np.array(values) < 0.1) <= 0.2


def test_models_that_share_opinions_with_each_other_are_not_taken_for_copies():
    """What misled a binomial test: all of another maker's models lean to one side at once."""
    shared = opinion()
    values = [PRINT.p_value(scores_of(TASK + shared + 0.2 * opinion())) for _ in range(20)]
    assert min(values) > 1e-3


def test_a_model_that_knows_the_task_alone_is_not_taken_for_a_copy():
    assert PRINT.p_value(scores_of(TASK)) > 0.01


def test_the_original_itself_is_told():
    assert PRINT.p_value(scores_of(TASK + OWN)) < 1e-9


def test_few_references_are_too_few():
    few = [scores_of(TASK + opinion()) for _ in range(9)]
    with pytest.raises(UsageError, match="no copies"):
        fingerprint(INPUTS, scores_of(TASK + OWN), few)


def test_the_original_is_no_reference_of_itself():
    with pytest.raises(UsageError, match="says what the original says"):
        fingerprint(
            INPUTS,
            scores_of(TASK + OWN),
            [scores_of(TASK + OWN), *(scores_of(TASK + opinion()) for _ in range(10))],
        )


def test_scores_of_other_inputs_are_no_references():
    with pytest.raises(UsageError, match="every model for every input"):
        fingerprint(INPUTS, scores_of(TASK), [scores_of(TASK[:50])] * 10)


@pytest.mark.parametrize(
    "answers",
    [np.zeros(N - 1, int), np.full(N, CLASSES), np.full(N, 0.5), np.zeros((N, CLASSES + 1))],
)
def test_other_answers_are_refused(answers):
    with pytest.raises(UsageError, match="not answers"):
        PRINT.p_value(answers)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(UsageError, match="must be numbers"):
        PRINT.p_value(np.full((N, CLASSES), np.nan))


def test_pieces_come_from_pictures():
    images = np.arange(1, 4)[:, None, None] * np.ones((3, 6, 6))
    made = pieced(images, 20, np.random.default_rng(1)).reshape(20, 6, 6)
    assert set(np.unique(made)) <= {1.0, 2.0, 3.0}
    assert all(np.unique(one[:3, :3]).size == 1 for one in made)


def test_smooth_pictures_lie_within_bounds_and_change_slowly():
    made = smooth(14, 50, np.random.default_rng(1)).reshape(50, 14, 14)
    assert made.min() >= 0
    assert made.max() <= 1
    assert np.abs(np.diff(made, axis=1)).mean() < 0.1
