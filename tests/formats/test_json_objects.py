"""Rows in a JSON object: one array is a table, of several none is chosen, and both are said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hauberk.cli import main
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats import jsonlines
from hauberk.formats.tables import TableKind, kind_of, open_table
from hauberk.scanner.kinds import FileKind
from hauberk.scanner.kinds import kind_of as file_kind

ROWS = [{"age": i * 7 % 41, "town": f"t{i % 3}", "paid": i % 2} for i in range(60)]
SEVERAL = {"train": ROWS, "test": ROWS[:25], "version": 1}


def written(folder: Path, value: Any, name: str = "rows.json", **options: Any) -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, **options), "utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [row for batch in open_table(path).read() for row in batch.to_pylist()]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "value",
    [
        {"data": ROWS},
        {"version": "1.1", "licence": None, "tags": ["a", 1.5], "data": ROWS, "n": 60},
        {"data": ROWS, "notes": [{"by": "a"}]},
        {"info": {"by": "a", "year": 2020}, "data": ROWS},
    ],
)
def test_one_array_of_objects_is_the_table(value, indent, tmp_path):
    path = written(tmp_path, value, indent=indent)
    assert file_kind(path) is FileKind.TABLE
    assert kind_of(path) is TableKind.JSON_OBJECT
    assert rows_of(path) == ROWS


def test_what_spans_many_reads_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonlines, "_CHUNK", 7)
    value = {"n": 1234567, "data": ROWS, "word": "x" * 30, "last": 7.25}
    assert rows_of(written(tmp_path, value, indent=1)) == ROWS


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_blanks_around_the_object_are_nothing(text, tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(f"{text}{json.dumps({'data': ROWS})}\n\n")
    assert rows_of(path) == ROWS


def test_talks_of_many_turns_a_line_stay_json_lines(tmp_path):
    talk = {"messages": [{"role": "user", "content": f"word {i} " * 200} for i in range(30)]}
    path = written(tmp_path, "\n".join([json.dumps(talk)] * 3), "talks.jsonl")
    assert kind_of(path) is TableKind.JSON_LINES
    assert len(rows_of(path)) == 3


@pytest.mark.parametrize(
    "value",
    [
        {"data": ROWS[:5]},
        {"data": [{f"name {i}": i} for i in range(40)]},
        {"data": [1, 2, 3]},
        {"settings": {"data": ROWS}},
        {"tokens": ROWS, "model": {"vocabulary": {f"word {i}": i for i in range(900)}}},
    ],
    ids=["few", "unlike", "numbers", "nested", "beside more"],
)
def test_settings_are_no_table(value, tmp_path):
    assert file_kind(written(tmp_path, value, indent=1)) is FileKind.TEXT


def test_of_several_tables_none_is_chosen(tmp_path):
    path = written(tmp_path, SEVERAL)
    with pytest.raises(UnavailableError, match="several tables") as caught:
        open_table(path)
    assert "test, train" in caught.value.found
    assert "jq -c '.test[]'" in caught.value.hint


def test_several_tables_with_a_label_are_a_gap_in_the_scan(tmp_path, capsys):
    path = written(tmp_path, SEVERAL)
    assert main(["scan", str(path), "--label", "paid"]) == 3
    words = " ".join(capsys.readouterr().out.split())
    assert "no control of data looked at them" in words
    assert "not checked as data" in words


def test_several_tables_in_a_folder_are_told_and_do_not_fail_it(tmp_path, capsys):
    written(tmp_path, SEVERAL)
    (tmp_path / "a.py").write_text("print('hello')\n")
    assert main(["scan", str(tmp_path)]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "1 JSON object of several tables: not checked as data, only as text" in words


@pytest.mark.parametrize(
    "text",
    [
        '{"data": ' + json.dumps(ROWS) + ', "data": []}',
        '{"data": ' + json.dumps(ROWS) + "} x",
        '{"data": ' + json.dumps(ROWS)[:-1] + ', 7], "n": 1}',
        '{"data": ' + json.dumps(ROWS),
        '{"data": ' + json.dumps(ROWS) + ', "deep": ' + "[" * 90_000,
    ],
    ids=["twice", "behind", "a number", "cut", "deep"],
)
def test_malformed_objects_are_refused_or_stay_text(text, tmp_path):
    path = written(tmp_path, text)
    if file_kind(path) is FileKind.TABLE:
        with pytest.raises(ArtifactError):
            rows_of(path)
