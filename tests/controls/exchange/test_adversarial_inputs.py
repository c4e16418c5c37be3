"""Pictures inside pictures, and inputs far outside of what training knew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hauberk.controls.exchange.adversarial_inputs import AdversarialInputs
from hauberk.core.artifact import Exchange
from hauberk.core.control import Signal
from hauberk.methods import stream_reference
from hauberk.methods.scaling import grid_excess
from hauberk.trust.client_state import MemoryClientState

SIDE = 112


def landscape(seed: int = 0) -> Any:
    """Slow waves with the noise of a sensor."""
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = np.sin(7 * down + rng.uniform(0, 3)) * np.cos(5 * right + rng.uniform(0, 3))
    return np.clip(0.5 + 0.3 * waves + rng.normal(0, 0.02, (SIDE, SIDE)), 0, 1)


def with_hidden(picture: Any, side: int = 28) -> Any:
    places = ((np.arange(side) + 0.5) * SIDE / side).astype(int)
    changed = picture.copy()
    changed[np.ix_(places, places)] = np.random.default_rng(1).random((side, side))
    return changed


def observed(control: AdversarialInputs, rows: Any) -> Signal | None:
    exchange = Exchange(name="m", principal="p", at=0.0, request=b"", rows=rows)
    return control.observe(exchange, MemoryClientState())


@pytest.mark.parametrize("side", [8, 14, 28, 56])
def test_a_picture_inside_a_picture_stands_out(side):
    assert grid_excess(with_hidden(landscape(), side)) > 2.3


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_pictures_have_no_grid(seed):
    assert grid_excess(landscape(seed)) < 2.0


@pytest.mark.parametrize(
    "picture", [np.zeros((SIDE, SIDE)), np.ones((8, 8)), np.eye(SIDE)], ids=str
)
def test_odd_pictures_are_judged_without_an_error(picture):
    assert grid_excess(picture) >= 0


def test_the_guard_refuses_a_hidden_picture_and_answers_the_clean_one():
    control = AdversarialInputs(shape=(SIDE, SIDE))
    assert observed(control, landscape().reshape(1, -1)) is None
    signal = observed(control, with_hidden(landscape()).reshape(1, -1))
    assert signal is not None
    assert signal.reason == "a picture inside the picture"


@pytest.mark.parametrize("first", [True, False])
def test_channels_are_looked_at_one_by_one(first):
    planes = np.stack([landscape(1), with_hidden(landscape(2)), landscape(3)])
    picture = planes if first else np.moveaxis(planes, 0, -1)
    control = AdversarialInputs(shape=picture.shape)
    assert observed(control, picture.reshape(1, -1)) is not None


def test_an_input_far_outside_of_training_is_refused():
    rng = np.random.default_rng(4)
    known = rng.normal(size=(1_000, 4)) @ rng.normal(size=(4, 20)) + rng.normal(0, 0.1, (1_000, 20))
    control = replace(AdversarialInputs(), reference=stream_reference.learn(known))
    assert observed(control, known[:1]) is None
    assert observed(control, rng.normal(0, 3, (1, 20))) is not None


def test_without_rows_or_reference_nothing_is_judged():
    assert observed(AdversarialInputs(), None) is None
    assert observed(AdversarialInputs(), np.ones((1, 4))) is None
