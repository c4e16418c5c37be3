"""Small Parquet and Arrow files that unpack to much: each is refused, or read in bounded parts."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from hauberk.errors import ArtifactError, UsageError
from hauberk.formats import columnar
from hauberk.formats.arrow_sizes import unpacked_sizes
from hauberk.formats.parquet_pages import pages
from hauberk.formats.spans import open_span
from hauberk.formats.tables import open_table


def written(path, columns, **options):
    parquet.write_table(pa.table(columns), path, **options)
    return path


def first_column(path):
    return parquet.ParquetFile(path).metadata.row_group(0).column(0)


def pages_of(path):
    column = first_column(path)
    offsets = (column.dictionary_page_offset, column.data_page_offset)
    start = min(offset for offset in offsets if offset)
    with path.open("rb") as file:
        return list(pages(file, start, start + column.total_compressed_size))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "zstd", "snappy"])
def test_pages_account_for_every_byte_of_their_column(tmp_path, codec, version):
    words = [f"word {i * 7919 % 10007}" for i in range(60_000)]
    path = written(tmp_path / "x", {"x": words}, compression=codec, data_page_version=version)
    found = pages_of(path)
    assert len(found) > 1
    assert found[0].is_dictionary
    assert sum(page.packed for page in found) <= first_column(path).total_compressed_size
    assert sum(page.unpacked for page in found) <= first_column(path).total_uncompressed_size


def test_a_page_beyond_its_bound_is_refused_by_column_before_it_is_unpacked(tmp_path, monkeypatch):
    path = written(tmp_path / "x", {"ok": [1], "long": ["a" * 200_000]}, use_dictionary=False)
    monkeypatch.setattr(columnar, "MAX_PAGE_BYTES", 100_000)
    with pytest.raises(ArtifactError, match="in column long"):
        open_table(path)


def test_a_page_that_leads_out_of_its_column_is_refused(tmp_path):
    path = written(tmp_path / "x", {"x": list(range(100))}, compression="none")
    raw = bytearray(path.read_bytes())
    raw[6:8] = b"\xff\x7f"  # the size of the first page
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match="pages of column x"):
        open_table(path)


@pytest.mark.parametrize("body", [b"", b"\x15", b"\x19" * 100, b"\x1c" * 100, b"\x18\xff\xff\x01"])
def test_headers_of_pages_that_are_none_end_in_an_error(body):
    with pytest.raises(ValueError, match=r"header|page"):
        list(pages(io.BytesIO(body), 0, max(len(body), 1)))


def test_a_cell_beyond_its_bound_is_refused_by_row_and_column(tmp_path, monkeypatch):
    cells = {"x": ["a"] * 7 + ["b" * 5_000], "y": [0] * 8}
    monkeypatch.setattr(columnar, "MAX_CELL_BYTES", 4_000)
    for name, write in (
        ("p", written),
        ("f", lambda path, rows: feather.write_feather(pa.table(rows), path)),
    ):
        write(tmp_path / name, cells, **({"use_dictionary": False} if name == "p" else {}))
        with pytest.raises(ArtifactError, match="5000 bytes in column x in row 8"):
            list(open_table(tmp_path / name).read())


def test_one_long_text_in_every_row_is_spelt_out_in_bounded_parts(tmp_path, monkeypatch):
    texts = ["a" * 100_000, None, "b"]
    rows = {"x": [texts[i % 3] for i in range(3_000)], "n": list(range(3_000))}
    path = written(tmp_path / "x", rows, compression="zstd")
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(columnar, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(columnar, "MAX_BATCH_BYTES", 1 << 20)
    table = open_table(path)
    batches = list(table.read())
    assert max(batch.nbytes for batch in batches) < 3 << 20
    assert [cell for batch in batches for cell in batch.column(0).to_pylist()] == rows["x"]
    assert [cell for batch in batches for cell in batch.column(1).to_pylist()] == rows["n"]
    assert batches[0].schema.field(0).type == pa.string()


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        ([["a" * 50_000] * 3] * 900, {}),
        (
            ["a" * 50_000] * 900,
            {"use_dictionary": False, "column_encoding": {"x": "DELTA_BYTE_ARRAY"}},
        ),
        ([[0] * 5_000] * 900, {}),
    ],
    ids=["texts in lists", "texts by what they share", "lists of one value"],
)
def test_values_that_expand_make_batches_of_fewer_rows(tmp_path, monkeypatch, cells, options):
    path = written(tmp_path / "x", {"x": cells}, compression="zstd", **options)
    monkeypatch.setattr(columnar, "FREE_BYTES", 1 << 20)
    batches = list(open_table(path).read())
    assert max(batch.nbytes for batch in batches) < 2 << 20
    assert [cell for batch in batches for cell in batch.column(0).to_pylist()] == cells


def test_lists_of_more_values_than_a_group_may_hold_are_refused(tmp_path, monkeypatch):
    path = written(tmp_path / "x", {"x": [np.zeros(50_000).tolist()] * 2})
    monkeypatch.setattr(columnar, "MAX_ROW_GROUP_BYTES", 500_000)
    with pytest.raises(ArtifactError, match="column x"):
        open_table(path)


@pytest.mark.parametrize("codec", ["zstd", "lz4", "uncompressed"])
def test_sizes_of_arrow_batches_are_those_of_the_batches(tmp_path, codec):
    rows = {"x": [f"word {i % 97}" for i in range(3_000)], "n": list(range(3_000))}
    table = pa.table(rows).append_column("d", pa.array(rows["x"]).dictionary_encode())
    feather.write_feather(table, tmp_path / "x", compression=codec, chunksize=1_000)
    with open_span(tmp_path / "x") as span:
        sizes = list(unpacked_sizes(span))
    assert len(sizes) == 4
    held = [batch.nbytes for batch in pa.ipc.open_file(tmp_path / "x").read_all().to_batches()]
    assert all(
        abs(unpacked - nbytes) < 400 + nbytes // 4
        for (_, unpacked), nbytes in zip(sizes[1:], held, strict=True)
    )


def test_a_batch_of_arrow_that_unpacks_to_much_is_refused_before_it_is(tmp_path, monkeypatch):
    feather.write_feather(pa.table({"x": ["a" * 3_000_000]}), tmp_path / "x", compression="zstd")
    monkeypatch.setattr(columnar, "FREE_BYTES", 1 << 20)
    with pytest.raises(ArtifactError, match="bytes out of"):
        open_table(tmp_path / "x")


@pytest.mark.parametrize("step", [7, 11, 13])
def test_arrow_files_with_changed_bytes_end_in_our_errors(tmp_path, step):
    words = pa.table({"x": [f"word {i}" for i in range(60)], "n": list(range(60))})
    feather.write_feather(words, tmp_path / "x", compression="zstd")
    whole = (tmp_path / "x").read_bytes()
    for place in range(8, len(whole), step):
        raw = bytearray(whole)
        raw[place] ^= 0xFF
        (tmp_path / "x").write_bytes(raw)
        with contextlib.suppress(ArtifactError, UsageError):
            list(open_table(tmp_path / "x").read())
