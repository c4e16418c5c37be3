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
from hauberk.lifecycle.data_engineering.splitting import (
    parts_by_group,
    parts_by_time,
    parts_of,
    write_parts,
)

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


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=200),
    st.integers(0, 5),
)
def test_no_group_stands_in_two_parts_and_no_row_is_lost(
    pairs: list[tuple[int, int]], seed: int
) -> None:
    groups, strata = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    parts = parts_by_group(groups, strata, SplitTable(seed=seed))
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(pairs)))
    seen = [set(groups[rows].tolist()) for rows in parts.values()]
    assert sum(map(len, seen)) == len(set.union(*seen))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=200))
def test_no_training_row_is_newer_than_a_test_row_and_no_row_is_lost(times: list[int]) -> None:
    ranks = np.array(times, np.int64)
    parts = parts_by_time(ranks, SplitTable())
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(times)))
    edges = [-1, *(ranks[parts[role]].max(initial=-1) for role in ("train", "validation"))]
    lows = [ranks[parts[role]].min(initial=99) for role in ("train", "validation", "test")]
    assert all(low > max(edges[: place + 1]) for place, low in enumerate(lows))


def visits() -> object:
    days = pa.array([f"2024-{1 + row // 20:02}-{1 + row % 20:02}" for row in range(100)])
    people = pa.array([row % 10 for row in range(100)])
    return table_of("visits", [pa.record_batch({"day": days, "who": people})])


def test_a_declared_group_is_kept_together(tmp_path: Path) -> None:
    write_parts(visits(), SplitTable(), PATHS, tmp_path, group="who")
    people = {
        role: set(next(open_table(tmp_path / path).read()).column("who").to_pylist())
        for role, path in PATHS.items()
    }
    assert not people["train"] & (people["test"] | people["validation"])


def test_a_declared_time_puts_the_newest_rows_into_the_test_part(tmp_path: Path) -> None:
    counts = write_parts(visits(), SplitTable(), PATHS, tmp_path, time="day")
    assert counts == {"train": 60, "validation": 20, "test": 20}
    days = next(open_table(tmp_path / "test.csv").read()).column("day").to_pylist()
    assert str(min(days))[:10] == "2024-05-01"


def test_time_and_group_together_need_a_step_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="time"):
        write_parts(visits(), SplitTable(), PATHS, tmp_path, time="day", group="who")


def test_a_group_column_with_gaps_is_refused(tmp_path: Path) -> None:
    batch = pa.record_batch({"who": pa.array(["a", None] * 20), "x": list(range(40))})
    with pytest.raises(UsageError, match="complete"):
        write_parts(table_of("t", [batch]), SplitTable(), PATHS, tmp_path, group="who")
