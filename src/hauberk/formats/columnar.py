"""Parquet and Arrow IPC, read batch by batch after their declared sizes were checked.

Declared sizes can lie; what they promise is bounded here before Arrow allocates by them,
and a process that reads foreign files carries a memory limit beside that.

What a small Parquet file can unpack to, and what holds it:

1. A page is unpacked whole: the size in its header is at most `MAX_PAGE_BYTES`.
2. One text of a dictionary may stand in every row. Columns of text whose dictionary times the
   rows of a batch exceeds `FREE_BYTES` are read as places in the dictionary and spelt out row
   by row; where that cannot be (texts inside lists, texts by what they share with the one
   before) a batch has fewer rows.
3. A list may repeat one value: values of nested columns are counted as declared, and fewer rows
   are read at once where a row has many.
4. A cell is at most `MAX_CELL_BYTES`; a longer one is refused by row and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.arrow_sizes import unpacked_sizes
from hauberk.formats.batches import MAX_BATCH_BYTES, bounded, check_names, rows_per_batch
from hauberk.formats.parquet_pages import Page, pages
from hauberk.formats.spans import open_span

MAX_ROW_GROUP_BYTES = 4 << 30
"""Uncompressed size of one row group: writers make 64 MB to 1 GB; a page of it must fit."""

MAX_FOOTER_BYTES = 64 << 20
"""The footer is decoded whole before anything is known of the file."""

MAX_STRING_BYTES = 16 << 20
"""One string inside the footer, such as an embedded schema."""

MAX_PAGE_BYTES = 512 << 20
"""Unpacked size of one page: writers make a megabyte, or a thousand pictures at a time."""

MAX_CELL_BYTES = 64 << 20
"""Above any picture or document that is a row of data."""

FREE_BYTES = 256 << 20
"""What a batch may unpack to without a look at how."""

MAX_RATIO = 250
"""Expansion of a batch of Arrow IPC beyond `FREE_BYTES`; real columns reach some tens."""

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"
_TAIL = 8
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value of a physical type; others are counted by their pages."""


def open_parquet(path: Path) -> tuple[Any, Any]:
    """The Arrow schema of the file at ``path`` and a function that opens a pass over it.

    Raises:
        ArtifactError: The file is truncated, malformed, encrypted or beyond a bound.
    """
    _check_footer(path)
    with _parquet(path) as file:
        _check_groups(file.metadata, path)
        schema = file.schema_arrow.remove_metadata()
        check_names(schema.names, str(path))
        plan = _plan(file.metadata, path, schema)
    return schema, lambda: bounded(_parquet_batches(path, schema, plan))


def _check_footer(path: Path) -> None:
    """The length of the footer stands in front of the closing magic bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - _TAIL, 0))
        tail = file.read(_TAIL)
    footer = int.from_bytes(tail[:4], "little")
    if tail[4:] != PARQUET_MAGIC or footer > min(size, MAX_FOOTER_BYTES):
        raise _refusal(path, "a footer that fits the file", f"{footer} bytes in {size}")


def _check_groups(metadata: Any, path: Path) -> None:
    for group in range(metadata.num_row_groups):
        declared = metadata.row_group(group).total_byte_size
        if not 0 <= declared <= MAX_ROW_GROUP_BYTES:
            raise _refusal(
                path, f"row groups of at most {MAX_ROW_GROUP_BYTES} bytes", f"{declared} bytes"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How a file is read.

    Attributes:
        rows: Rows of one batch.
        by_place: Columns that are read as places in their dictionary.
    """

    rows: int
    by_place: tuple[str, ...]


