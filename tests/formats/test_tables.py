"""What `open_table` accepts, and how it refuses the rest."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats import arrays, delimited
from hauberk.formats.batches import MAX_BATCH_BYTES, MAX_BATCH_ROWS, bounded, check_names
from hauberk.formats.tables import TableKind, kind_of, open_table, table_of, write_table


def rows_of(dataset: Dataset) -> list[dict]:
    return [row for batch in dataset.read() for row in batch.to_pylist()]


def saved(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_types_are_the_narrowest_that_hold_every_cell(tmp_path):
    table = open_table(
        saved(tmp_path / "t", "i,f,s,t,z\n1,1,1,2020-01-01,007\n,2.5,x,2021-02-03 04:05:06,1\n")
    )
    kinds = [column.kind for column in table.columns]
    assert kinds == [
        ColumnKind.NUMBER,
        ColumnKind.NUMBER,
        ColumnKind.CATEGORY,
        ColumnKind.TIME,
        ColumnKind.CATEGORY,
    ]
    assert rows_of(table)[1]["i"] is None
    assert rows_of(table)[0]["z"] == "007"


def test_a_late_cell_decides_the_type_as_much_as_an_early_one(tmp_path):
    body = "x\n" + "1\n" * 1_000_000 + "word\n"
    column = open_table(saved(tmp_path / "t", body)).columns[0]
    assert column.kind is ColumnKind.CATEGORY


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_content(tmp_path, mark):
    body = f"a{mark}b\n1{mark}x\n2{mark}y\n"
    assert [c.name for c in open_table(saved(tmp_path / "t", body)).columns] == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_text_is_decoded_by_mark_then_utf8_then_latin1(tmp_path, encoding):
    table = open_table(saved(tmp_path / "t", "a,b\nä,1\n".encode(encoding)))
    assert rows_of(table) == [{"a": "ä", "b": 1}]


def test_a_table_without_header_gets_names_by_position(tmp_path):
    table = open_table(saved(tmp_path / "t", "1,2\n3,4\n"))
    assert [c.name for c in table.columns] == ["column_0", "column_1"]
    assert len(rows_of(table)) == 2


def test_a_header_may_span_lines(tmp_path):
    table = open_table(saved(tmp_path / "t", '"a\nb",c\n1,2\n'))
    assert rows_of(table) == [{"a\nb": 1, "c": 2}]


def test_an_empty_line_in_one_column_is_a_missing_cell(tmp_path):
    assert len(rows_of(open_table(saved(tmp_path / "t", "a\n1\n\n3\n")))) == 3


def test_question_marks_are_missing_in_numbers_only(tmp_path):
    table = open_table(saved(tmp_path / "t", "n,s\n1,a\n?,?\n"))
    assert rows_of(table)[1] == {"n": None, "s": "?"}


def test_a_ragged_row_is_refused_by_number_without_quoting_it(tmp_path):
    path = saved(tmp_path / "t", "a,b\n1,2\nsecret\n")
    with pytest.raises(ArtifactError, match="Row 3 has 1 fields") as caught:
        open_table(path)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\n",
        b"a,b\n1,\x00\n",
        b"a,a\n1,2\n",
        b'a,b\n1,"' + b"x" * (delimited.MAX_ROW_BYTES * 2 + 9),
        b"a" * 2_000 + b",b\n1,2\n",
        ",".join(f"c{i}" for i in range(100_000)).encode() + b"\n",
        "a,b\n1".encode("utf-16")[:-1],
        b'{"a": 1}\n{"a": 2\n',
        b'{"a": 1}\n[2]\n',
        b'{"a": 1, "a": 2}\n',
        b'{"a": ' + b"[" * 100_000 + b"\n",
        b'{"a": 99999999999999999999}\n',
        b"{" + b" " * (4 << 20) + b"}\n",
        b"PAR1PAR1",
        b"PAR1\xff\xff\xff\x7fPAR1",
        b"PAR1" + b"\x00" * 50 + b"\x20\x00\x00\x00PAR1",
        b"ARROW1\x00\x00" + b"\x00" * 100,
        b"PK\x03\x04" + b"\x00" * 100,
        b"\x93NUMPY\x01\x00\x02\x00{}",
        b"\x93NUMPY\x09\x00",
    ],
)
def test_malformed_files_are_refused_as_artifacts(tmp_path, content):
    path = saved(tmp_path / "t", content)
    with pytest.raises(ArtifactError):
        rows_of(open_table(path))


def test_a_missing_file_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        open_table(tmp_path / "none.csv")


def test_a_missing_label_names_the_columns_and_the_nearest(tmp_path):
    path = saved(tmp_path / "t", "age,income\n1,a\n")
    with pytest.raises(UsageError) as caught:
        open_table(path, label="incom")
    assert "age, income" in str(caught.value)
    assert "'income'" in caught.value.hint


def test_json_lines_take_the_union_of_names_and_widen_numbers(tmp_path):
    table = open_table(saved(tmp_path / "t", '{"a":1,"b":"x"}\n\n{"a":2.5,"c":[1,{"d":2}]}\n'))
    assert rows_of(table) == [
        {"a": 1.0, "b": "x", "c": None},
        {"a": 2.5, "b": None, "c": '[1,{"d":2}]'},
    ]


def test_mixed_json_types_become_text(tmp_path):
    table = open_table(saved(tmp_path / "t", '{"a":1}\n{"a":"x"}\n{"a":true}\n'))
    assert [row["a"] for row in rows_of(table)] == ["1", "x", "true"]


def test_every_format_gives_the_same_rows(tmp_path):
    batch = pa.RecordBatch.from_pydict({"x": [1.5, 2.5], "y": ["a", "b"]})
    table = pa.Table.from_batches([batch])
    write_table([batch], tmp_path / "p")
    write_table([batch], tmp_path / "c.csv")
    feather.write_feather(table, tmp_path / "f", compression="zstd")
    found = {name: rows_of(open_table(tmp_path / name)) for name in ("p", "c.csv", "f")}
    assert all(rows == batch.to_pylist() for rows in found.values())
    assert kind_of(tmp_path / "f") is TableKind.ARROW


def test_equal_rows_are_written_to_equal_bytes(tmp_path):
    batch = pa.RecordBatch.from_pydict({"x": [1.5, 2.5]})
    for name in ("a", "b"):
        write_table([batch], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_csv_cannot_hold_tensors(tmp_path):
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3, 3), np.uint8))
    batch = pa.RecordBatch.from_arrays([images], names=["X"])
    with pytest.raises(ArtifactError, match="CSV cannot hold"):
        write_table([batch], tmp_path / "x.csv")


def test_writing_nothing_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no rows to write"):
        write_table([], tmp_path / "x")


def test_batches_are_bounded_in_rows_and_bytes():
    wide = pa.RecordBatch.from_pydict({"x": pa.array(["y" * 100_000] * 2_000)})
    long = pa.RecordBatch.from_pydict({"x": np.zeros(MAX_BATCH_ROWS * 2 + 1, np.uint8)})
    for batch in (wide, long):
        parts = list(bounded([batch]))
        assert sum(part.num_rows for part in parts) == batch.num_rows
        assert max(part.num_rows for part in parts) <= MAX_BATCH_ROWS
        assert max(part.get_total_buffer_size() for part in parts[:1]) > 0
        assert max(part.nbytes for part in parts) <= MAX_BATCH_BYTES * 1.1


def test_blank_names_are_filled_by_position():
    assert check_names(["", "a"], "t") == ("column_0", "a")


def test_a_table_in_memory_checks_its_roles():
    batch = pa.RecordBatch.from_pydict({"x": [1.0], "y": [0]})
    assert table_of("t", [batch], label="y").label == "y"
    with pytest.raises(UsageError):
        table_of("t", [batch], label="z")


# Arrays ------------------------------------------------------------------------------


def npz(path: Path, **parts: np.ndarray) -> Path:
    np.savez_compressed(path, **parts)
    return path


def test_images_become_one_column_of_tensors(tmp_path):
    pixels = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    table = open_table(npz(tmp_path / "i.npz", X=pixels, y=np.arange(4)))
    assert table.columns[0].kind is ColumnKind.IMAGE
    assert table.columns[0].shape == (3, 3)
    assert table.label == "y"
    batch = next(table.read())
    assert np.array_equal(batch.column("X").to_numpy_ndarray(), pixels)


def test_a_matrix_becomes_columns_and_further_arrays_too(tmp_path):
    table = open_table(
        npz(tmp_path / "m.npz", X=np.eye(3), y=np.array(["a", "b", "c"]), who=np.arange(3))
    )
    assert [column.name for column in table.columns] == ["X_0", "X_1", "X_2", "y", "who"]
    assert rows_of(table)[1] == {"X_0": 0.0, "X_1": 1.0, "X_2": 0.0, "y": "b", "who": 1}


@pytest.mark.parametrize("dtype", [">f8", "<f4", "|u1", ">i2", "|b1", "<U3", "|S3", "<f2"])
def test_every_plain_type_is_read_as_numpy_reads_it(tmp_path, dtype):
    values = np.array([0, 1, 2]).astype(dtype)
    np.save(tmp_path / "v.npy", values)
    expected = [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]
    assert [row["X"] for row in rows_of(open_table(tmp_path / "v.npy"))] == expected


def test_fortran_order_is_read_by_rows(tmp_path):
    np.save(tmp_path / "v.npy", np.asfortranarray(np.arange(6.0).reshape(3, 2)))
    assert rows_of(open_table(tmp_path / "v.npy"))[2] == {"X_0": 4.0, "X_1": 5.0}


def test_arrays_are_asked_for_by_name(tmp_path):
    path = npz(tmp_path / "m.npz", a=np.eye(3), b=np.arange(3))
    assert open_table(path, arrays=("a", "b")).label == "b"
    with pytest.raises(UsageError, match="no array 'X'") as caught:
        open_table(path)
    assert caught.value.found == "a, b"


def test_objects_are_refused_without_being_unpickled(tmp_path):
    np.savez(tmp_path / "o.npz", X=np.array([{}, []], dtype=object), y=np.arange(2))
    with pytest.raises(ArtifactError, match="pickle"):
        open_table(tmp_path / "o.npz")


def test_structured_arrays_are_refused(tmp_path):
    np.save(tmp_path / "s.npy", np.zeros(2, dtype=[("a", "<i4")]))
    with pytest.raises(ArtifactError, match="structured"):
        open_table(tmp_path / "s.npy")


def header(descr: str, shape: str) -> bytes:
    body = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize(
    ("descr", "shape"),
    [
        ("<f8", "(10**30,)"),
        ("<f8", "(1152921504606846976, 1152921504606846976)"),
        ("<f8", "(-1,)"),
        ("<f8", "(True,)"),
        ("<f8", "()"),
        ("<f8", "(1000,)"),
        ("<U9999999", "(1,)"),
        ("<c16", "(1,)"),
        ("<f8", "(0, 99999999999)"),
        ("<f8", "(2, 0, 3)"),
    ],
)
def test_shapes_that_lie_are_refused(tmp_path, descr, shape):
    path = saved(tmp_path / "v.npy", header(descr, shape) + b"\0" * 64)
    with pytest.raises(ArtifactError):
        rows_of(open_table(path))


def zipped(
    path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return path


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_a_bomb_is_refused_by_its_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "FREE_BYTES", 1 << 16)
    path = zipped(tmp_path / "b.npz", [("X.npy", npy(np.zeros(1 << 20)))])
    with pytest.raises(ArtifactError, match="expansion"):
        open_table(path)


def test_overlapping_members_are_refused(tmp_path):
    path = zipped(tmp_path / "b.npz", [("X.npy", npy(np.arange(3))), ("y.npy", npy(np.arange(3)))])
    raw = bytearray(path.read_bytes())
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = (0).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match="overlap"):
        open_table(path)


@pytest.mark.parametrize(
    ("members", "method"),
    [
        ([("X.npy", npy(np.arange(3))), ("evil.pkl", b"x")], zipfile.ZIP_DEFLATED),
        ([("X.npy", npy(np.arange(3)))], zipfile.ZIP_BZIP2),
        ([("X.npy", npy(np.arange(3))[:-1])], zipfile.ZIP_DEFLATED),
        ([("X.npy", npy(np.arange(3)) + b"x")], zipfile.ZIP_DEFLATED),
        ([("X.npy", npy(np.zeros((3, 2)))), ("y.npy", npy(np.arange(2)))], zipfile.ZIP_STORED),
        ([(f"a{i}.npy", b"") for i in range(300)], zipfile.ZIP_STORED),
    ],
)
def test_archives_that_break_a_rule_are_refused(tmp_path, members, method):
    path = zipped(tmp_path / "b.npz", members, method)
    with pytest.raises(ArtifactError):
        rows_of(open_table(path))


@given(st.binary(max_size=300), st.integers(0, 5))
def test_random_bytes_behind_any_magic_end_in_our_errors(tmp_path_factory, body, kind):
    magic = (b"", b"PAR1", b"ARROW1\0\0", b"\x93NUMPY\x01\0", b"PK\x03\x04", b'{"a":')[kind]
    path = saved(tmp_path_factory.mktemp("f") / "t", magic + body)
    try:
        rows = rows_of(open_table(path))
    except (ArtifactError, UsageError):
        return
    assert isinstance(rows, list)


def test_times_in_arrays_are_columns(tmp_path):
    path = tmp_path / "a.npz"
    days = np.datetime64("2024-01-01") + np.arange(20)
    np.savez(path, X=np.eye(20, 3), y=np.arange(20), day=days, lag=np.arange(20).astype("m8[h]"))
    table = open_table(path)
    rows = [row for batch in table.read() for row in batch.to_pylist()]
    assert rows[1]["day"].isoformat() == "2024-01-02T00:00:00"
    assert rows[2]["lag"] == timedelta(hours=2)


def test_rows_without_labels_are_a_table_unless_labels_were_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.eye(20, 3), names=np.array(["a", "b"]))
    assert open_table(path).label is None
    with pytest.raises(UsageError, match="no array 'z'"):
        open_table(path, arrays=("X", "z"))
