"""JSON lines, and JSON arrays of objects: each object is read on its own within limits.

Columns come in the order in which their names first appear; a name that an object lacks is
a missing cell. Integers and floating-point numbers widen to floating point, any other mix
of types becomes the JSON text of each cell. Objects and lists inside a cell stay JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn

from hauberk.core.artifact import Batch
from hauberk.errors import ArtifactError
from hauberk.formats.batches import MAX_COLUMNS, bounded, check_names

MAX_LINE_BYTES = 4 << 20
"""As for a row of delimited text: what is longer is an attack or an image in the wrong place."""

_ROWS = 8_192
"""Rows decoded before they become one batch."""

_CHUNK = 1 << 20
_ARRAY = re.compile(r"\s*\[\s*(?=\{)")
_BETWEEN = re.compile(r"\s*,\s*")
_END = re.compile(r"\s*\]")

Records = Callable[[Path], Iterator[tuple[int, dict[str, Any]]]]


def open_json_lines(path: Path) -> tuple[Any, Any]:
    """An Arrow schema for the file at ``path`` and a function that opens a pass over it.

    Raises:
        ArtifactError: A line is no JSON object or breaks a bound; names the line.
    """
    return open_records(path, _records)


def open_json_array(path: Path) -> tuple[Any, Any]:
    """The same for an array of objects, as instructions for models are often kept.

    The array is the whole file: of several arrays in one object none is chosen, and rows behind
    the end of an array would be lost.

    Raises:
        ArtifactError: An item is no JSON object or breaks a bound; names the item.
    """
    return open_records(path, _items)


def open_records(path: Path, records: Records) -> tuple[Any, Any]:
    """The same for whatever gives objects with their lengths, pass after pass."""
    schema = _infer(path, records)
    return schema, partial(_batches, path, schema, records)


def looks_like_array(head: bytes) -> bool:
    """Whether a file begins as an array of objects does."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return _ARRAY.match(text) is not None


def first_items(head: bytes) -> list[dict[str, Any]]:
    """The objects of an array that its first bytes hold whole."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    found: list[dict[str, Any]] = []
    place = _ARRAY.match(text)
    while place is not None:
        try:
            item, end = DECODER.raw_decode(text, place.end())
        except (ValueError, RecursionError):
            break
        if not isinstance(item, dict):
            return []
        found.append(item)
        place = _BETWEEN.match(text, end)
    return found


def looks_like_json_lines(head: bytes) -> bool:
    """Whether the first line begins as an object does."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _infer(path: Path, records: Records) -> Any:
    import pyarrow as pa

    kinds: dict[str, set[type]] = {}
    for _, record in records(path):
        for name, value in record.items():
            kinds.setdefault(name, set()).add(type(value))
        if len(kinds) > MAX_COLUMNS:
            break
    check_names(kinds, str(path))
    return pa.schema([(name, _arrow_type(seen)) for name, seen in kinds.items()])


def _arrow_type(seen: set[type]) -> Any:
    import pyarrow as pa

    simple = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    present = seen - {type(None)}
    if len(present) == 1:
        return simple.get(present.pop(), pa.string())
    return pa.float64() if present == {int, float} else pa.string()


def _batches(path: Path, schema: Any, records: Records) -> Iterator[Batch]:
    return bounded(_record_batches(path, schema, records))


def _record_batches(path: Path, schema: Any, records: Records) -> Iterator[Any]:
    rows: list[dict[str, Any]] = []
    size = first = 0
    for length, record in records(path):
        rows.append(record)
        size += length
        if len(rows) >= _ROWS or size >= MAX_LINE_BYTES:
            yield _batch(rows, schema, path, first)
            first += len(rows)
            rows, size = [], 0
    if rows:
        yield _batch(rows, schema, path, first)


def _batch(rows: list[dict[str, Any]], schema: Any, path: Path, first: int) -> Any:
    import pyarrow as pa

    arrays = []
    for field in schema:
        cells = [_cell(row.get(field.name), field.type) for row in rows]
        try:
            arrays.append(pa.array(cells, field.type))
        except (pa.ArrowInvalid, OverflowError):
            _refuse_cell(path, field, cells, first)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _refuse_cell(path: Path, field: Any, cells: list[Any], first: int) -> NoReturn:
    """Name the first cell that its column cannot hold; ``first`` rows came before ``cells``."""
    import pyarrow as pa

    for place, cell in enumerate(cells):
        try:
            pa.array([cell], field.type)
        except (pa.ArrowInvalid, OverflowError):
            _refuse(
                path,
                first + place + 1,
                f"values of column {field.name!r} that fit 64 bits",
                "a number beyond them or a changed file",
                word="Row",
            )
    _refuse(path, None, "values that fit 64 bits", "a changed file")


