"""One JSON object that holds rows: an array of objects under a name, as in ``{"data": [...]}``.

The object is the whole file. Where exactly one of its members is an array of many objects, that
array is the table and what stands beside it (a version, a licence) is no row. Where several are,
none is chosen: whoever reads would else judge one and call the others clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hauberk.errors import UnavailableError
from hauberk.formats.batches import MAX_COLUMNS
from hauberk.formats.jsonlines import DECODER, JsonText, open_records

MIN_ROWS = 20
"""Objects of a short array are settings, or the turns of one talk."""

ALIKE = 0.5
"""Share of all names that every object of a table has; lists of settings share fewer."""

HEAD_BYTES = 1 << 16
"""What comes before the first array of rows is a few words about it."""

_START = re.compile(r"\s*\{\s*(?=\")")
_ROWS = re.compile(r"\s*:\s*\[\s*(?=\{)")
_COLON = re.compile(r"\s*:\s*")
_COMMA = re.compile(r"\s*,\s*(?=\")")
_END = re.compile(r"\s*\}")
_MAX_MEMBERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What an object at the beginning of a file holds.

    Attributes:
        tables: Names of members that are arrays of at least `MIN_ROWS` objects, with their count.
        is_nested: Whether another member is an object of its own.
        share: Characters of the tables' rows, of all that were read, 0 to 1.
        is_whole: Whether nothing stands behind the object.
    """

    tables: dict[str, int]
    is_nested: bool
    share: float
    is_whole: bool


def may_hold_rows(head: bytes) -> bool:
    """Whether an object begins whose first members, as far as they are seen, have such an array."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    place = _START.match(text)
    while place is not None:
        try:
            _, end = DECODER.raw_decode(text, place.end())
            if _ROWS.match(text, end):
                return True
            colon = _COLON.match(text, end)
            _, end = DECODER.raw_decode(text, colon.end() if colon else len(text))
        except (ValueError, RecursionError):
            return False
        place = _COMMA.match(text, end)
    return False


def outline(path: Path) -> Outline | None:
    """What the object at the beginning of ``path`` holds; ``None`` where there is none.

    Reads no further than the object and a little behind it.
    """
    from hauberk.errors import ArtifactError

    found: dict[str, _Shape] = {}
    is_nested = False
    n_read = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = JsonText(path, file, word="Member")
            for name, value in _members(text):
                n_read += text.last
                if isinstance(value, _Row):
                    found.setdefault(name, _Shape()).add(value, text.last)
                is_nested = is_nested or type(value) is dict
            is_whole = not text.more()
    except (ArtifactError, ValueError):
        return None
    tables = {name: shape.count for name, shape in found.items() if shape.is_table()}
    share = sum(found[name].size for name in tables) / max(n_read, 1)
    return Outline(tables=tables, is_nested=is_nested, share=share, is_whole=is_whole)


def open_json_object(path: Path) -> tuple[Any, Any]:
    """An Arrow schema for the one array of rows in the object at ``path``, and its pass.

    Raises:
        ArtifactError: The object is malformed or breaks a bound.
        UnavailableError: It holds several such arrays, so that none is the table.
    """
    found = outline(path)
    names = sorted(found.tables) if found else []
    if len(names) != 1:
        raise several(path, names)
    return open_records(path, partial(_rows, name=names[0]))


def several(path: Path, names: list[str]) -> UnavailableError:
    """That no control of data looked at ``path``, and what to do."""
    first = names[0] if names else "NAME"
    return UnavailableError(
        f"{path} holds several tables in one JSON object, and no control of data looked at them",
        subject=str(path),
        rule="a table is one array of objects, and of several none is chosen",
        expected="one array of objects in one file",
        found=f"arrays {', '.join(names[:20])}" if names else "none that is the table",
        hint=f"write each to a file of its own, as jq -c '.{first}[]' does, and scan those",
    )


class _Shape:
    """How many objects an array has, and which names they share."""

    def __init__(self) -> None:
        self.count = self.size = 0
        self._common: set[str] = set()
        self._every: set[str] = set()

    def add(self, row: dict[str, Any], size: int) -> None:
        """Count one object more, of ``size`` characters."""
        self._common = self._common & row.keys() if self.count else set(row)
        if len(self._every) <= MAX_COLUMNS:
            self._every |= row.keys()
        self.count += 1
        self.size += size

    def is_table(self) -> bool:
        """Whether these are rows: many, with nearly the same names."""
        is_alike = bool(self._common) and len(self._common) >= ALIKE * len(self._every)
        return self.count >= MIN_ROWS and is_alike


class _Row(dict[str, Any]):
    """An object of an array of objects, told from a member that is an object."""


def _rows(path: Path, *, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = JsonText(path, file, word="Item")
        for member, value in _members(text):
            if member != name:
                continue
            if not isinstance(value, _Row):
                text.refuse("a JSON object", f"a JSON {type(value).__name__}")
            yield text.last, value
        if text.more():
            text.refuse("nothing behind the object's end", "more")


def _members(text: JsonText) -> Iterator[tuple[str, Any]]:
    """Name and value of each member; of an array of objects, the name with each of its objects."""
    if not text.take(_START):
        text.refuse("an object", "none")
    seen: set[str] = set()
    while True:
        name = text.value()
        if name in seen or len(seen) >= _MAX_MEMBERS:
            text.refuse(f"each name once, and at most {_MAX_MEMBERS}", "more")
        seen.add(name)
        for value in _values(text):
            yield name, value
        if text.take(_END):
            return
        if not text.take(_COMMA):
            text.refuse("a comma or the object's end", "neither")


def _values(text: JsonText) -> Iterator[Any]:
    """The value behind a name, or each item of an array that begins with an object."""
    if text.take(_ROWS):
        for item in text.items():
            yield _Row(item) if isinstance(item, dict) else item
    elif text.take(_COLON):
        yield text.value()
    else:
        text.refuse("a colon behind a name", "none")
