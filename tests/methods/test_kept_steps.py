"""Changes that stay by what the model said of them."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.methods.kept_steps import MOST_STEPS, KeptSteps

WIDTH = 20
WEIGHTS = np.random.default_rng(0).normal(size=WIDTH)


def said(point):
    """Scores of two classes."""
    share = 1 / (1 + np.exp(-np.clip(np.clip(point, -100, 100) @ WEIGHTS, -500, 500)))
    return np.array([1 - share, share])


def walked(points, *, reach=10.0, scores=said):
    """Chance after each query; kept between queries, as the guard does."""
    kept, chances = None, []
    for point in points:
        way = KeptSteps(kept, WIDTH)
        told = scores(point)
        way.take(point, int(told.argmax()) if told.size else 0, told, reach=reach)
        kept = way.to_bytes()
        chances.append(way.p_value)
    return chances


def climbing(n, seed, *, by=1, columns=WIDTH):
    """A greedy search that changes some columns at a time."""
    rng, here = np.random.default_rng(seed), np.zeros(WIDTH)
    for _ in range(n):
        there = here.copy()
        there[rng.choice(WIDTH, columns, replace=False)] += rng.normal(0, 0.1, columns)
        yield there
        here = there if said(there)[by] > said(here)[by] else here


@pytest.mark.parametrize("columns", [1, 5, WIDTH])
@pytest.mark.parametrize("by", [0, 1])
def test_a_search_by_scores_is_told(columns, by):
    assert min(walked(climbing(60, 1, by=by, columns=columns))) < 1e-4


def test_changes_that_all_go_back_tell_nothing():
    rng = np.random.default_rng(2)
    changes = np.eye(WIDTH)[rng.integers(WIDTH, size=300)] * rng.normal(0, 1, (300, 1))
    assert min(walked(changes)) == 1


def test_changes_that_all_stay_tell_nothing():
    steps = np.random.default_rng(3).normal(0, 0.1, (300, WIDTH))
    assert min(walked(np.cumsum(steps, axis=0), reach=50)) > 0.05


@pytest.mark.parametrize("seed", range(5))
def test_changes_that_stay_by_chance_tell_nothing(seed):
    rng, here, rows = np.random.default_rng(seed), np.zeros(WIDTH), []
    for _ in range(200):
        there = here + rng.normal(0, 0.1, WIDTH)
        rows.append(there)
        here = there if rng.random() < 0.5 else here
    assert min(walked(rows)) > 0.005


@pytest.mark.parametrize("seed", range(5))
def test_noise_around_one_place_tells_nothing(seed):
    noise = np.random.default_rng(seed).normal(0, 0.1, (300, WIDTH))
    assert min(walked(noise)) > 0.005


def test_repeats_and_other_places_between_the_steps_hide_nothing():
    rows = []
    for row in climbing(60, 4):
        rows += [row, row, np.full(WIDTH, 100.0)]
    assert min(walked(rows)) < 1e-4


def test_a_new_place_begins_anew():
    rows = [*climbing(60, 5), *(np.full(WIDTH, 100.0 * n) for n in range(1, 5))]
    assert walked(rows)[-1] == 1


def test_answers_without_scores_are_judged_by_labels_alone():
    assert walked(climbing(60, 6), scores=lambda _: np.zeros(0))[-1] == 1


def test_numbers_beyond_all_bounds_do_not_blind_it():
    rows = [np.full(WIDTH, np.inf), np.full(WIDTH, 1e300), *climbing(80, 7)]
    assert min(walked(rows)) < 1e-4


def test_what_is_kept_is_bounded():
    way = KeptSteps(None, 48)
    for row in np.random.default_rng(8).normal(0, 0.1, (3 * MOST_STEPS, 48)):
        way.take(row, 0, row, reach=10.0)
    assert len(way.to_bytes()) < 1_000


@pytest.mark.parametrize("kept", [b"", b"x", b"x" * 7, b"\xff" * 500])
def test_memory_of_another_kind_begins_anew(kept):
    assert KeptSteps(kept, WIDTH).p_value == 1
