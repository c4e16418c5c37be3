"""A signal over about half of a class is found, and the half that carries it."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.methods.overlays import SOFTNESS, heaps, looks

SIDE, N = 16, 150


def pictures(seed):
    """Two classes of smooth pictures that vary in brightness, place and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    labels = np.repeat([0, 1], N)
    at = rng.normal(0.5, 0.06, (2 * N, 2))
    wide = np.where(labels == 0, 0.15, 0.25)[:, None, None]
    away = (x - at[:, :1, None]) ** 2 + (y - at[:, 1:, None]) ** 2
    blob = 0.3 + rng.uniform(0.3, 0.5, (2 * N, 1, 1)) * np.exp(-away / wide**2)
    return blob + rng.normal(0, 0.03, blob.shape), labels, rng


def found_in(images, labels):
    plain, _ = looks(np.clip(images, 0, 1).astype(np.float32)[..., None])
    return heaps(plain, labels, None, SOFTNESS[0], own=True)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_pictures_that_carry_stripes_are_the_heap(share, seed):
    images, labels, rng = pictures(seed)
    rows = rng.permutation(N)[: int(share * N)]
    images[rows] += 18 / 255 * np.sin(2 * np.pi * 4 * np.arange(SIDE) / SIDE)
    heap = found_in(images, labels)[0]
    assert heap.distance > 4.8
    assert set(np.flatnonzero(heap.chances > 0.5)) == set(rows)


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_the_same_pictures_without_stripes_have_no_clear_heap(seed):
    images, labels, _ = pictures(seed)
    assert all(heap.distance < 4.8 for heap in found_in(images, labels).values())
