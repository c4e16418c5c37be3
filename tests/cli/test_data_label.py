"""Importing annotations: votes, gold rows, adjudication, people who stand out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.formats.annotations import Source, read_annotations
from hauberk.formats.tables import open_table

N_ROWS = 90


def data(folder: Path) -> Path:
    path = folder / "data.csv"
    rows = [f"{row},{row * 7 % 90}" for row in range(N_ROWS)]
    path.write_text("id,x\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def truth(row: int) -> str:
    return "low" if row * 7 % 90 < 45 else "high"


def votes(folder: Path, *, liar: str = "") -> Path:
    """Three votes a row by five people; who is the liar says the opposite."""
    lines = ["item,annotator,label,time"]
    other = {"low": "high", "high": "low"}
    for row in range(N_ROWS):
        for vote in range(3):
            who = "abcde"[(row + vote) % 5]
            label = other[truth(row)] if who == liar else truth(row)
            lines.append(f"{row},{who},{label},2024-05-01T10:00:00Z")
    path = folder / "votes.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def label(folder: Path, annotations: Path, *more: str) -> int:
    options = ["--annotations", str(annotations), "--label", "y", "--output"]
    return main(["data", "label", str(data(folder)), *options, str(folder / "out.csv"), *more])


def column(folder: Path, name: str) -> list[object]:
    table = open_table(folder / "out.csv")
    return [cell for batch in table.read() for cell in batch.column(name).to_pylist()]


def test_a_majority_settles_each_row(tmp_path):
    assert label(tmp_path, votes(tmp_path)) == 0
    assert column(tmp_path, "y") == [truth(row) for row in range(N_ROWS)]
    assert set(column(tmp_path, "label_source")) == {"human"}


def test_somebody_who_lies_is_named(tmp_path, capsys):
    assert label(tmp_path, votes(tmp_path, liar="c")) == 1
    assert "annotator c" in capsys.readouterr().out


def test_rows_on_which_people_disagree_stay_open_until_somebody_decides(tmp_path, capsys):
    path = tmp_path / "v.csv"
    path.write_text("item,annotator,label\n0,a,low\n0,b,high\n1,a,low\n", "utf-8")
    assert label(tmp_path, path) == 0
    assert column(tmp_path, "y")[:2] == [None, "low"]
    assert "89 rows are open" in capsys.readouterr().out
    decided = tmp_path / "decided.csv"
    decided.write_text("item,annotator,label\n0,eve,high\n", "utf-8")
    (tmp_path / "out.csv").unlink()
    assert label(tmp_path, path, "--adjudicated", str(decided)) == 0
    assert column(tmp_path, "label_source")[0] == "adjudicated"


def test_labels_studio_marks_models_and_known_truths(tmp_path):
    def result(choice: str) -> list[object]:
        return [{"type": "choices", "value": {"choices": [choice]}}]

    tasks = [
        {
            "id": 7,
            "data": {"row": 3},
            "annotations": [
                {"completed_by": {"email": "ann@x.example"}, "result": result("low")},
                {"completed_by": 2, "result": result("high"), "ground_truth": True},
                {"completed_by": 3, "result": result("high"), "was_cancelled": True},
            ],
            "predictions": [{"model_version": "m1", "result": result("low")}],
        }
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), "utf-8")
    found = read_annotations(path)
    assert [(item.annotator, item.source, item.assisted) for item in found] == [
        ("model:m1", Source.MODEL, False),
        ("ann@x.example", Source.HUMAN, True),
        ("2", Source.GOLD, False),
    ]
    assert {item.item for item in found} == {"3"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("item,annotator\n1,a\n", ":1"),
        ("item,annotator,label\n1,,low\n", ":2"),
        ("item,annotator,label,kind\n1,a,low,guess\n", ":2"),
        ('[{"id": 1, "annotations": [{"result": 3}]}]', "task 0"),
        ("[1]", "task 0"),
        ("[[", "annot"),
    ],
)
def test_a_malformed_annotation_is_refused_by_its_place(tmp_path, capsys, text, place):
    path = tmp_path / "annot"
    path.write_text(text, "utf-8")
    assert label(tmp_path, path) == 1
    assert place in capsys.readouterr().err


def test_annotations_of_unknown_rows_are_refused(tmp_path, capsys):
    path = tmp_path / "v.csv"
    path.write_text("item,annotator,label\n900,a,low\n", "utf-8")
    assert label(tmp_path, path) == 1
    assert "900" in capsys.readouterr().err
