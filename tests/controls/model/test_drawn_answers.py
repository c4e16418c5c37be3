"""Models that answer otherwise the second time."""

import numpy as np
import pytest

from hauberk.controls.model.drawn_answers import DrawnAnswers

RNG = np.random.default_rng(3)
SCORES = RNG.dirichlet((1.0, 1.0, 1.0), 200)


def _said(ask):
    control = DrawnAnswers()
    return list(control.judged("model", *control.differences(ask)))


def test_the_same_answers_are_let_through():
    assert _said(lambda: SCORES) == []


def test_rounding_is_no_draw():
    assert _said(lambda: SCORES + RNG.normal(size=SCORES.shape) * 1e-7) == []


@pytest.mark.parametrize("noise", [0.002, 0.3])
def test_noise_is_named_with_how_many_rows_it_turns(noise):
    (finding,) = _said(lambda: SCORES + RNG.normal(size=SCORES.shape) * noise)
    assert "of 200 rows that were asked twice" in finding.message


def test_numbers_that_are_drawn_are_found_too():
    (finding,) = _said(lambda: RNG.normal(size=50))
    assert "0 got another class" in finding.message


def test_answers_of_another_shape_are_found():
    shapes = iter((SCORES, SCORES[:, :2]))
    assert _said(lambda: next(shapes))


def test_missing_numbers_that_stay_missing_are_left_to_the_scorer():
    missing = SCORES.copy()
    missing[0] = np.nan
    assert _said(lambda: missing) == []
