"""A copy agrees where its original stands alone; another model does not."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.errors import UsageError
from hauberk.methods.fingerprints import fingerprint

RNG = np.random.default_rng(0)
N = 3_000
INPUTS = np.arange(N)[:, None]
EASY = RNG.random(N) < 0.7
TRUTH = RNG.integers(0, 10, N)


def another() -> np.ndarray:
    """A model of the task: right where it is easy, of its own opinion elsewhere."""
    return np.where(EASY, TRUTH, RNG.integers(0, 10, N))


ORIGINAL = another()
PRINT = fingerprint(INPUTS, ORIGINAL, [another() for _ in range(4)])


def answers_of(model: np.ndarray) -> np.ndarray:
    return model[PRINT.inputs[:, 0]]


def test_a_copy_is_told_with_certainty():
    copy = np.where(RNG.random(N) < 0.6, ORIGINAL, another())
    assert PRINT.p_value(answers_of(copy)) < 1e-6


def test_other_models_are_not_taken_for_copies():
    assert min(PRINT.p_value(answers_of(another())) for _ in range(20)) > 0.01


def test_two_references_are_too_few():
    with pytest.raises(UsageError, match="no copies"):
        fingerprint(INPUTS, ORIGINAL, [another(), another()])


def test_a_model_that_never_stands_alone_has_no_fingerprint():
    with pytest.raises(UsageError, match="too little"):
        fingerprint(INPUTS, TRUTH, [TRUTH] * 3)
