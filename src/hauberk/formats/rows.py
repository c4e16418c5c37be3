"""Rows as canonical bytes, and the identity that a row keeps for life.

A canonical row is what a row says, not how a file writes it. Cells are taken in the order
of their column names; each becomes text, and the text is preceded by its length:

* missing cells, NaN and empty strings are one and the same: missing (``-``), because
  delimited text cannot tell them apart;
* numbers are the shortest decimal that reads back to the same number, so that 12, 12.0 and
  a 32-bit 0.1 survive CSV and Parquet alike; minus zero is zero;
* truth values are ``true`` and ``false``; times are microseconds since the epoch, in UTC;
* tensors are their raw little-endian values; any other nested cell is its JSON text.

The row id is the first half of the SHA-256 of these bytes with the number of equal rows
before it, so that each of several equal rows has an id of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from hauberk.core.artifact import ROW_COLUMN, Batch, Dataset, RowId

_DIGEST_BYTES = 16
_MISSING = "-"
_WHOLE = 2**53


def canonical_rows(batch: Batch) -> list[bytes]:
    """The canonical bytes of each row of ``batch``; the column of row ids is left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = sorted(name for name in batch.schema.names if name != ROW_COLUMN)
    if not names:
        return [b""] * batch.num_rows
    cells = [_framed(_text(batch.column(name))) for name in names]
    if all(pa.types.is_string(cell.type) for cell in cells):
        joined = pc.binary_join_element_wise(*cells, "")
        return [row.encode() for row in joined.to_pylist()]
    binary = [cell.cast(pa.large_binary()) for cell in cells]
    joined = pc.binary_join_element_wise(*binary, pa.scalar(b"", pa.large_binary()))
    rows: list[bytes] = joined.to_pylist()
    return rows


def row_digests(batch: Batch) -> list[bytes]:
    """The first half of the SHA-256 of each canonical row, 16 bytes each."""
    return [hashlib.sha256(row).digest()[:_DIGEST_BYTES] for row in canonical_rows(batch)]


class RowIds:
    """Gives ids to rows in landed order.

    It remembers each digest seen, about 150 bytes per different row.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def of(self, batch: Batch) -> list[RowId]:
        """The ids of the next rows."""
        return [self._next(digest) for digest in row_digests(batch)]

    def _next(self, digest: bytes) -> RowId:
        occurrence = self._seen.get(digest, 0)
        self._seen[digest] = occurrence + 1
        return RowId(f"{digest.hex()}.{occurrence}")


def row_ids(dataset: Dataset) -> Iterator[list[RowId]]:
    """The ids of all rows, batch by batch: carried in `ROW_COLUMN` or taken from content.

    A carried column is believed only as far as the reader believes who wrote it.
    """
    carried = any(column.name == ROW_COLUMN for column in dataset.columns)
    ids = RowIds()
    for batch in dataset.read():
        yield batch.column(ROW_COLUMN).to_pylist() if carried else ids.of(batch)


def with_row_ids(dataset: Dataset) -> Iterator[Batch]:
    """The batches of ``dataset`` with `ROW_COLUMN` in front; kept where it is there already."""
    import pyarrow as pa

    for batch, ids in zip(dataset.read(), row_ids(dataset), strict=True):
        if ROW_COLUMN in batch.schema.names:
            yield batch
            continue
        arrays = [pa.array(ids, pa.string()), *map(batch.column, range(len(batch.schema.names)))]
        yield pa.RecordBatch.from_arrays(arrays, names=[ROW_COLUMN, *batch.schema.names])


def cell_texts(cells: Any) -> Any:
    """The canonical text of each cell as an Arrow string array; missing cells are null.

    Tensors and binary cells come as binary.
    """
    return _text(cells)


def framed_cells(cells: Any) -> Any:
    """The canonical cells with their lengths, self-delimiting, as an Arrow array."""
    return _framed(_text(cells))


def _framed(texts: Any) -> Any:
    """``<length>:<text>`` or `_MISSING`, so that no two rows share their bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    length = pc.cast(pc.binary_length(texts), pa.string())
    if pa.types.is_large_binary(texts.type):
        prefix = pc.binary_join_element_wise(length, ":", "").cast(pa.large_binary())
        empty = pa.scalar(b"", pa.large_binary())
        framed = pc.binary_join_element_wise(prefix, texts, empty)
        return pc.fill_null(framed, _MISSING.encode())
    return pc.fill_null(pc.binary_join_element_wise(length, ":", texts, ""), _MISSING)


def _text(cells: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    kind = cells.type
    if t.is_dictionary(kind):
        return _text(cells.dictionary_decode())
    if t.is_string(kind) or t.is_large_string(kind):
        return _blank_to_null(cells.cast(pa.string()))
    if t.is_integer(kind) or t.is_boolean(kind):
        return cells.cast(pa.string())
    if t.is_floating(kind) or t.is_decimal(kind):
        return _float_text(cells)
    if t.is_timestamp(kind) or t.is_date(kind):
        return cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.string())
    return _nested_text(cells)


def _blank_to_null(cells: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)


def _float_text(cells: Any) -> Any:
    """Shortest decimals; Arrow prints a 32-bit number by its own width, as CSV writers do."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_decimal(cells.type) or pa.types.is_float16(cells.type):
        cells = cells.cast(pa.float64())
    known = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
    texts = pc.cast(known, pa.string())
    whole = pc.and_(pc.equal(pc.floor(known), known), pc.less(pc.abs(known), float(_WHOLE)))
    # Whole numbers are written as integers are, and minus zero as zero.
    integers = pc.if_else(whole, known, pa.scalar(0, cells.type)).cast(pa.int64())
    return pc.if_else(whole, integers.cast(pa.string()), texts)


def _nested_text(cells: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if isinstance(cells.type, pa.FixedShapeTensorType):
        values = cells.to_numpy_ndarray()
        rows = [row.tobytes() for row in values]
        mask = cells.is_valid().to_pylist()
        return pa.array(
            [row if ok else None for row, ok in zip(rows, mask, strict=True)], pa.large_binary()
        )
    if t.is_binary(cells.type) or t.is_large_binary(cells.type):
        return cells.cast(pa.large_binary())
    texts = [None if cell is None else _json(cell) for cell in cells.to_pylist()]
    return pa.array(texts, pa.string())


def _json(cell: Any) -> str:
    return json.dumps(cell, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
