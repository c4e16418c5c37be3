"""`scan --transforms` and `data history` from the command line."""

from __future__ import annotations

import json

from hauberk.cli import main

CONTRACT = {"transforms": [{"column": "x", "do": "multiply", "factor": 2}]}


def write(path, rows):
    path.write_text("x,label\n" + "\n".join(f"{x},{label}" for x, label in rows) + "\n", "utf-8")


def step(folder, after):
    write(folder / "old.csv", [(1.5, "a"), (2.5, "b"), (3.5, "a")])
    write(folder / "new.csv", after)
    (folder / "t.json").write_text(json.dumps(CONTRACT), "utf-8")
    words = ["--against", folder / "old.csv", "--transforms", folder / "t.json"]
    return main(["scan", *map(str, [folder / "new.csv", *words]), "--label", "label"])


def test_a_step_that_did_what_it_declares_passes(tmp_path):
    assert step(tmp_path, [(3, "a"), (5, "b"), (7, "a")]) == 0


def test_a_step_that_did_something_else_fails_the_scan(tmp_path, capsys):
    assert step(tmp_path, [(3, "a"), (5, "b"), (7.5, "a")]) == 1
    assert "1 of 3 cells of x" in " ".join(capsys.readouterr().out.split())


def test_a_contract_without_the_rows_before_is_a_usage_error(tmp_path, capsys):
    write(tmp_path / "new.csv", [(1, "a")])
    (tmp_path / "t.json").write_text(json.dumps(CONTRACT), "utf-8")
    words = ["scan", str(tmp_path / "new.csv"), "--transforms", str(tmp_path / "t.json")]
    assert main(words) in {2, 3}
    printed = capsys.readouterr()
    assert "--against" in printed.out + printed.err


def test_a_history_names_a_release_that_relabels_too_much(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [(i / 4, "ab"[i % 2]) for i in range(80)]
    write(tmp_path / "rows.csv", rows)
    assert main(["data", "add", "rows.csv", "--label", "label"]) == 0
    rows[:6] = [(x, "b" if label == "a" else "a") for x, label in rows[:6]]
    write(tmp_path / "rows.csv", rows)
    assert main(["data", "add", "rows.csv"]) == 0
    capsys.readouterr()
    assert main(["data", "history", "rows", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {item["control"] for item in found} == {"dataset/creeping-poison"}


def test_a_history_of_one_version_has_nothing_to_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.csv", [(i, "ab"[i % 2]) for i in range(20)])
    assert main(["data", "add", "rows.csv", "--label", "label"]) == 0
    assert main(["data", "history", "rows"]) == 0
