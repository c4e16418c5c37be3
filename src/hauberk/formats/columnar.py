"""Parquet and Arrow IPC, read batch by batch after their declared sizes were checked.

Declared sizes can lie; what they promise is bounded here before Arrow allocates by them,
and a process that reads foreign files carries a memory limit beside that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.batches import bounded, check_names, rows_per_batch

MAX_ROW_GROUP_BYTES = 4 << 30
"""Uncompressed size of one row group: writers make 64 MB to 1 GB; a page of it must fit."""

MAX_FOOTER_BYTES = 64 << 20
"""The footer is decoded whole before anything is known of the file."""

MAX_STRING_BYTES = 16 << 20
"""One string inside the footer, such as an embedded schema."""

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"
_TAIL = 8


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
    return schema, lambda: bounded(_parquet_batches(path))


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


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(
            path,
            memory_map=False,  # a file that shrinks under a map kills the process
            pre_buffer=False,
            thrift_string_size_limit=MAX_STRING_BYTES,
            thrift_container_size_limit=MAX_FOOTER_BYTES,
        )
    except (pa.ArrowException, OSError) as error:
        raise _refusal(path, "a readable Parquet file", _short(error)) from None


def _parquet_batches(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    with _parquet(path) as file:
        rows = _batch_rows(file.metadata)
        try:
            for batch in file.iter_batches(batch_size=rows, use_threads=False):
                yield batch.replace_schema_metadata(None)
        except (pa.ArrowException, OSError) as error:
            raise _refusal(path, "readable pages", _short(error)) from None


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
    check_names(schema.names, str(path))
    return schema, lambda: bounded(_arrow_batches(path))


def _arrow_batches(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as source:
            reader = pa.ipc.open_file(source)
            for position in range(reader.num_record_batches):
                batch = reader.get_batch(position)
                batch.validate(full=True)  # offsets inside the buffers are the file's claim
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
