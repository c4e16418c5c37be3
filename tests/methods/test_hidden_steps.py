"""Small steps along a network's gradients are found in digits that nobody learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor

from hauberk.errors import ArtifactError
from hauberk.methods import hidden_steps, picture_residuals, stream_reference
from hauberk.methods.network_reading import of_sklearn
from hauberk.methods.networks import Network, Step, cross_entropy_pull

ROWS, LABELS = load_digits(return_X_y=True)
KNOWN, UNSEEN = slice(0, 1_000), slice(1_000, 1_797)


@pytest.fixture(scope="module")
def network() -> Any:
    model = MLPClassifier((32,), alpha=1e-3, tol=1e-3, max_iter=400, random_state=0)
    model.fit(ROWS[KNOWN], LABELS[KNOWN])
    return of_sklearn(model)


@pytest.fixture(scope="module")
def written(network: Any) -> bytes:
    return stream_reference.learn(ROWS[KNOWN], network).to_bytes()


@pytest.fixture(scope="module")
def excess(network: Any, written: bytes) -> Callable[[Any], Any]:
    """Above 0 for rows with a step in them."""
    known = stream_reference.from_bytes(written)
    steps, residuals = known.steps, known.residuals
    assert steps is not None
    assert residuals is not None
    return lambda rows: steps.score(network, residuals, rows)


def moved(network: Any, levels: float) -> Any:
    """Unseen digits that one step made another class of, in the data's own range of 0 to 16."""
    rows = ROWS[UNSEEN]
    labels = network.scores(rows).argmax(axis=1)
    pull = cross_entropy_pull(labels, is_probability=network.is_probability)
    slope = np.sign(network.gradient(rows, pull)[1])
    after = np.clip(rows + 16 * levels / 255 * slope, 0, 16)
    return after[network.scores(after).argmax(axis=1) != labels]


def test_steps_are_found_and_unseen_digits_are_not_taken_for_them(network, excess):
    turned = moved(network, 8)
    assert len(turned) > 20
    assert (excess(turned) > 0).mean() > 0.75
    assert (excess(ROWS[UNSEEN]) > 0).mean() < 0.015


def test_the_noise_of_a_camera_is_no_step(network, excess):
    rng = np.random.default_rng(4)
    noisy = ROWS[UNSEEN] + rng.normal(0, 16 * 0.03, ROWS[UNSEEN].shape)
    assert (excess(np.clip(noisy, 0, 16)) > 0).mean() < 0.05


def test_the_signs_of_another_network_are_no_step(network, excess):
    other = MLPClassifier((32,), tol=1e-2, max_iter=400, random_state=9)
    other.fit(ROWS[KNOWN], np.random.default_rng(0).permutation(LABELS[KNOWN]))
    rows = ROWS[UNSEEN]
    pull = cross_entropy_pull(LABELS[UNSEEN], is_probability=True)
    slope = np.sign(of_sklearn(other).gradient(rows, pull)[1])
    elsewhere = np.clip(rows + 16 * 8 / 255 * slope, 0, 16)
    assert (excess(elsewhere) > 0).mean() < 0.05


def test_one_row_is_judged_as_among_many(network, excess):
    rows = moved(network, 8)[:5]
    alone = np.concatenate([excess(row[None]) for row in rows])
    assert np.allclose(alone, excess(rows), atol=0.1)


def test_a_printed_square_is_more_than_its_surroundings_explain(written):
    known = stream_reference.from_bytes(written).residuals
    assert known is not None
    assert (known.spot(ROWS[UNSEEN]) > 1).mean() < 0.02
    printed = ROWS[UNSEEN].reshape(-1, 8, 8).copy()
    printed[:, :3, :3] = [[0, 16, 0], [16, 0, 16], [0, 16, 0]]
    assert (known.spot(printed.reshape(-1, 64)) > 1).mean() > 0.9


def test_what_is_written_is_read_again_and_learning_repeats(network, written, excess):
    assert written == stream_reference.learn(ROWS[KNOWN], network).to_bytes()
    assert stream_reference.from_bytes(written).to_bytes() == written
    assert (excess(moved(network, 8)) > 0).mean() > 0.75


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("residuals", "planes", [1, 8, 9]),
        ("residuals", "planes", [64]),
        ("residuals", "span", 0.0),
        ("residuals", "directions", "AAAA"),
        ("residuals", "variances", "no base64"),
        ("residuals", "spots", "AAAAAAAAAAA="),
        ("steps", "edge", None),
        ("steps", "w1", "AAAA"),
        ("steps", "scale", "AAAA"),
    ],
)
def test_broken_parts_are_refused(written, part, field, value):
    content = json.loads(written)
    content[part][field] = value
    with pytest.raises(ArtifactError, match="what is ordinary"):
        stream_reference.from_bytes(json.dumps(content).encode())


def test_nothing_is_learnt_where_it_would_be_wrong_or_dear(network, written, monkeypatch):
    assert picture_residuals.learn(ROWS[:200]) is None
    assert picture_residuals.learn(np.ones((1_000, 64))) is None
    known = stream_reference.from_bytes(written).residuals
    assert known is not None
    monkeypatch.setattr(hidden_steps, "MAX_PRODUCTS", 10.0)
    assert hidden_steps.learn(ROWS[KNOWN], network, known) is None


def test_what_is_no_classifier_of_such_rows_has_no_steps(written):
    known = stream_reference.from_bytes(written).residuals
    assert known is not None
    regressor = MLPRegressor(hidden_layer_sizes=(8,), tol=1e-1, max_iter=400, random_state=0)
    regressor.fit(ROWS[KNOWN], LABELS[KNOWN])
    other = MLPClassifier((8,), tol=1e-1, max_iter=400, random_state=0)
    other.fit(ROWS[KNOWN][:, :40], LABELS[KNOWN])
    for model in (regressor, other):
        network = _plain(model)
        assert hidden_steps.learn(ROWS[KNOWN], network, known) is None


def _plain(model: Any) -> Network:
    """A perceptron without what follows its last layer."""
    steps, constants, name = [], {}, "x0"
    for number, (weights, shift) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        constants |= {f"w{number}": weights.astype("f4"), f"b{number}": shift.astype("f4")}
        for kind, other in (("MatMul", "w"), ("Add", "b")):
            after = f"{kind}{number}"
            inputs = (name, f"{other}{number}")
            steps.append(Step(kind=kind, inputs=inputs, output=after, settings={}))
            name = after
    return Network(
        steps=tuple(steps),
        constants=constants,
        source="x0",
        result=name,
        is_probability=False,
        shape=(64,),
    )


def test_tables_have_neither(network):
    units = np.ones(64)
    units[5] = 1e6
    found = stream_reference.learn(ROWS[KNOWN] * units + 1, network)
    assert found.steps is None
    assert found.residuals is None


def test_a_picture_of_three_channels_has_planes():
    assert picture_residuals.planes_of(192, (3, 8, 8)) == (3, 8, 8)
    assert picture_residuals.planes_of(60, (60,)) == (1, 1, 60)
