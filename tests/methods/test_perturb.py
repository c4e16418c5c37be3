"""Perturbed rows stay in their ball and make the model worse, never better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.methods.perturb import (
    Ball,
    corner,
    loss_of,
    noisy,
    projected_steps,
    robust_accuracy,
    searched,
    signed_step,
)

WEIGHTS = np.random.default_rng(0).normal(size=(6, 3))
ROWS = np.random.default_rng(1).random((60, 6))
LABELS = (ROWS @ WEIGHTS).argmax(axis=1)
BALL = Ball(eps=0.2, low=0.0, high=1.0)


def scores(rows):
    return rows @ WEIGHTS


def rng():
    return np.random.default_rng(2)


WAYS = {
    "noisy": lambda ball: noisy(ROWS, ball, rng()),
    "corner": lambda ball: corner(ROWS, ball, rng()),
    "searched": lambda ball: searched(scores, ROWS, LABELS, ball, rng()),
    "signed": lambda ball: signed_step(scores, ROWS, LABELS, ball, rng()),
    "projected": lambda ball: projected_steps(scores, ROWS, LABELS, ball, rng(), n_steps=4),
}


@pytest.mark.parametrize("way", WAYS)
@given(eps=st.floats(0, 2))
def test_rows_stay_in_the_ball_and_the_range(way, eps):
    if way in ("signed", "projected") and eps > 1:
        eps -= 1
    moved = WAYS[way](Ball(eps=eps, low=0.0, high=1.0))
    assert np.all(np.abs(moved - ROWS) <= eps + 1e-12)
    assert np.all((moved >= 0) & (moved <= 1))


@pytest.mark.parametrize("way", WAYS)
def test_the_same_generator_gives_the_same_rows(way):
    assert np.array_equal(WAYS[way](BALL), WAYS[way](BALL))


@pytest.mark.parametrize("way", ["searched", "projected"])
def test_searches_never_help_the_model(way):
    before, after = loss_of(scores(ROWS), LABELS), loss_of(scores(WAYS[way](BALL)), LABELS)
    assert np.all(after >= before)


def test_searches_beat_noise_and_near_the_best_linear_attack():
    reach = np.abs(WEIGHTS[:, :, None] - WEIGHTS[:, None, :]).sum(axis=0) * BALL.eps
    free = Ball(eps=BALL.eps)
    moved = searched(scores, ROWS, LABELS, free, rng(), n_queries=200)
    clean = loss_of(scores(ROWS), LABELS)
    assert (
        loss_of(scores(noisy(ROWS, free, rng())), LABELS).mean()
        < loss_of(scores(moved), LABELS).mean()
    )
    assert np.all(loss_of(scores(moved), LABELS) <= clean + reach.max() + 1e-9)


def test_robust_accuracy_falls_with_the_ball_and_is_exact_without_one():
    found = [robust_accuracy(scores, ROWS, LABELS, Ball(eps=e), rng()) for e in (0.0, 0.05, 2.0)]
    assert found[0] == 1.0
    assert found[0] >= found[1] >= found[2] == 0.0
    assert robust_accuracy(scores, ROWS[:0], LABELS[:0], BALL, rng()) == 0.0


def test_features_have_their_own_scale():
    moved = corner(ROWS, Ball(eps=1.0, scale=np.array([0, 0, 0, 0, 0, 1.0])), rng())
    assert np.array_equal(moved[:, :5], ROWS[:, :5])
    assert np.allclose(np.abs(moved[:, 5] - ROWS[:, 5]), 1)
