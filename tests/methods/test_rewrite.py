"""Twins differ in what was asked for and in nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hauberk.formats.tables import table_of
from hauberk.methods import rewrite

ROWS = pa.RecordBatch.from_pydict({"a": [1, 2, 3, 4], "b": ["w", "x", "y", None]})
TABLE = table_of("t", [ROWS.slice(0, 3), ROWS.slice(3)], label="b")


@given(st.lists(st.integers(0, 3), unique=True))
def test_only_the_named_cells_change(places):
    twin = rewrite.with_cells(TABLE, "a", places, [9] * len(places))
    cells = rewrite.table(twin).column("a").to_pylist()
    assert cells == [9 if row in places else row + 1 for row in range(4)]
    assert rewrite.table(twin).column("b") == ROWS.column("b")
    assert rewrite.table(twin).schema == ROWS.schema
    assert (twin.label, twin.digest, twin.path) == ("b", None, None)


def test_rows_are_put_in_place():
    other = pa.RecordBatch.from_pydict({"a": pa.array([8], pa.int32()), "b": ["q"]})
    assert rewrite.table(rewrite.with_rows(TABLE, [2], other)).to_pylist()[2] == {"a": 8, "b": "q"}


def test_images_are_replaced_in_their_own_type():
    pixels = np.zeros((3, 2, 2), np.uint8)
    cells = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    table = table_of("i", [pa.RecordBatch.from_arrays([cells], names=["X"])])
    twin = rewrite.with_cells(table, "X", [1], np.full((1, 2, 2), 7.0))
    found = rewrite.table(twin).column("X").to_numpy_ndarray()
    assert found.dtype == np.uint8
    assert found.sum(axis=(1, 2)).tolist() == [0, 28, 0]


def test_a_table_without_rows_is_still_a_table():
    empty = table_of("t", [ROWS.slice(0, 0)])
    assert rewrite.table(empty).num_rows == 0
