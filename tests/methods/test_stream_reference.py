"""What is ordinary: learnt, written, read, and refused where it is broken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hauberk.errors import ArtifactError
from hauberk.methods import stream_reference

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(1_000, 5)) @ RNG.normal(size=(5, 30)) + RNG.normal(0, 0.1, (1_000, 30))
REFERENCE = stream_reference.learn(ROWS)


def test_about_one_ordinary_row_in_a_hundred_lies_beyond_the_edge():
    assert (REFERENCE.oddness(ROWS) > 1).mean() < 0.03


def test_noise_lies_far_beyond_the_edge():
    assert REFERENCE.oddness(RNG.normal(0, 2, (50, 30))).min() > 1


def test_what_is_written_is_read_again():
    again = stream_reference.from_bytes(REFERENCE.to_bytes())
    assert again.to_bytes() == REFERENCE.to_bytes()
    assert np.allclose(again.oddness(ROWS[:9]), REFERENCE.oddness(ROWS[:9]))


def test_columns_of_different_units_count_alike():
    units = np.ones(30)
    units[3] = 1e4
    reference = stream_reference.learn(ROWS * units)
    moved = ROWS[:20] * units
    moved[:, 7] += 30
    assert reference.oddness(moved).min() > 1


def test_wide_rows_are_pooled():
    wide = RNG.normal(size=(300, 5)) @ RNG.normal(size=(5, 3_000))
    wide += RNG.normal(0, 0.5, wide.shape)
    reference = stream_reference.learn(wide)
    assert reference.mean.size == stream_reference.POOLED
    assert reference.oddness(wide).shape == (300,)


@pytest.mark.parametrize("rows", [ROWS[:10], np.ones((500, 4)), np.zeros((500, 0))])
def test_too_little_cannot_be_learnt_from(rows):
    with pytest.raises(ArtifactError):
        stream_reference.learn(rows)


@pytest.mark.parametrize(
    ("field", "value"),
    [("schema", 2), ("mean", "AAAA"), ("spread", -1.0), ("scale", "no base64"), ("edge", None)],
)
def test_a_broken_reference_is_refused(field, value):
    content = json.loads(REFERENCE.to_bytes())
    with pytest.raises(ArtifactError):
        stream_reference.from_bytes(json.dumps({**content, field: value}).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff"])
def test_noise_is_no_reference(data):
    with pytest.raises(ArtifactError):
        stream_reference.from_bytes(data)
