"""The table of row scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet

from hauberk.core.finding import Assessment, Outcome, RowScores
from hauberk.errors import UnavailableError, UsageError
from hauberk.scanner.rows import OVERALL, row_scores, write_rows


def assessed(control: str, *scores: float) -> Assessment:
    read = RowScores(path="t.csv", n_rows=len(scores), read=lambda: iter([(0, scores)]))
    return Assessment(control=control, path="t.csv", outcome=Outcome.CLEAN, scores=(read,))


BOTH = (assessed("dataset/b", 5.0, 1.0, 1.0, 1.0), assessed("dataset/a", 0.0, 0.1, 0.2, 0.3))


def test_every_row_has_a_line_for_each_control_and_one_overall() -> None:
    lines = list(row_scores(BOTH))
    assert [line.control for line in lines] == ["dataset/a"] * 4 + ["dataset/b"] * 4 + [OVERALL] * 4
    assert [line.row for line in lines] == [0, 1, 2, 3] * 3


def test_chances_add_up_as_if_independent() -> None:
    both = (assessed("dataset/a", 0.5, 0.0), assessed("dataset/b", 0.5, 0.1))
    chances = [replace(item, scores=(replace(item.scores[0], is_chance=True),)) for item in both]
    overall = [line.score for line in row_scores(chances) if line.control == OVERALL]
    assert overall == pytest.approx([0.75, 0.1])


def test_scores_of_another_scale_count_only_at_their_end() -> None:
    many = assessed("dataset/a", *range(1_000))
    overall = [line.score for line in row_scores([many]) if line.control == OVERALL]
    assert max(overall[:990]) == 0
    assert 0.3 < overall[999] < 0.5


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


def test_a_table_that_could_not_be_ended_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "rows.csv").write_text("old")

    def broken():
        yield from row_scores(BOTH)
        raise OSError(28, "No space left on device")

    with pytest.raises(UnavailableError, match="No space left"):
        write_rows(broken(), folder / "rows.csv")
    assert [path.name for path in folder.iterdir()] == ["rows.csv"]
    assert (folder / "rows.csv").read_text() == "old"
