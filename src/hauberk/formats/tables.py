"""Any table or labelled set of images as one `Dataset`, whatever bytes it came in.

The kind is found by content, never by the ending. Batches are Arrow record batches,
bounded in rows and bytes (`formats.batches`); what a file may look like stands in the
module of its format: `delimited`, `jsonlines`, `columnar`, `arrays`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from hauberk.core.artifact import ROW_COLUMN, Batch, Column, Dataset
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats import arrays as array_files
from hauberk.formats import columnar, delimited, json_objects, jsonlines
from hauberk.formats.batches import columns_of

_HEAD_BYTES = 4_096


class TableKind(StrEnum):
    """The formats that `open_table` reads."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    JSON_ARRAY = "json"
    JSON_OBJECT = "json object"
    PARQUET = "parquet"
    ARROW = "arrow"
    NPY = "npy"
    NPZ = "npz"


def kind_of(path: Path) -> TableKind:
    """The format of the file at ``path`` by its first bytes.

    Text that is no JSON object counts as delimited text; callers that are not sure to have
    a table should look further.

    Raises:
        ArtifactError: It is empty or of no kind that holds tables.
        UsageError: There is no file.
    """
    head = _head(path)
    magics = {
        columnar.PARQUET_MAGIC: TableKind.PARQUET,
        columnar.ARROW_MAGIC: TableKind.ARROW,
        array_files.NPY_MAGIC: TableKind.NPY,
        array_files.ZIP_MAGIC: TableKind.NPZ,
    }
    for magic, kind in magics.items():
        if head.startswith(magic):
            return kind
    if jsonlines.looks_like_array(head):
        return TableKind.JSON_ARRAY
    if jsonlines.looks_like_json_lines(head):
        return TableKind.JSON_OBJECT if _holds_rows(path) else TableKind.JSON_LINES
    if not head.strip() or (b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff")):
        raise ArtifactError(
            "The file is empty or of no kind that holds tables",
            subject=str(path),
            rule="the kind of a table is found by its content",
            expected="CSV, JSON lines, a JSON array of objects, Parquet, Arrow IPC, npz or npy",
            found=("text in UTF-16 without its mark" if _is_wide(head) else "binary data")
            if head.strip()
            else "no content",
            hint="Write it as UTF-8." if _is_wide(head) else "Convert it to Parquet or CSV.",
        )
    return TableKind.CSV


def _holds_rows(path: Path) -> bool:
    """Whether the file is one object with arrays of rows; a line of JSON lines may look like it."""
    with path.open("rb") as file:
        head = file.read(json_objects.HEAD_BYTES)
    if not json_objects.may_hold_rows(head):
        return False
    found = json_objects.outline(path)
    return found is not None and found.is_whole and bool(found.tables)


def _is_wide(head: bytes) -> bool:
    """Whether every second byte is zero, as in Latin text of two bytes a character."""
    pairs = len(head) // 2
    return any(
        head[at::2].count(0) > pairs // 2 and not head[1 - at :: 2].count(0) for at in (0, 1)
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise UsageError(
            "The table cannot be opened",
            subject=str(path),
            expected="a readable file",
            found=error.strerror or type(error).__name__,
            hint="Check the path and its permissions.",
        ) from None


def open_table(
    path: Path | str,
    *,
    label: str | None = None,
    sensitive: Sequence[str] = (),
    source: str | None = None,
    annotator: str | None = None,
    arrays: tuple[str, str] = ("X", "y"),
) -> Dataset:
    """The table at ``path`` as a data set.

    Text formats are read once to find their types; the binary ones only as far as their
    headers. Arrays use the second name of ``arrays`` as the label where none is given.

    Raises:
        ArtifactError: The file is malformed, hostile or beyond a bound; names the place.
        UnavailableError: It is one JSON object with several tables, of which none is chosen.
        UsageError: There is no such file, or it lacks a column that was named.
    """
    path = Path(path)
    kind = kind_of(path)
    schema, read = _open(path, kind, arrays)
    columns = columns_of(schema, next(read(), None))
    names = tuple(column.name for column in columns)
    if label is None and kind is TableKind.NPZ and arrays[1] in names:
        label = arrays[1]
    for role, name in _named(label, sensitive, source, annotator):
        _require(name, names, role, path)
    return Dataset(
        name=str(path),
        columns=columns,
        read=read,
        label=label,
        sensitive=tuple(sensitive),
        source=source,
        annotator=annotator,
        path=path,
    )


def _open(
    path: Path, kind: TableKind, arrays: tuple[str, str]
) -> tuple[Any, Callable[[], Iterator[Batch]]]:
    openers: dict[TableKind, Callable[[Path], tuple[Any, Any]]] = {
        TableKind.CSV: delimited.open_delimited,
        TableKind.JSON_LINES: jsonlines.open_json_lines,
        TableKind.JSON_ARRAY: jsonlines.open_json_array,
        TableKind.JSON_OBJECT: json_objects.open_json_object,
        TableKind.PARQUET: columnar.open_parquet,
        TableKind.ARROW: columnar.open_arrow,
        TableKind.NPY: partial(array_files.open_arrays, arrays=("X", arrays[1])),
        TableKind.NPZ: partial(array_files.open_arrays, arrays=arrays),
    }
    return openers[kind](path)


def _named(
    label: str | None, sensitive: Sequence[str], source: str | None, annotator: str | None
) -> list[tuple[str, str]]:
    single = (("label", label), ("source", source), ("annotator", annotator))
    return [(role, name) for role, name in single if name is not None] + [
        ("sensitive", name) for name in sensitive
    ]


def _require(name: str, names: tuple[str, ...], role: str, path: Path) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    shown = ", ".join(names[:50]) + (", ..." if len(names) > 50 else "")  # noqa: PLR2004 - a line
    raise UsageError(
        f"The table has no column {name!r} to use as {role}",
        subject=str(path),
        rule=f"the {role} column exists",
        expected=f"one of: {shown}",
        found=name,
        hint=f"Did you mean {near[0]!r}?" if near else "",
    )


def table_of(
    name: str,
    batches: Sequence[Batch],
    *,
    label: str | None = None,
    sensitive: Sequence[str] = (),
    source: str | None = None,
    annotator: str | None = None,
) -> Dataset:
    """A data set that lies in memory, for attacks, tests and derived tables.

    Args:
        batches: Arrow record batches of one schema; at least one, which may be empty.
    """
    kept = tuple(batches)
    columns = columns_of(kept[0].schema, kept[0])
    for role, column in _named(label, sensitive, source, annotator):
        _require(column, tuple(item.name for item in columns), role, Path(name))
    return Dataset(
        name=name,
        columns=columns,
        read=lambda: iter(kept),
        label=label,
        sensitive=tuple(sensitive),
        source=source,
        annotator=annotator,
    )


def features_of(dataset: Dataset) -> tuple[Column, ...]:
    """The columns that a model may learn from: not the label, row ids or who made the row."""
    others = {dataset.label, dataset.source, dataset.annotator, ROW_COLUMN}
    return tuple(column for column in dataset.columns if column.name not in others)


def write_table(table: Dataset | Iterable[Batch], path: Path | str) -> None:
    """Write rows as Parquet, or as CSV where the ending is ``.csv``; equal rows, equal bytes.

    Raises:
        ArtifactError: There is no batch to take the columns from, or CSV cannot hold one.
    """
    path = Path(path)
    batches = table.read() if isinstance(table, Dataset) else iter(table)
    first = next(batches, None)
    if first is None:
        raise ArtifactError(
            "There are no rows to write",
            subject=str(path),
            rule="a table is written with its columns",
            expected="at least one batch",
            found="none",
            hint="Write an empty batch that carries the schema.",
        )
    with _writer(path, first.schema) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


def _writer(path: Path, schema: Any) -> Any:
    from pyarrow import csv, parquet

    if path.suffix.lower() != ".csv":
        return parquet.ParquetWriter(path, schema, compression="zstd", **_pages(parquet))
    nested = [field.name for field in schema if _is_nested(field.type)]
    if nested:
        raise ArtifactError(
            "CSV cannot hold a column of tensors or lists",
            subject=str(path),
            rule="a cell of delimited text is one value",
            expected="scalars",
            found=nested[0],
            hint="Write Parquet instead.",
        )
    return csv.CSVWriter(path, schema)


def _pages(parquet: Any) -> dict[str, Any]:
    """Pages cut by content, where pyarrow can: an inserted row leaves most of them as they were."""
    import inspect

    known = inspect.signature(parquet.ParquetWriter.__init__).parameters
    name = "use_content_defined_chunking"
    return {name: True} if name in known else {}


def _is_nested(kind: Any) -> bool:
    import pyarrow as pa
    import pyarrow.types as t

    return bool(t.is_nested(kind) or isinstance(kind, pa.BaseExtensionType))
