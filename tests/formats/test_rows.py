"""Row identity: what survives re-encoding, and what does not."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from hypothesis import assume, given
from hypothesis import strategies as st

from hauberk.core.artifact import ROW_COLUMN
from hauberk.formats.rows import RowIds, canonical_rows, row_ids, with_row_ids
from hauberk.formats.tables import open_table, table_of, write_table

NUMBERS = st.floats(allow_nan=True) | st.integers(-(2**53), 2**53).map(float) | st.none()
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8).map(
    lambda text: f"w{text}"
)


def batch_of(**columns) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


@given(st.lists(st.tuples(NUMBERS, WORDS | st.none()), min_size=1, max_size=30))
def test_ids_survive_csv_and_parquet(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    numbers, words = zip(*rows, strict=True)
    # In CSV a column that says nothing but "nan" may as well be words.
    known = [number for number in numbers if number is not None]
    assume(not known or not all(map(math.isnan, known)))
    batch = batch_of(n=pa.array(numbers, pa.float64()), w=pa.array([*words], pa.string()))
    ids = RowIds().of(batch)
    for name in ("t.csv", "t.parquet"):
        write_table([batch], folder / name)
        again = [row for part in row_ids(open_table(folder / name)) for row in part]
        assert again == ids


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.integers(1, 7))
def test_cuts_between_batches_do_not_matter(words, size):
    whole = batch_of(w=words)
    parts = [whole.slice(start, size) for start in range(0, len(words), size)]
    cut = RowIds()
    assert [row for part in parts for row in cut.of(part)] == RowIds().of(whole)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=20, unique=True))
def test_different_rows_have_different_bytes(rows):
    left, right = zip(*rows, strict=True)
    assert len(set(canonical_rows(batch_of(a=[*left], b=[*right])))) == len(rows)


def test_a_cell_cannot_pretend_to_be_two():
    joined = canonical_rows(batch_of(a=["1:x"], b=["y"]))
    split = canonical_rows(batch_of(a=["1:x1:y"], b=[""]))
    assert joined != split


def test_equal_rows_count_up():
    ids = RowIds().of(batch_of(x=[1, 1, 2, 1]))
    assert [row.partition(".")[2] for row in ids] == ["0", "1", "0", "2"]


def test_width_and_order_of_numbers_do_not_matter():
    wide = batch_of(a=pa.array([0.1, 12.0], pa.float64()), b=pa.array([1, 2], pa.int64()))
    narrow = batch_of(b=pa.array([1, 2], pa.uint8()), a=pa.array([0.1, 12.0], pa.float32()))
    assert canonical_rows(wide) == canonical_rows(narrow)


def test_missing_nan_and_empty_are_one():
    rows = canonical_rows(batch_of(n=[math.nan, None, None], s=["", None, ""]))
    assert len(set(rows)) == 1


def test_zero_has_no_sign():
    assert len(set(canonical_rows(batch_of(n=[0.0, -0.0])))) == 1


def test_times_dates_dictionaries_and_nested_cells_have_bytes():
    days = pa.array([1, 2], pa.date32())
    batch = batch_of(
        d=days,
        t=days.cast(pa.timestamp("ns")),
        c=pa.array(["a", "b"]).dictionary_encode(),
        j=pa.array([{"k": [1]}, None]),
        b=pa.array([b"\xff", None]),
        h=pa.array([1.5, None], pa.float16()),
        g=pa.array([True, False]),
    )
    first, second = canonical_rows(batch)
    assert first != second
    assert b"\xff" in first


def test_images_are_told_apart_by_one_pixel():
    pixels = np.zeros((3, 4, 4), np.uint8)
    pixels[1, 0, 0] = 1
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    rows = canonical_rows(pa.RecordBatch.from_arrays([images], names=["X"]))
    assert rows[0] == rows[2] != rows[1]


def test_carried_ids_are_kept_and_do_not_count_as_content():
    table = table_of("t", [batch_of(x=[5, 6])])
    carried = next(with_row_ids(table))
    edited = carried.set_column(1, "x", pa.array([7, 8]))
    again = table_of("t", [edited])
    assert next(row_ids(again)) == next(row_ids(table))
    assert carried.schema.names == [ROW_COLUMN, "x"]
    assert canonical_rows(carried) == canonical_rows(batch_of(x=[5, 6]))
    assert next(with_row_ids(again)) is edited


def test_a_table_without_columns_has_rows_all_the_same():
    assert canonical_rows(batch_of(**{ROW_COLUMN: ["a", "b"]})) == [b"", b""]
