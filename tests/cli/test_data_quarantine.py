"""Setting rows aside: from a scan to a split of the data that loses nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from hauberk.cli import main

N_ROWS = 120


def table(path: Path, *, changed: bool = False) -> Path:
    """A coarse release in which three rows keep an exact age."""
    lines = ["age,district"]
    for row in range(N_ROWS):
        age = f"{row}.5" if row in {4, 50, 90} else f"{20 + row % 2 * 10}-band"
        lines.append(f"{age},d{row % 3}")
    if changed:
        lines[5], lines[6] = lines[6], lines[5]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def scanned(tmp_path: Path) -> tuple[Path, Path]:
    data, decisions = table(tmp_path / "data.csv"), tmp_path / "decisions.csv"
    options = ["--sensitive", "age,district", "--min-group", "5", "--quarantine", str(decisions)]
    assert main(["scan", str(data), *options]) == 1
    return data, decisions


def quarantine(data: Path, decisions: Path, output: Path) -> int:
    options = ["--rows", str(decisions), "--output", str(output), "--by", "ann"]
    return main(["data", "quarantine", str(data), *options])


def n_rows(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines()) - 1


def test_a_scan_writes_the_rows_it_would_set_aside(tmp_path):
    _, decisions = scanned(tmp_path)
    lines = list(csv.DictReader(decisions.read_text("utf-8").splitlines()))
    assert [(line["row"], line["decision"]) for line in lines] == [
        ("4", "quarantine"),
        ("50", "quarantine"),
        ("90", "quarantine"),
    ]
    assert lines[0]["control"] == "dataset/singled-out-rows"


def test_rows_in_are_rows_kept_and_held(tmp_path, capsys):
    data, decisions = scanned(tmp_path)
    assert quarantine(data, decisions, tmp_path / "clean.csv") == 0
    assert (n_rows(tmp_path / "clean.csv"), n_rows(tmp_path / "clean.held.csv")) == (117, 3)
    assert "120 rows in = 117 kept" in capsys.readouterr().out
    record = json.loads((tmp_path / "clean.csv.quarantine.json").read_text("utf-8"))
    assert (record["by"], record["rows_in"], len(record["held_ids"])) == ("ann", 120, 3)


def test_a_person_may_keep_a_row(tmp_path):
    data, decisions = scanned(tmp_path)
    lines = decisions.read_text("utf-8").splitlines()
    lines[1] = lines[1].replace(",quarantine", ",keep")
    decisions.write_text("\n".join(lines) + "\n", "utf-8")
    assert quarantine(data, decisions, tmp_path / "clean.csv") == 0
    assert n_rows(tmp_path / "clean.csv") == N_ROWS - 2


def test_decisions_about_other_data_are_refused(tmp_path, capsys):
    data, decisions = scanned(tmp_path)
    table(data, changed=True)
    assert quarantine(data, decisions, tmp_path / "clean.csv") == 1
    assert "other data" in capsys.readouterr().err
    assert not (tmp_path / "clean.csv").exists()


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "path,row,row_id,control,score,reason,decision\n1\n"]
)
def test_a_malformed_file_of_decisions_is_refused_by_line(tmp_path, capsys, text):
    data, decisions = scanned(tmp_path)
    decisions.write_text(text, "utf-8")
    assert quarantine(data, decisions, tmp_path / "clean.csv") == 1
    assert "decisions.csv:" in capsys.readouterr().err


def test_nothing_is_written_over(tmp_path):
    data, decisions = scanned(tmp_path)
    (tmp_path / "clean.csv").write_text("mine", "utf-8")
    assert quarantine(data, decisions, tmp_path / "clean.csv") == 2
    assert (tmp_path / "clean.csv").read_text("utf-8") == "mine"
