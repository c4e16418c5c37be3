"""The estimate of changed labels follows their share and stays at none for honest doubt."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.formats.tables import table_of
from hauberk.methods.beliefs import (
    chance_of_change,
    estimate_changes,
    share_of_changes,
    sharpened,
)
from hauberk.methods.opinions import case_of


def beliefs(x, y, n_classes):
    columns = {f"c{chr(97 + i)}": column for i, column in enumerate(x.T)}
    rows = pa.RecordBatch.from_pydict(columns | {"y": y})
    found = np.exp(case_of(table_of("t", [rows], label="y")).opinions.fine)
    assert found.shape == (y.size, n_classes)
    return found


def blobs(n=600, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return (np.eye(3)[y] * 5 + rng.normal(0, spread, (n, 3))).astype(np.float32), y


def flipped(y, share, seed=1):
    rng = np.random.default_rng(seed)
    places = rng.choice(y.size, int(share * y.size), replace=False)
    z = y.copy()
    z[places] = (z[places] + rng.integers(1, 3, places.size)) % 3
    return z, np.isin(np.arange(y.size), places)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_the_rate_is_near_the_share_and_its_bound_below(share):
    x, y = blobs()
    z, _ = flipped(y, share)
    changes = estimate_changes(beliefs(x, z, 3), z)
    assert abs(changes.rate - share) < 0.06
    assert changes.low <= share + 0.01
    assert changes.doubt < 0.1


def test_honest_doubt_fades_where_beliefs_are_firm():
    x, y = blobs(1_500, spread=2.5)
    changes = estimate_changes(beliefs(x, y, 3), y)
    assert changes.fading < 0.01
    assert changes.doubt > 0.02


def test_probabilities_are_probabilities_for_uneven_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2)).astype(np.float32)
    y = np.array([0] * 62 + [1] * 10 + [2] * 8)
    p = beliefs(x, y, 3)
    assert np.all(p >= 0)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_the_likeliest_share_of_changes_is_near_theirs(share):
    _, y = blobs(3_000)
    z, _ = flipped(y, share)
    known = np.where(np.eye(3)[y] > 0, 0.9998, 0.0001)
    # A label drawn at random is the row's own in one of three cases.
    assert share_of_changes(known, z) == pytest.approx(1.5 * share, abs=0.02)


def test_changed_labels_are_likelier_changed():
    x, y = blobs()
    z, truth = flipped(y, 0.1)
    chance = chance_of_change(sharpened(beliefs(x, z, 3), z, 0.1), z, np.full((3, 3), 0.05))
    assert np.all((chance >= 0) & (chance <= 1))
    assert chance[truth].mean() > 0.8
    assert chance[~truth].mean() < 0.1


def test_a_pair_has_a_rate_of_its_own():
    x, y = blobs(900)
    z = y.copy()
    z[np.flatnonzero(y == 0)[:60]] = 2
    changes = estimate_changes(beliefs(x, z, 3), z)
    assert changes.pairs_low.argmax() == 2
    assert changes.pairs[0, 2] == pytest.approx(60 / (y == 0).sum(), abs=0.1)
