"""Keyed answers: the class on top and its size, and nothing else that could be averaged out."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.formats.v2 import Datatype, Request, Tensor
from hauberk.guard.shaping import Detail, Level, Occasion, shape

RNG = np.random.default_rng(0)
SCORES = RNG.dirichlet(np.full(6, 0.4), 300)


def occasion(key: bytes = b"k" * 32) -> Occasion:
    detail = Detail(detail=Level.KEYED)
    return Occasion(request=Request(inputs=()), principal="p", detail=detail, key=key)


def shown(rows: np.ndarray, key: bytes = b"k" * 32) -> np.ndarray:
    tensor = Tensor(
        name="s", datatype=Datatype.FP32, shape=rows.shape, values=rows.reshape(-1).tolist()
    )
    (answer,) = shape((tensor,), occasion(key))
    return np.array(answer.values).reshape(rows.shape)


def test_the_class_on_top_stays_on_top():
    assert np.array_equal(shown(SCORES).argmax(axis=1), SCORES.argmax(axis=1))


@pytest.mark.parametrize("n_classes", [2, 3, 10, 100])
def test_the_top_stays_ahead_even_where_the_model_is_unsure(n_classes):
    rows = RNG.dirichlet(np.full(n_classes, 50.0), 100)
    answers = shown(rows)
    assert np.array_equal(answers.argmax(axis=1), rows.argmax(axis=1))
    assert np.allclose(answers.sum(axis=1), 1, atol=0.01)
    assert answers.min() >= 0


def test_the_same_input_gets_the_same_answer():
    assert np.array_equal(shown(SCORES), shown(SCORES))


def test_a_slightly_changed_input_averages_nothing_out():
    row = np.array([[0.62, 0.2, 0.1, 0.05, 0.02, 0.01]])
    nearby = row + RNG.normal(0, 0.002, (50, 6))
    nearby /= nearby.sum(axis=1, keepdims=True)
    assert len(np.unique(shown(nearby), axis=0)) == 1


def test_another_key_shares_the_rest_differently():
    assert not np.array_equal(shown(SCORES), shown(SCORES, b"other"))


def test_numbers_that_are_no_shares_come_as_labels():
    rows = np.array([[-3.0, 8.0, 1.0]])
    assert shown(rows).tolist() == [[0.0, 1.0, 0.0]]
