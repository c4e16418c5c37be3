"""Logical digests: equal rows in any format are equal, and a changed cell shows where it is."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats.tables import open_table, table_of
from hauberk.trust.versions import tables
from hauberk.trust.versions.tables import BATCH_ROWS, TableIndex


def table(count=20_000):
    rng = np.random.default_rng(1)
    return pa.table(
        {
            "id": np.arange(count),
            "amount": np.round(rng.normal(size=count), 3),
            "name": [f"n{n}" if n % 7 else "" for n in range(count)],
            "label": rng.integers(0, 2, count),
        }
    )


def index(path):
    return tables.index_of(open_table(path))


def test_the_root_survives_csv_parquet_order_of_columns_and_row_groups(tmp_path):
    data = table()
    pa.csv.write_csv(data, tmp_path / "t.csv")
    pq.write_table(data, tmp_path / "t.parquet")
    reordered = data.select(["label", "name", "id", "amount"]).cast(
        pa.schema(
            [
                ("label", pa.int8()),
                ("name", pa.large_string()),
                ("id", pa.float64()),
                ("amount", pa.float64()),
            ]
        )
    )
    pq.write_table(reordered, tmp_path / "other.parquet", row_group_size=777)
    roots = {index(tmp_path / name).root for name in ("t.csv", "t.parquet", "other.parquet")}
    assert len(roots) == 1


@settings(max_examples=25)
@given(st.lists(st.integers(1, 6_000), min_size=1, max_size=8))
def test_the_root_does_not_depend_on_how_batches_are_cut(cuts):
    data = table(18_000).combine_chunks()
    whole = tables.index_of(table_of("t", data.to_batches()))
    parts, start = [], 0
    for length in [*cuts, 18_000]:
        parts += data.slice(start, length).to_batches()
        start += length
    assert tables.index_of(table_of("t", parts)).root == whole.root


def test_a_changed_cell_is_located_to_its_batch_and_column(tmp_path):
    data = table()
    pq.write_table(data, tmp_path / "old.parquet")
    labels = data["label"].to_pylist()
    labels[BATCH_ROWS + 5] ^= 1
    pq.write_table(data.set_column(3, "label", pa.array(labels)), tmp_path / "new.parquet")
    (place,) = index(tmp_path / "old.parquet").differences(index(tmp_path / "new.parquet"))
    assert (place.column, place.first) == ("label", BATCH_ROWS)


def test_an_index_is_read_back_and_a_foreign_one_refused(tmp_path):
    pq.write_table(table(100), tmp_path / "t.parquet")
    found = index(tmp_path / "t.parquet")
    assert TableIndex.from_bytes(found.to_bytes()) == found
    for data in (b"{}", b"[]", found.to_bytes().replace(b"8192", b"4096"), b"\xff"):
        with pytest.raises(ArtifactError):
            TableIndex.from_bytes(data)


def test_rows_that_swap_cells_have_another_root():
    one = pa.table({"a": ["1", "12"], "b": ["2", "3"]})
    other = pa.table({"a": ["11", "2"], "b": ["2", "3"]})
    roots = {tables.index_of(table_of("t", t.to_batches())).root for t in (one, other)}
    assert len(roots) == 2
