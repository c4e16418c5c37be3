"""JSON lines: one object per line, each read on its own within limits.

Columns come in the order in which their names first appear; a name that an object lacks is
a missing cell. Integers and floating-point numbers widen to floating point, any other mix
of types becomes the JSON text of each cell. Objects and lists inside a cell stay JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from hauberk.core.artifact import Batch
from hauberk.errors import ArtifactError
from hauberk.formats.batches import MAX_COLUMNS, bounded, check_names

MAX_LINE_BYTES = 4 << 20
"""As for a row of delimited text: what is longer is an attack or an image in the wrong place."""

_ROWS = 8_192
"""Rows decoded before they become one batch."""


def open_json_lines(path: Path) -> tuple[Any, Any]:
    """An Arrow schema for the file at ``path`` and a function that opens a pass over it.

    Raises:
        ArtifactError: A line is no JSON object or breaks a bound; names the line.
    """
    schema = _infer(path)
    return schema, lambda: _batches(path, schema)


def looks_like_json_lines(head: bytes) -> bool:
    """Whether the first line begins as an object does."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _infer(path: Path) -> Any:
    import pyarrow as pa

    kinds: dict[str, set[type]] = {}
    for _, record in _records(path):
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


def _batches(path: Path, schema: Any) -> Iterator[Batch]:
    return bounded(_record_batches(path, schema))


def _record_batches(path: Path, schema: Any) -> Iterator[Any]:
    rows: list[dict[str, Any]] = []
    size = 0
    for length, record in _records(path):
        rows.append(record)
        size += length
        if len(rows) >= _ROWS or size >= MAX_LINE_BYTES:
            yield _batch(rows, schema, path)
            rows, size = [], 0
    if rows:
        yield _batch(rows, schema, path)


def _batch(rows: list[dict[str, Any]], schema: Any, path: Path) -> Any:
    import pyarrow as pa

    columns = [[_cell(row.get(field.name), field.type) for row in rows] for field in schema]
    try:
        arrays = [pa.array(cells, field.type) for cells, field in zip(columns, schema, strict=True)]
    except (pa.ArrowInvalid, OverflowError):
        _refuse(path, None, "values that fit 64 bits", "a number beyond them or a changed file")
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; readers disagree on which of two equal names counts, so none is accepted."""
    record = dict(pairs)
    if len(record) < len(pairs):
        message = "the same name twice in one object"
        raise ValueError(message)
    return record


def _refuse(path: Path, line: int | None, expected: str, found: str) -> NoReturn:
    where = "A line" if line is None else f"Line {line}"
    raise ArtifactError(
        f"{where} does not fit JSON lines",
        subject=str(path),
        rule="each line is one object within the limits of the format",
        expected=expected,
        found=found,
        hint="Repair the file where it is made; nothing was skipped.",
    )
