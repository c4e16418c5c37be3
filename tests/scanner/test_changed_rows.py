"""What changed since --against, row by row, in every form of the report."""

from __future__ import annotations

import json

import pytest

from hauberk.cli import main
from hauberk.scanner import changed_rows

ROWS = [[str(i), str(i * 7919 % 101), f"t{i % 3}", str(i % 2)] for i in range(80)]
HEADER = "id,amount,town,y"


def written(path, rows, header=HEADER):
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return path


@pytest.fixture
def pair(tmp_path):
    """A table, and the same with a row more, a row less, an edited amount and a new label."""
    new = [list(row) for row in ROWS]
    new[5][1] = "777"
    new[9][3] = "0" if new[9][3] == "1" else "1"
    del new[40]
    new.append(["999", "1", "t1", "0"])
    return written(tmp_path / "old.csv", ROWS), written(tmp_path / "new.csv", new)


def scanned(pair, capsys, *more):
    old, new = pair
    code = main(["scan", str(new), "--against", str(old), "--label", "y", "--jobs", "1", *more])
    return code, capsys.readouterr().out


def test_the_report_counts_changes_and_names_the_first_rows(pair, tmp_path, capsys):
    _, out = scanned(pair, capsys, "--format", "json", "--changes", str(tmp_path / "all.jsonl"))
    (changes,) = json.loads(out)["summary"]["changes"]
    counts = {name: changes[name] for name in ("added", "removed", "edited", "relabelled", "kept")}
    assert counts == {"added": 1, "removed": 1, "edited": 2, "relabelled": 1, "kept": 77}
    assert changes["columns"] == {"amount": 1, "y": 1}
    assert changes["first_edits"] == [{"row": 5, "column": "amount"}, {"row": 9, "column": "y"}]
    assert (changes["first_added"], changes["first_removed"]) == ([79], [40])
    records = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert sorted(record["op"] for record in records) == ["delete", "edit", "edit", "insert"]


@pytest.mark.parametrize("form", ["text", "html"])
def test_people_read_the_same(form, pair, capsys):
    _, out = scanned(pair, capsys, "--format", form)
    words = " ".join(out.split())
    assert "1 rows added, 1 removed, 2 edited (1 of them relabelled), 77 kept." in words
    assert "row 5 amount" in words


def test_a_table_without_changes_is_said_to_have_none(pair, capsys):
    _, out = scanned((pair[0], pair[0]), capsys)
    assert "0 rows added, 0 removed, 0 edited (0 of them relabelled), 80 kept." in " ".join(
        out.split()
    )


def test_more_rows_than_are_told_apart_are_said_to_be(pair, capsys, monkeypatch):
    monkeypatch.setattr(changed_rows, "MAX_ROWS", 50)
    _, out = scanned(pair, capsys)
    assert "rows not compared" in " ".join(out.split())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("other.csv", "height,weight\n1,2\n3,4\n"),
        ("broken.csv", "id,amount,town,y\n1,2\n"),
        ("empty.csv", "id,amount,town,y\n"),
        ("bytes.csv", "\0\1\2"),
    ],
)
def test_a_wrong_file_is_wrong_use_and_no_finding(name, content, pair, tmp_path, capsys):
    (tmp_path / name).write_text(content)
    command = ["scan", str(pair[1]), "--against", str(tmp_path / name), "--jobs", "1"]
    assert main(command) == 2
    assert name in capsys.readouterr().err


def test_a_version_before_something_that_has_none_is_wrong_use(pair, tmp_path, capsys):
    (tmp_path / "a.py").write_text("print('hello')\n")
    assert main(["scan", str(tmp_path / "a.py"), "--against", str(pair[0])]) == 2
    assert "--against" in capsys.readouterr().err


def test_changes_need_a_version_before(pair, tmp_path, capsys):
    assert main(["scan", str(pair[0]), "--changes", str(tmp_path / "c")]) == 2
    assert "--against OLD" in capsys.readouterr().err
