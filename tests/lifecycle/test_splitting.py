from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import UsageError
from hauberk.formats.tables import open_table, table_of
from hauberk.lifecycle.data_engineering.preparation import SplitTable
from hauberk.lifecycle.data_engineering.splitting import parts_of, write_parts

PATHS = {"train": "train.csv", "validation": "validation.csv", "test": "test.csv"}


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=200),
    st.integers(0, 5),
    st.floats(0.05, 0.4),
    st.floats(0.0, 0.4),
)
def test_every_row_is_in_exactly_one_part(
    strata: list[int], seed: int, test: float, validation: float
) -> None:
    split = SplitTable(test=test, validation=validation, seed=seed)
    parts = parts_of(np.array(strata, np.int64), split)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(strata)))


def test_each_stratum_is_cut_by_the_same_shares() -> None:
    strata = np.array([0] * 100 + [1] * 20, np.int64)
    parts = parts_of(strata, SplitTable(test=0.2, validation=0.1))
    assert [int((strata[parts[role]] == 1).sum()) for role in PATHS] == [14, 2, 4]


def test_the_same_seed_gives_the_same_parts() -> None:
    strata = np.zeros(50, np.int64)
    first, again = (parts_of(strata, SplitTable(seed=3)) for _ in range(2))
    assert all((first[role] == again[role]).all() for role in PATHS)
    other = parts_of(strata, SplitTable(seed=4))
    assert (first["test"] != other["test"]).any()


def rows(n: int):
    batch = pa.record_batch({"x": list(range(n)), "y": ["a", "b"] * (n // 2)})
    return table_of("rows", [batch], label="y")


def test_parts_are_written_in_the_format_of_their_names(tmp_path: Path) -> None:
    counts = write_parts(rows(40), SplitTable(), {**PATHS, "test": "test.parquet"}, tmp_path)
    assert counts == {"train": 24, "validation": 8, "test": 8}
    batch = next(open_table(tmp_path / "test.parquet").read())
    assert batch.num_rows == 8


def test_a_column_that_is_not_there_cannot_stratify(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stratify"):
        write_parts(rows(40), SplitTable(stratify="z"), PATHS, tmp_path)


def test_a_part_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would be empty"):
        write_parts(rows(2), SplitTable(), PATHS, tmp_path)