def _cell(value: Any, kind: Any) -> Any:
    """``value``, as JSON text where the column holds text but the value is none."""
    import pyarrow.types as t

    if value is None or isinstance(value, str) or not t.is_string(kind):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Length in bytes and content of each line that is not blank."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                _refuse(path, number, f"at most {MAX_LINE_BYTES} bytes", "a longer line")
            if line.strip():
                yield len(line), _parse(line, path, number)


def _parse(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(
            line.decode("utf-8-sig" if number == 1 else "utf-8"), object_pairs_hook=_unique
        )
    except (ValueError, RecursionError) as error:
        found = getattr(error, "msg", None) or type(error).__name__
        _refuse(path, number, "one JSON object in UTF-8", found)
    if not isinstance(record, dict):
        _refuse(path, number, "a JSON object", f"a JSON {type(record).__name__}")
    return record


def _items(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Length in characters and content of each item of an array that is the whole file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = JsonText(path, file)
        if not text.take(_ARRAY):
            text.refuse("an array of objects", "none")
        for item in text.items():
            if not isinstance(item, dict):
                text.refuse("a JSON object", f"a JSON {type(item).__name__}")
            yield text.last, item
        if text.more():
            text.refuse("nothing behind the array's end", "more")


class JsonText:
    """A pass over JSON text: what was read, and where in it the next thing begins.

    No value may be longer than `MAX_LINE_BYTES` characters, but for the arrays whose items are
    asked for one by one.

    Attributes:
        last: Characters of the value that was read last.
    """

    def __init__(self, path: Path, file: IO[str], *, word: str = "Item") -> None:
        self._path, self._file, self._word = path, file, word
        self._text, self._at, self._number = "", 0, 0
        self.last = 0

    def items(self) -> Iterator[Any]:
        """Every item of an array whose opening bracket was taken, and its end."""
        self._number = 0
        while True:
            self._number += 1
            yield self.value()
            if not self._goes_on():
                return

    def value(self) -> Any:
        """The next value.

        Raises:
            ArtifactError: There is none, or it is longer than the bound.
        """
        size = _CHUNK
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                found = getattr(error, "msg", None) or type(error).__name__
                if len(self._text) - self._at > MAX_LINE_BYTES:
                    self.refuse(f"at most {MAX_LINE_BYTES} characters", "a longer item, or none")
                if isinstance(error, RecursionError) or not self._read(size):
                    self.refuse("one JSON object in UTF-8", found)
                size *= 2
                continue
            if end == len(self._text) and not isinstance(value, dict | list | str):
                if self._read(size):  # a number may go on
                    continue
                end = len(self._text)
            self.last, self._at = end - self._at, end
            if self.last > MAX_LINE_BYTES:
                self.refuse(f"at most {MAX_LINE_BYTES} characters", f"{self.last}")
            return value

    def take(self, mark: re.Pattern[str]) -> bool:
        """Whether ``mark`` stands here; then the place is behind it."""
        while True:
            found = mark.match(self._text, self._at)
            if found is not None and found.end() < len(self._text):
                self._at = found.end()
                return True
            if len(self._text) - self._at > _CHUNK or not self._read(_CHUNK):
                break
        if found is not None:
            self._at = found.end()
        return found is not None

    def more(self) -> bool:
        """Whether anything but blanks follows."""
        while not self._text[self._at :].strip():
            self._at = len(self._text)
            if not self._read(_CHUNK):
                return False
        return True

    def _goes_on(self) -> bool:
        """Whether another item follows; then the place is where it begins."""
        while True:
            comma = _BETWEEN.match(self._text, self._at)
            if comma is not None and comma.end() < len(self._text):
                self._at = comma.end()
                return True
            if comma is None and (end := _END.match(self._text, self._at)):
                self._at = end.end()
                return False
            if self._text[self._at :].strip(", \t\r\n") or not self._read(_CHUNK):
                self.refuse("a comma or the array's end behind it", "neither")

    def _read(self, size: int) -> bool:
        """Read on; what was given already is let go."""
        try:
            more = self._file.read(size)
        except ValueError as error:
            self.refuse("UTF-8", type(error).__name__)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)

    def refuse(self, expected: str, found: str) -> NoReturn:
        """Say what was expected at this item.

        Raises:
            ArtifactError: Always.
        """
        _refuse(self._path, self._number or 1, expected, found, word=self._word)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; readers disagree on which of two equal names counts, so none is accepted."""
    record = dict(pairs)
    if len(record) < len(pairs):
        message = "the same name twice in one object"
        raise ValueError(message)
    return record


def _refuse(
    path: Path, line: int | None, expected: str, found: str, *, word: str = "Line"
) -> NoReturn:
    where = "A line" if line is None else f"{word} {line}"
    kind = {"Line": "JSON lines", "Row": "its column"}.get(word, "an array of objects")
    raise ArtifactError(
        f"{where} does not fit {kind}",
        subject=str(path),
        rule=f"each {word.lower()} is one object within the limits of the format",
        expected=expected,
        found=found,
        hint="Repair the file where it is made; nothing was skipped.",
    )


DECODER = json.JSONDecoder(object_pairs_hook=_unique)
