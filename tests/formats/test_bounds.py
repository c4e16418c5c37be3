"""Every bound of the table formats refuses on its own side, and says which one it was."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from hauberk.core.artifact import ROW_COLUMN, ColumnKind, Dataset
from hauberk.errors import ArtifactError
from hauberk.formats import arrays, columnar, delimited, jsonlines
from hauberk.formats.batches import columns_of
from hauberk.formats.rows import canonical_rows, row_ids, with_row_ids
from hauberk.formats.tables import features_of, open_table, table_of


def drained(dataset: Dataset) -> int:
    return sum(batch.num_rows for batch in dataset.read())


def test_members_larger_than_any_array_are_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", X=np.zeros(9_000), y=np.zeros(9_000))
    monkeypatch.setattr(arrays, "MAX_ARRAY_BYTES", 60_000)
    with pytest.raises(ArtifactError, match="at most 60000 bytes an array"):
        open_table(tmp_path / "x.npz")


def test_members_that_end_beyond_the_file_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.zeros(9))
    raw = bytearray((tmp_path / "x.npz").read_bytes())
    entry = raw.rindex(b"PK\x01\x02")
    struct.pack_into("<I", raw, entry + 20, 1 << 20)
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(ArtifactError, match="ends beyond"):
        open_table(tmp_path / "x.npz")


def test_rows_wider_than_a_batch_may_be_are_refused(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4)))
    monkeypatch.setattr(arrays, "MAX_ORDERED_BYTES", 64)
    with pytest.raises(ArtifactError, match="rows of at most 64 bytes"):
        open_table(tmp_path / "x.npy")


def test_fortran_arrays_are_held_whole_only_within_a_bound(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.asfortranarray(np.zeros((50, 2))))
    monkeypatch.setattr(arrays, "MAX_ORDERED_BYTES", 64)
    with pytest.raises(ArtifactError, match="Fortran"):
        open_table(tmp_path / "x.npy")


def test_broken_compression_is_refused_while_reading(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, X=np.random.default_rng(0).random(20_000))
    raw = bytearray(path.read_bytes())
    raw[80_000:80_100] = b"\xff" * 100
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match="whole archive"):
        drained(open_table(path))


def test_declared_row_groups_are_bounded(tmp_path, monkeypatch):
    parquet.write_table(pa.table({"x": np.arange(1_000)}), tmp_path / "x")
    monkeypatch.setattr(columnar, "MAX_ROW_GROUP_BYTES", 10)
    with pytest.raises(ArtifactError, match="row groups of at most 10 bytes"):
        open_table(tmp_path / "x")


def broken_in_the_middle(path: Path) -> Path:
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 3
    raw[middle : middle + 2_000] = b"\xff" * 2_000
    path.write_bytes(raw)
    return path


def test_broken_parquet_pages_are_refused(tmp_path):
    words = [f"word {i * 7919 % 10007}" for i in range(9_000)]
    parquet.write_table(pa.table({"x": words}), tmp_path / "x", compression="zstd")
    with pytest.raises(ArtifactError):
        drained(open_table(broken_in_the_middle(tmp_path / "x")))


def test_broken_arrow_batches_are_refused(tmp_path):
    words = pa.table({"x": [f"word {i * 7919 % 10007}" for i in range(9_000)]})
    feather.write_feather(words, tmp_path / "x", compression="zstd")
    with pytest.raises(ArtifactError):
        drained(open_table(broken_in_the_middle(tmp_path / "x")))


def test_offsets_outside_their_buffer_are_refused(tmp_path):
    feather.write_feather(pa.table({"x": ["ab"] * 64}), tmp_path / "x", compression="uncompressed")
    raw = (tmp_path / "x").read_bytes()
    offsets = np.arange(0, 130, 2, dtype="<i4").tobytes()
    assert raw.count(offsets) == 1
    lying = np.arange(0, 130, 2, dtype="<i4")
    lying[40:] += 1 << 20
    (tmp_path / "x").write_bytes(raw.replace(offsets, lying.tobytes()))
    with pytest.raises(ArtifactError):
        drained(open_table(tmp_path / "x"))


def test_a_header_may_be_longer_than_the_sample(tmp_path):
    names = [f"a rather long name of column {i}" for i in range(4_000)]
    body = ",".join(names) + "\n" + ",".join(["1"] * 4_000) + "\n"
    (tmp_path / "x").write_text(body)
    assert len(open_table(tmp_path / "x").columns) == 4_000


def test_nul_bytes_behind_the_beginning_are_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"a,b\n" + b"1,2\n" * 5_000 + b"\0,1\n")
    with pytest.raises(ArtifactError, match="NUL"):
        open_table(tmp_path / "x")


def test_text_of_one_blank_header_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbf\n\n")
    with pytest.raises(ArtifactError, match="no rows"):
        open_table(tmp_path / "x")


def test_a_header_without_rows_is_an_empty_table(tmp_path):
    (tmp_path / "x").write_bytes(b"a,b\n")
    table = open_table(tmp_path / "x")
    assert [column.name for column in table.columns] == ["a", "b"]
    assert drained(table) == 0


def test_a_file_that_changes_under_the_reader_is_refused(tmp_path):
    (tmp_path / "x").write_text("a,b\n1,2\n")
    table = open_table(tmp_path / "x")
    (tmp_path / "x").write_text("a,b\nword,2\n")
    with pytest.raises(ArtifactError, match="changed"):
        drained(table)


def test_json_lines_with_too_many_names_stop_early(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonlines, "MAX_COLUMNS", 3)
    (tmp_path / "x").write_text('{"a":1,"b":1,"c":1,"d":1}\nnot json\n')
    with pytest.raises(ArtifactError, match="not"):
        drained(open_table(tmp_path / "x"))


def test_json_lines_come_in_bounded_batches(tmp_path):
    (tmp_path / "x").write_text('{"a":1}\n' * 20_000)
    sizes = [batch.num_rows for batch in open_table(tmp_path / "x").read()]
    assert sum(sizes) == 20_000
    assert len(sizes) == 3


def test_the_bounds_are_stated_once():
    assert delimited.MAX_ROW_BYTES == jsonlines.MAX_LINE_BYTES


def test_nested_and_unsampled_columns_have_a_kind():
    schema = pa.schema([("l", pa.list_(pa.int64())), ("s", pa.string()), ("b", pa.bool_())])
    kinds = [column.kind for column in columns_of(schema)]
    assert kinds == [ColumnKind.OTHER, ColumnKind.CATEGORY, ColumnKind.CATEGORY]


def test_one_dimensional_tensors_are_neither_numbers_nor_images():
    cells = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3)))
    (column,) = columns_of(pa.RecordBatch.from_arrays([cells], names=["v"]).schema)
    assert column.kind is ColumnKind.OTHER


def test_features_leave_out_label_roles_and_row_ids():
    rows = pa.RecordBatch.from_pydict(
        {ROW_COLUMN: ["a"], "x": [1], "y": [1], "who": ["w"], "from": ["f"]}
    )
    table = table_of("t", [rows], label="y", annotator="who", source="from")
    assert [column.name for column in features_of(table)] == ["x"]


def test_bytes_and_times_inside_nested_cells_have_canonical_text():
    rows = pa.RecordBatch.from_pydict(
        {"j": pa.array([{"b": b"\x01", "d": 1}, {"b": None, "d": 2}])}
    )
    assert len(set(canonical_rows(rows))) == 2


def test_ids_are_given_in_landed_order_over_batches():
    whole = pa.RecordBatch.from_pydict({"x": [1, 1, 2]})
    table = table_of("t", [whole.slice(0, 1), whole.slice(1)])
    ids = [row for part in row_ids(table) for row in part]
    carried = [row for batch in with_row_ids(table) for row in batch.column(0).to_pylist()]
    assert ids == carried
    assert ids[0].endswith(".0")
    assert ids[1].endswith(".1")


@pytest.mark.parametrize("body", ["a,b", "a,b\n\n\n"])
def test_a_header_alone_is_an_empty_table_whatever_ends_it(tmp_path, body):
    (tmp_path / "x").write_text(body)
    assert drained(open_table(tmp_path / "x")) == 0


def test_a_whole_number_of_json_batches_leaves_no_empty_one(tmp_path):
    (tmp_path / "x").write_text('{"a":1}\n' * 8_192)
    assert [batch.num_rows for batch in open_table(tmp_path / "x").read()] == [8_192]


def test_carried_ids_are_kept_in_every_batch():
    rows = pa.RecordBatch.from_pydict({ROW_COLUMN: ["a", "b"], "x": [1, 2]})
    table = table_of("t", [rows.slice(0, 1), rows.slice(1)])
    assert list(with_row_ids(table)) == [rows.slice(0, 1), rows.slice(1)]
