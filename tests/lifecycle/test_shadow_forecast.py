"""What shadow models are thought to cost before they are trained."""

from __future__ import annotations

import time

import numpy as np

from hauberk.lifecycle.workers import shadowing


def test_a_forecast_follows_how_the_cost_grows_with_the_rows():
    def fit(chosen, _seed):
        until = time.process_time() + 2e-5 * len(chosen)
        while time.process_time() < until:
            pass

    found = shadowing.forecast_of(fit, 8000, 4, np.random.default_rng(0))
    assert 0.1 < found < 1.0  # four trainings of 4,000 rows at 20 microseconds each are 0.32


def test_rows_that_cannot_be_trained_on_give_no_forecast():
    def fit(_chosen, _seed):
        raise ValueError

    assert shadowing.forecast_of(fit, 8000, 4, np.random.default_rng(0)) is None
