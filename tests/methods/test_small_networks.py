"""Small networks learn what they are shown, and go on from where they were."""

from __future__ import annotations

import numpy as np

from hauberk.methods.small_networks import Recipe, one_hot, trained

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 8)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
NETWORK = trained(X, one_hot(Y, 2), Recipe(hidden=32, epochs=60, batch=20), RNG)


def test_a_network_learns_what_no_line_tells_apart():
    assert (NETWORK.labels(X) == Y).mean() > 0.95


def test_the_gradient_is_the_slope_of_the_loss():
    row, target = X[:1].astype(np.float64), one_hot(np.array([1]), 2)
    loss = lambda x: float(-np.log(NETWORK.scores(x)[0, 1]))  # noqa: E731 - one line each
    step = np.zeros((1, 8))
    step[0, 2] = 1e-4
    slope = (loss(row + step) - loss(row - step)) / 2e-4
    assert abs(slope - NETWORK.gradient(row, target)[0, 2]) < 1e-3


def test_training_goes_on_from_a_start_and_leaves_it_as_it_is():
    before = NETWORK.w1.copy()
    further = trained(
        X, one_hot(1 - Y, 2), Recipe(epochs=120, batch=20, rate=0.01), RNG, start=NETWORK
    )
    assert np.array_equal(NETWORK.w1, before)
    assert (further.labels(X) != Y).mean() > 0.8
