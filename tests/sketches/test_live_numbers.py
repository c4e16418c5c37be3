"""Live numbers are counted over training's bins as a sketch of their own would count them."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.sketches.numbers import Numbers


def sketch(values, like=None):
    found = Numbers() if like is None else Numbers.against(like)
    for part in np.array_split(values, 3):
        found.update(part)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_counts_are_those_of_a_sketch_of_its_own(seed):
    rng = np.random.default_rng(seed)
    training = sketch(rng.normal(0, 10.0**seed, 30_000))
    values = rng.normal(3, 10.0**seed, 20_000)
    values[:50] = 0.0
    values[50:90] = -0.0
    values[100] = np.inf
    values[101] = -np.inf
    live = sketch(values, training)
    plain = sketch(values)
    shift = max(live.shift, plain.shift)
    for one in (live, plain):
        one._coarsen(shift)
    assert live.bins.tolist() == plain.bins.tolist()
    assert live.counts.tolist() == plain.counts.tolist()
    assert (live.low, live.high) == (plain.low, plain.high)
    assert (live.count, live.infinite) == (plain.count, plain.infinite)
