"""The table of row scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet

from hauberk.core.finding import Assessment, Outcome, RowScores
from hauberk.errors import UsageError
from hauberk.scanner.rows import OVERALL, row_scores, write_rows


def assessed(control: str, *scores: float) -> Assessment:
    read = RowScores(path="t.csv", n_rows=len(scores), read=lambda: iter([(0, scores)]))
    return Assessment(control=control, path="t.csv", outcome=Outcome.CLEAN, scores=(read,))


BOTH = (assessed("dataset/b", 5.0, 1.0, 1.0, 1.0), assessed("dataset/a", 0.0, 0.1, 0.2, 0.3))


def test_every_row_has_a_line_for_each_control_and_one_overall() -> None:
    lines = list(row_scores(BOTH))
    assert [line.control for line in lines] == ["dataset/a"] * 4 + ["dataset/b"] * 4 + [OVERALL] * 4
    assert [line.row for line in lines] == [0, 1, 2, 3] * 3


def test_one_certain_control_is_enough_to_lead_the_whole() -> None:
    overall = [line.score for line in row_scores(BOTH) if line.control == OVERALL]
    assert overall == [0.75, 0.25, 0.5, 0.75]


def test_csv_and_parquet_hold_the_same(tmp_path: Path) -> None:
    write_rows(row_scores(BOTH), tmp_path / "rows.csv")
    write_rows(row_scores(BOTH), tmp_path / "rows.parquet")
    table = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[0] == "path,row,control,score"
    assert lines[1:] == [f"{r['path']},{r['row']},{r['control']},{r['score']!r}" for r in table]


def test_another_ending_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CSV or Parquet"):
        write_rows((), tmp_path / "rows.txt")
