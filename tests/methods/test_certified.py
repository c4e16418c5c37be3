"""Radii within which a model cannot be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hauberk.errors import UnavailableError
from hauberk.methods.certified import exact_radii, smoothed_radii


def _data(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, n_classes, 200)
    return rng.normal(size=(200, 3)) + labels[:, None] * [1.0, 0.5, 0.0], labels


_MODELS = [
    DecisionTreeClassifier(max_depth=6, random_state=0),
    LogisticRegression(),
    make_pipeline(StandardScaler(), LogisticRegression()),
]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("model", _MODELS)
def test_nothing_inside_of_a_radius_is_wrong_and_something_just_outside_is(model, norm, n_classes):
    rows, labels = _data(n_classes)
    model.fit(rows, labels)
    scale = rows.std(axis=0)
    radii = exact_radii(model, rows[:40], labels[:40], scale, norm)
    assert ((radii > 0) == (model.predict(rows[:40]) == labels[:40])).all()
    rng = np.random.default_rng(2)
    found = 0
    for row, label, radius in zip(rows[:40], labels[:40], radii, strict=True):
        if not 0 < radius < np.inf:
            continue
        way = rng.uniform(-1, 1, (400, 3)) if norm == "linf" else rng.normal(size=(400, 3))
        corners = np.sign(way) if norm == "linf" else way
        size = np.abs(corners).max(1) if norm == "linf" else np.linalg.norm(corners, axis=1)
        unit = corners / size[:, None] * scale
        assert (model.predict(row + 0.999 * radius * unit) == label).all()
        found += bool((model.predict(row + 1.3 * (radius + 0.02) * unit) != label).any())
    assert found > 10


def test_features_that_do_not_move_bring_no_row_nearer():
    rows, labels = _data(2)
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(rows, labels)
    free = exact_radii(model, rows, labels, np.ones(3), "linf")
    fixed = exact_radii(model, rows, labels, np.array([0.0, 1.0, 1.0]), "linf")
    assert (fixed >= free - 1e-9).all()
    assert (fixed > free).any()


def test_other_models_have_no_exact_radius():
    rows, labels = _data(2)
    with pytest.raises(UnavailableError, match="single trees"):
        exact_radii(RandomForestClassifier(3).fit(rows, labels), rows, labels, np.ones(3), "linf")


def test_a_vote_of_noisy_answers_is_never_surer_than_the_plane_is_far():
    def ask(rows):
        return np.column_stack([-rows[:, 0], rows[:, 0]])

    rows = np.array([[1.0, 0.0], [0.1, 0.0], [-1.0, 0.0]])
    radii = smoothed_radii(
        ask,
        rows,
        np.ones(3, int),
        np.random.default_rng(0),
        sigma=np.full(2, 0.5),
        unit=0.5,
        n_draws=1000,
    )
    assert 0.6 < radii[0] <= 1.0
    assert radii[1] <= 0.1
    assert radii[2] == 0
