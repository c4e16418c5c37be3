"""Small steps along a network's gradients are found in digits that nobody learnt from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from hauberk.errors import ArtifactError
from hauberk.methods import hidden_steps, stream_reference
from hauberk.methods.network_reading import of_sklearn
from hauberk.methods.networks import cross_entropy_pull

ROWS, LABELS = load_digits(return_X_y=True)
KNOWN, UNSEEN = slice(0, 1_000), slice(1_000, 1_797)


@pytest.fixture(scope="module")
def network() -> Any:
    model = MLPClassifier((32,), alpha=1e-3, tol=1e-3, max_iter=400, random_state=0)
    model.fit(ROWS[KNOWN], LABELS[KNOWN])
    return of_sklearn(model)


@pytest.fixture(scope="module")
def steps(network: Any) -> hidden_steps.HiddenSteps:
    found = hidden_steps.learn(ROWS[KNOWN], network)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def written(network: Any) -> bytes:
    return stream_reference.learn(ROWS[KNOWN], network).to_bytes()


def moved(network: Any, levels: float) -> Any:
    """Unseen digits that one step made another class of, in the data's own range of 0 to 16."""
    rows = ROWS[UNSEEN]
    labels = network.scores(rows).argmax(axis=1)
    pull = cross_entropy_pull(labels, is_probability=network.is_probability)
    slope = np.sign(network.gradient(rows, pull)[1])
    after = np.clip(rows + 16 * levels / 255 * slope, 0, 16)
    return after[network.scores(after).argmax(axis=1) != labels]


def test_steps_are_found_and_unseen_digits_are_not_taken_for_them(network, steps):
    turned = moved(network, 8)
    assert len(turned) > 20
    assert (steps.score(network, turned) > 0).mean() > 0.75
    assert (steps.score(network, ROWS[UNSEEN]) > 0).mean() < 0.015


def test_the_noise_of_a_camera_is_no_step(network, steps):
    rng = np.random.default_rng(4)
    noisy = ROWS[UNSEEN] + rng.normal(0, 16 * 0.03, ROWS[UNSEEN].shape)
    assert (steps.score(network, np.clip(noisy, 0, 16)) > 0).mean() < 0.05


def test_the_signs_of_another_network_are_no_step(network, steps):
    other = MLPClassifier((32,), tol=1e-2, max_iter=400, random_state=9)
    other.fit(ROWS[KNOWN], np.random.default_rng(0).permutation(LABELS[KNOWN]))
    rows = ROWS[UNSEEN]
    pull = cross_entropy_pull(LABELS[UNSEEN], is_probability=True)
    slope = np.sign(of_sklearn(other).gradient(rows, pull)[1])
    elsewhere = np.clip(rows + 16 * 8 / 255 * slope, 0, 16)
    assert (steps.score(network, elsewhere) > 0).mean() < 0.05


def test_one_row_is_judged_as_among_many(network, steps):
    rows = moved(network, 8)[:5]
    alone = np.concatenate([steps.score(network, row[None]) for row in rows])
    assert np.allclose(alone, steps.score(network, rows), atol=1e-2)


def test_what_is_written_is_read_again_and_learning_repeats(network, written):
    assert written == stream_reference.learn(ROWS[KNOWN], network).to_bytes()
    again = stream_reference.from_bytes(written)
    assert again.to_bytes() == written
    assert again.steps is not None
    turned = moved(network, 8)
    assert (again.steps.score(network, turned) > 0).mean() > 0.75


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("planes", [1, 8, 9]),
        ("planes", [64]),
        ("span", 0.0),
        ("edge", None),
        ("directions", "AAAA"),
        ("w1", "AAAA"),
        ("variances", "no base64"),
    ],
)
def test_broken_steps_are_refused(written, field, value):
    content = json.loads(written)
    content["steps"][field] = value
    with pytest.raises(ArtifactError, match="what is ordinary"):
        stream_reference.from_bytes(json.dumps(content).encode())


def test_nothing_is_learnt_where_it_would_be_wrong_or_dear(network, monkeypatch):
    assert hidden_steps.learn(ROWS[:200], network) is None
    assert hidden_steps.learn(np.ones((1_000, 64)), network) is None
    monkeypatch.setattr(hidden_steps, "MAX_PRODUCTS", 10.0)
    assert hidden_steps.learn(ROWS[KNOWN], network) is None


def test_tables_have_no_steps(network):
    units = np.ones(64)
    units[5] = 1e6
    assert stream_reference.learn(ROWS[KNOWN] * units + 1, network).steps is None


def test_a_picture_of_three_channels_has_planes():
    assert hidden_steps.planes_of(192, (3, 8, 8)) == (3, 8, 8)
    assert hidden_steps.planes_of(60, (60,)) == (1, 1, 60)
