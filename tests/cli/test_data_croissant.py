"""Croissant metadata describes what lies there, and files are held against it."""

from __future__ import annotations

import json

import pytest

from hauberk.cli import main

CSV = "age,town,y\n" + "".join(f"{20 + i},t{i % 3},{'yes' if i % 2 else 'no'}\n" for i in range(40))


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a b.csv").write_text(CSV)
    (data / "notes.txt").write_text("plain\n")
    return data


def write(folder, *words):
    target = folder / "croissant.json"
    assert main(["data", "croissant", str(folder), "--output", str(target), *words]) == 0
    return target


def test_files_and_columns_are_described(folder, capsys):
    document = json.loads(write(folder, "--label", "y", "--licence", "CC0-1.0").read_text())
    assert document["license"] == "CC0-1.0"
    files = {one["name"]: one for one in document["distribution"]}
    assert set(files) == {"a b.csv", "notes.txt"}
    assert files["a b.csv"]["@id"] == "a_b.csv"
    assert len(files["a b.csv"]["sha256"]) == 64
    (rows,) = document["recordSet"]
    assert [f["dataType"] for f in rows["field"]] == [
        "sc:Integer",
        "sc:Text",
        ["sc:Text", "cr:Label"],
    ]
    assert "2 files with digests, 1 tables" in capsys.readouterr().out


def test_the_same_data_have_the_same_description(folder, capsys):
    texts = []
    for _ in range(2):
        assert main(["data", "croissant", str(folder)]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_described_files_hold(folder):
    target = write(folder)
    assert main(["data", "croissant", str(folder), "--verify", str(target)]) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: (d / "a b.csv").write_text(CSV + "1,t,no\n"), "other bytes     a b.csv"),
        (lambda d: (d / "notes.txt").unlink(), "missing         notes.txt"),
        (lambda d: (d / "more.txt").write_text("x"), "not described   more.txt"),
    ],
)
def test_what_differs_from_the_description_is_named(folder, capsys, change, words):
    target = write(folder)
    change(folder)
    assert main(["data", "croissant", str(folder), "--verify", str(target)]) == 1
    assert words in capsys.readouterr().out


def test_a_file_without_a_digest_does_not_hold(folder, capsys):
    target = write(folder)
    document = json.loads(target.read_text())
    del document["distribution"][0]["sha256"]
    target.write_text(json.dumps(document))
    assert main(["data", "croissant", str(folder), "--verify", str(target)]) == 1
    assert "has no digest" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{}", "[1]", '{"distribution": []}', "{", '{"a": 1, "a": 2}'])
def test_what_is_no_description_is_refused(folder, tmp_path, text):
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    assert main(["data", "croissant", str(folder), "--verify", str(bad)]) not in (0, 4)


def test_names_that_leave_the_folder_are_missing_and_not_read(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s")
    target = write(folder)
    document = json.loads(target.read_text())
    document["distribution"][0]["contentUrl"] = "../secret"
    target.write_text(json.dumps(document))
    assert main(["data", "croissant", str(folder), "--verify", str(target)]) == 1


def test_a_label_that_no_table_has_is_a_wrong_call(folder):
    assert main(["data", "croissant", str(folder), "--label", "nope"]) == 2


def test_a_description_is_not_written_over(folder):
    target = write(folder)
    assert main(["data", "croissant", str(folder), "--output", str(target)]) == 2