def _plan(metadata: Any, path: Path, schema: Any) -> _Plan:
    rows = _batch_rows(metadata)
    by_place: dict[str, None] = {}
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            told = metadata.row_group(group)
            for position in range(told.num_columns):
                column = told.column(position)
                name = column.path_in_schema
                found = _pages(file, column, path)
                n_values = -(-column.num_values // max(told.num_rows, 1))
                most = _longest(column, found)
                if rows * most * n_values <= FREE_BYTES:
                    continue
                is_text = name in schema.names and _is_text(schema.field(name).type)
                if is_text and "DELTA_BYTE_ARRAY" not in column.encodings:
                    by_place[name] = None
                else:
                    rows = max(1, min(rows, FREE_BYTES // (most * n_values)))
    return _Plan(rows=rows, by_place=tuple(by_place))


def _pages(file: Any, column: Any, path: Path) -> list[Page]:
    """The pages of one column of one group, none of them beyond its bound."""
    name = column.path_in_schema
    offsets = (column.dictionary_page_offset, column.data_page_offset)
    start = min(offset for offset in offsets if offset)
    try:
        found = list(pages(file, start, start + column.total_compressed_size))
    except ValueError as error:
        raise _refusal(path, f"readable pages of column {name}", str(error)) from None
    largest = max((page.unpacked for page in found), default=0)
    if largest > MAX_PAGE_BYTES:
        raise _refusal(
            path, f"pages of at most {MAX_PAGE_BYTES} bytes", f"{largest} bytes in column {name}"
        )
    n_bytes = column.num_values * _WIDTHS.get(column.physical_type, 0)
    if n_bytes > MAX_ROW_GROUP_BYTES:
        raise _refusal(
            path,
            f"at most {MAX_ROW_GROUP_BYTES} bytes of values in one column of a row group",
            f"{n_bytes} bytes in column {name}",
        )
    return found


def _longest(column: Any, found: list[Page]) -> int:
    """Bytes that one value may have, when the sizes of the pages do not bound their sum."""
    if column.physical_type != "BYTE_ARRAY":
        return _WIDTHS.get(column.physical_type, 8)
    if "DELTA_BYTE_ARRAY" in column.encodings:
        return max((page.unpacked for page in found), default=0)
    return max((page.unpacked for page in found if page.is_dictionary), default=0)


def _is_text(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(
        t.is_string(kind) or t.is_large_string(kind) or t.is_binary(kind) or t.is_large_binary(kind)
    )


def _parquet(path: Path, by_place: tuple[str, ...] = ()) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(
            path,
            memory_map=False,  # a file that shrinks under a map kills the process
            pre_buffer=False,
            read_dictionary=list(by_place),
            thrift_string_size_limit=MAX_STRING_BYTES,
            thrift_container_size_limit=MAX_FOOTER_BYTES,
        )
    except (pa.ArrowException, OSError) as error:
        raise _refusal(path, "a readable Parquet file", _short(error)) from None


def _parquet_batches(path: Path, schema: Any, plan: _Plan) -> Iterator[Any]:
    import pyarrow as pa

    first = 0
    with _parquet(path, plan.by_place) as file:
        try:
            for batch in file.iter_batches(batch_size=plan.rows, use_threads=False):
                _check_cells(batch, first, path)
                first += batch.num_rows
                yield from _spelt_out(batch.replace_schema_metadata(None), schema, plan.by_place)
        except (pa.ArrowException, OSError) as error:
            raise _refusal(path, "readable pages", _short(error)) from None


def _spelt_out(batch: Any, schema: Any, by_place: tuple[str, ...]) -> Iterator[Any]:
    """``batch`` with texts in place of places in a dictionary, in parts of bounded size."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not by_place:
        yield batch
        return
    sizes = np.zeros(batch.num_rows, np.int64)
    for name in by_place:
        cells = batch.column(name)
        lengths = pc.binary_length(cells.dictionary).take(cells.indices)
        sizes += lengths.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    parts = np.cumsum(sizes) // MAX_BATCH_BYTES
    starts = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(starts):
        part = batch.slice(start, end - start)
        columns = [
            cells.dictionary_decode().cast(field.type) if field.name in by_place else cells
            for cells, field in zip(part.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _check_cells(batch: Any, first: int, path: Path) -> None:
    """Refuse a cell beyond `MAX_CELL_BYTES`; ``first`` is the place of the batch's first row."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    for name, cells in zip(batch.schema.names, batch.columns, strict=True):
        values = cells.dictionary if t.is_dictionary(cells.type) else cells
        if values.nbytes <= MAX_CELL_BYTES or not _is_text(values.type):
            continue
        lengths = pc.binary_length(values)
        longest = pc.max(lengths).as_py() or 0
        if longest > MAX_CELL_BYTES:
            row = (
                ""
                if values is not cells
                else f" in row {first + pc.index(lengths, longest).as_py() + 1}"
            )
            raise _refusal(
                path,
                f"cells of at most {MAX_CELL_BYTES} bytes",
                f"{longest} bytes in column {name}{row}",
            )


def _batch_rows(metadata: Any) -> int:
    """Rows for one batch, from the mean size of a row as declared."""
    declared = sum(
        metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
    )
    return rows_per_batch(declared // max(metadata.num_rows, 1))


def open_arrow(path: Path) -> tuple[Any, Any]:
    """The schema of the Arrow IPC file or Feather file at ``path`` and its pass.

    Raises:
        ArtifactError: The file is truncated or malformed.
    """
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as source:
            schema = pa.ipc.open_file(source).schema.remove_metadata()
    except (pa.ArrowException, OSError) as error:
        raise _refusal(path, "a readable Arrow IPC file", _short(error)) from None
    _check_unpacked(path)
    check_names(schema.names, str(path))
    return schema, lambda: bounded(_arrow_batches(path))


def _check_unpacked(path: Path) -> None:
    """Refuse a batch that unpacks to too much, before Arrow allocates by it."""
    with open_span(path) as span:
        for packed, unpacked in unpacked_sizes(span):
            is_bomb = unpacked > FREE_BYTES and unpacked > MAX_RATIO * packed
            if is_bomb or unpacked > MAX_ROW_GROUP_BYTES:
                raise _refusal(
                    path,
                    f"batches of at most {MAX_ROW_GROUP_BYTES} bytes, {MAX_RATIO} times the packed",
                    f"{unpacked} bytes out of {packed}",
                )


def _arrow_batches(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    try:
        first = 0
        with pa.OSFile(str(path)) as source:
            reader = pa.ipc.open_file(source)
            for position in range(reader.num_record_batches):
                batch = reader.get_batch(position)
                batch.validate(full=True)  # offsets inside the buffers are the file's claim
                _check_cells(batch, first, path)
                first += batch.num_rows
                yield batch.replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise _refusal(path, "readable record batches", _short(error)) from None


def _short(error: Exception) -> str:
    """The first line of Arrow's message; later ones may quote content."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _refusal(path: Path, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "The file does not hold what its format promises",
        subject=str(path),
        rule="columnar files are whole and fit their bounds",
        expected=expected,
        found=found,
        hint="Fetch or write the file again; it may be truncated or made to harm.",
    )
