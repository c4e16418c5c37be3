"""Tables that are one JSON array of objects, as instructions for models are often kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hauberk.errors import ArtifactError
from hauberk.formats import jsonlines
from hauberk.formats.tables import TableKind, kind_of, open_table
from hauberk.scanner import FileKind
from hauberk.scanner import kind_of as file_kind

ROWS = [{"instruction": f"add {n} and 1", "output": str(n + 1), "n": n} for n in range(50)]
MARK = b"\xef\xbb\xbf".decode()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rows.json"
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, object]]:
    return [row for batch in open_table(path).read() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        MARK + " \r\n" + json.dumps(ROWS, separators=(",", ":")) + "\n\n",
    ],
    ids=["plain", "indented", "marked"],
)
def test_an_array_gives_the_rows_that_its_lines_would_give(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(map(json.dumps, ROWS)))
    assert kind_of(path) is TableKind.JSON_ARRAY
    assert read(path) == read(lines)
    assert len(read(path)) == 50


@pytest.mark.parametrize("size", [65, 71, 128])
def test_borders_of_what_is_read_at_once_do_not_matter(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, json.dumps(ROWS, indent=1))
    whole = read(path)
    monkeypatch.setattr(jsonlines, "_CHUNK", size)
    assert read(path) == whole


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"a": 1}, {"a": 2}', "Item 2"),
        ('[{"a": 1} {"a": 2}]', "Item 1"),
        ('[{"a": 1}, 2]', "Item 2"),
        ('[{"a": 1, "a": 2}]', "Item 1"),
        ('[{"a": 1}, {"a": ' + "[" * 100_000 + "]}]", "Item 2"),
        ('[{"a": 1}, {"a": "' + "x" * 5_000_000 + '"}]', "Item 2"),
        ('[{"a": 1},]', "Item 2"),
        ('[{"a": 1}] [{"a": 2}]', "Item 1"),
        ('[{"a": 99999999999999999999}]', "Row 1"),
    ],
    ids=[
        "cut",
        "no comma",
        "a number",
        "twice",
        "deep",
        "long",
        "comma",
        "behind",
        "beyond 64 bits",
    ],
)
def test_what_is_no_array_of_objects_is_refused(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ArtifactError, match=found):
        read(written(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"a": "' + bytes([255]) + b'"}]')
    with pytest.raises(ArtifactError, match="Item 1"):
        read(path)


def test_a_scan_takes_an_array_of_rows_for_a_table_and_lists_of_settings_for_text(
    tmp_path: Path,
) -> None:
    assert file_kind(written(tmp_path, json.dumps(ROWS))) is FileKind.TABLE
    few = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    assert file_kind(written(tmp_path, json.dumps(few))) is FileKind.TEXT
    unlike = [{f"key-{n}": n} for n in range(40)]
    assert file_kind(written(tmp_path, json.dumps(unlike))) is FileKind.TEXT
    assert file_kind(written(tmp_path, json.dumps([1, 2, 3]))) is FileKind.TEXT
    several = {"train": ROWS, "test": ROWS}  # to choose one would lose the rows of the other
    assert file_kind(written(tmp_path, json.dumps(several))) is FileKind.TEXT_OF_TABLES
