"""Rows of a table: which values columns take, which pairs belong together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hauberk.errors import ArtifactError
from hauberk.methods import stream_reference, table_reference
from hauberk.methods.table_reference import FREE


def applications(n, seed):
    """Amounts, rates and codes as people fill them in; the rate goes with the amount."""
    rng = np.random.default_rng(seed)
    amount = rng.integers(10, 900, n)
    rate = (3 + amount / 300 + rng.normal(0, 0.2, n)).round(2)
    income = (amount * 0.4 + rng.normal(0, 20, n)).round(1)
    ratio = amount / np.maximum(income, 1)
    code = rng.choice([0, 1, 5], n)
    age = rng.integers(18, 80, n)
    return np.stack([amount, rate, income, ratio, code, age], axis=1).astype(float)


ROWS = applications(3_000, 1)
TABLE = table_reference.learn(ROWS)


def test_columns_are_known_by_their_values():
    assert TABLE.decimals.tolist() == [0, 2, 1, FREE, 0, 0]
    assert TABLE.n_bound == 5


def test_values_of_training_s_kind_are_not_strange():
    assert TABLE.strange(applications(2_000, 2)).sum() == 0


def test_values_that_passed_through_32_bits_are_not_strange():
    assert TABLE.strange(applications(2_000, 3).astype(np.float32)).sum() == 0


def test_values_between_are_strange_column_by_column():
    moved = applications(200, 4) + 0.00123
    assert TABLE.strange(moved).mean(axis=0).tolist() == [1, 1, 1, 0, 1, 1]


def test_a_code_that_training_did_not_have_is_strange():
    row = applications(1, 5)
    row[0, 4] = 3
    assert TABLE.strange(row).tolist() == [[False, False, False, False, True, False]]


def test_evidence_is_against_rows_of_one_piece_and_for_shuffled_ones():
    rows = applications(2_000, 6)
    mixed = np.stack([np.random.default_rng(j).permutation(c) for j, c in enumerate(rows.T)], 1)
    whole = TABLE.weighed(TABLE.cells(TABLE.bins(rows))).sum(axis=1).mean()
    broken = TABLE.weighed(TABLE.cells(TABLE.bins(mixed))).sum(axis=1).mean()
    assert whole < -1
    assert broken > 1


def test_values_beyond_all_bins_have_a_cell():
    rows = np.array([[np.inf, -np.inf, 1e300, -1e300, 0, 0]])
    cells = TABLE.cells(TABLE.bins(rows))
    assert ((cells >= 0) & (cells < 64)).all()


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:100],
        ROWS[:, :3],
        np.zeros((300, 300)),
    ],
)
def test_what_is_no_table_or_too_little_is_none(rows):
    assert table_reference.learn(rows) is None


def test_constant_columns_and_repeated_rows_are_a_table_all_the_same():
    rows = np.tile(ROWS[:5], (60, 1))
    rows[:, 2] = 7
    found = table_reference.learn(rows)
    assert found.strange(rows).sum() == 0
    assert np.isfinite(found.evidence).all()


def test_a_reference_carries_its_table():
    reference = stream_reference.learn(ROWS)
    again = stream_reference.from_bytes(reference.to_bytes())
    assert again.to_bytes() == reference.to_bytes()
    rows = applications(50, 7) + 0.5
    assert (again.table.strange(rows) == reference.table.strange(rows)).all()
    assert again.table.reach == reference.table.reach > 0


def test_pictures_have_no_table():
    shades = np.random.default_rng(1).integers(0, 256, (400, 64)).astype(float)
    assert stream_reference.learn(shades).table is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decimals", "AA=="),
        ("pairs", "////"),
        ("evidence", ""),
        ("reach", -1.0),
        ("reach", "x"),
        ("spreads", "AAAAAAAAAAA="),
        ("edges", 3),
        ("values", None),
    ],
)
def test_a_broken_table_is_refused(name, value):
    document = json.loads(stream_reference.learn(ROWS).to_bytes())
    document["table"][name] = value
    with pytest.raises(ArtifactError):
        stream_reference.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize("table", [None, [], "x", {}])
def test_what_is_no_table_is_refused(table):
    document = json.loads(stream_reference.learn(ROWS).to_bytes())
    document["table"] = table
    with pytest.raises(ArtifactError):
        stream_reference.from_bytes(json.dumps(document).encode())


def test_pairs_beyond_the_columns_are_refused():
    document = json.loads(stream_reference.learn(ROWS).to_bytes())
    far = np.full((5, 2), 6, "<i4")
    document["table"]["pairs"] = table_reference._packed(far, "<i4")
    with pytest.raises(ArtifactError):
        stream_reference.from_bytes(json.dumps(document).encode())
