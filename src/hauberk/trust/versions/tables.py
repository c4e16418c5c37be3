"""Logical digests of tables: what rows say, batch by batch and column by column.

The digest of a cell run is the SHA-256 of the canonical, self-delimiting cells
(`hauberk.formats.rows`) of one column over one batch of `BATCH_ROWS` rows. The logical root
is the Merkle root over the columns in the order of their names, each with the digests of
its batches. It does not depend on the file format, on types that hold the same values, on
how columns are ordered, or on how a reader cuts batches; it does depend on the order of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hauberk.core.artifact import ROW_COLUMN, Dataset, Digest
from hauberk.errors import ArtifactError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import from_hex, leaf_hash, merkle_root
from hauberk.trust.versions.recipes import malformed

BATCH_ROWS: Final = 8_192
MAX_COLUMNS: Final = 100_000
MAX_INDEX_BYTES: Final = 256 << 20
_HASH: Final = 32
_TEXT_ENDINGS: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_MAGICS: Final = (b"PAR1", b"ARROW1")


@dataclass(frozen=True)
class TableIndex:
    """The digests of one table.

    Attributes:
        rows: How many there are.
        columns: Name to the digests of its batches, 32 bytes each, joined.
    """

    rows: int
    columns: Mapping[str, bytes]

    @cached_property
    def root(self) -> Digest:
        """What stands for the rows, however they are written down."""
        count = leaf_hash(b"%d" % self.rows)
        leaves = (leaf_hash(b"%b\0%b" % (name.encode(), self.columns[name])) for name in self.order)
        return from_hex(merkle_root([count, *leaves]).hex())

    @property
    def order(self) -> list[str]:
        """Names of the columns, sorted."""
        return sorted(self.columns)

    def to_bytes(self) -> bytes:
        """The canonical spelling."""
        columns = {name: self.columns[name].hex() for name in self.order}
        return canonical_json({"batch": BATCH_ROWS, "columns": columns, "rows": self.rows})

    @classmethod
    def from_bytes(cls, data: bytes) -> TableIndex:
        """The index that `to_bytes` spelt.

        Raises:
            ArtifactError: It is none.
        """
        body = parse_json(data, max_bytes=MAX_INDEX_BYTES, max_depth=3)
        if not isinstance(body, dict) or body.keys() != {"batch", "columns", "rows"}:
            raise malformed("an index with batch, columns and rows")
        rows, columns = body["rows"], body["columns"]
        if body["batch"] != BATCH_ROWS or type(rows) is not int or not isinstance(columns, dict):
            raise malformed(f"batches of {BATCH_ROWS} rows")
        length = _HASH * 2 * -(-rows // BATCH_ROWS)
        if any(not isinstance(text, str) or len(text) != length for text in columns.values()):
            raise malformed(f"{length} hexadecimal digits for each column")
        try:
            return cls(rows, {name: bytes.fromhex(text) for name, text in columns.items()})
        except ValueError:
            raise malformed("hexadecimal digits") from None

    def differences(self, other: TableIndex) -> tuple[Place, ...]:
        """Where ``other`` says something else, in the order of batches and columns."""
        shared = [name for name in self.order if name in other.columns]
        count = max(map(len, (*self.columns.values(), *other.columns.values())), default=0)
        return tuple(
            Place(column=name, first=at * BATCH_ROWS // _HASH)
            for at in range(0, count, _HASH)
            for name in shared
            if self.columns[name][at : at + _HASH] != other.columns[name][at : at + _HASH]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A column of one batch.

    Attributes:
        first: Number of the batch's first row, from 0.
    """

    column: str
    first: int

    def __str__(self) -> str:
        return f"column {self.column!r}, rows {self.first} to {self.first + BATCH_ROWS - 1}"


def is_table(path: Path) -> bool:
    """Whether rows of the file are indexed: by content, and for text by its ending as well.

    Any text could be read as one column of delimited text, so the ending decides there.
    """
    with path.open("rb") as file:
        head = file.read(8)
    return head.startswith(_MAGICS) or (bool(head) and path.suffix.lower() in _TEXT_ENDINGS)


def index_of(dataset: Dataset) -> TableIndex:
    """Read a table once and digest it.

    Raises:
        ArtifactError: It is malformed, or has too many columns.
    """
    names = sorted(column.name for column in dataset.columns if column.name != ROW_COLUMN)
    if len(names) > MAX_COLUMNS:
        raise ArtifactError(
            "the table has too many columns for an index",
            subject=str(dataset.path),
            expected=f"at most {MAX_COLUMNS}",
            found=str(len(names)),
        )
    running = _Running(names)
    for batch in dataset.read():
        cells = {name: _cells(batch.column(name)) for name in names}
        for start, stop in _cuts(batch.num_rows, running.filled):
            running.take(cells, start, stop)
    return running.finish()


class _Running:
    """Digests of the batch that is being filled, and of those that are full."""

    def __init__(self, names: list[str]) -> None:
        self.filled = 0
        self._rows = 0
        self._states = {name: hashlib.sha256() for name in names}
        self._found: dict[str, list[bytes]] = {name: [] for name in names}

    def take(self, cells: Mapping[str, Any], start: int, stop: int) -> None:
        """Rows ``start`` to ``stop`` of a reader's batch, which do not go beyond this one."""
        for name, state in self._states.items():
            state.update(_bytes_of(cells[name], start, stop))
        self.filled += stop - start
        self._rows += stop - start
        if self.filled == BATCH_ROWS:
            self._close()

    def _close(self) -> None:
        self.filled = 0
        for name, state in self._states.items():
            self._found[name].append(state.digest())
            self._states[name] = hashlib.sha256()

    def finish(self) -> TableIndex:
        """The index of all rows taken."""
        if self.filled:
            self._close()
        return TableIndex(self._rows, {n: b"".join(hashes) for n, hashes in self._found.items()})


def _cuts(count: int, filled: int) -> Iterator[tuple[int, int]]:
    """Ranges of a reader's batch that end where batches of the index end."""
    start = 0
    while start < count:
        stop = min(count, start + BATCH_ROWS - filled)
        yield start, stop
        filled, start = 0, stop


def _cells(column: Any) -> Any:
    from hauberk.formats.rows import framed_cells

    return framed_cells(column)


def _bytes_of(framed: Any, start: int, stop: int) -> memoryview:
    """The bytes of cells ``start`` to ``stop``, which lie next to each other in Arrow."""
    import numpy as np
    import pyarrow as pa

    wide = pa.types.is_large_binary(framed.type) or pa.types.is_large_string(framed.type)
    _, offsets, data = framed.buffers()
    places = np.frombuffer(offsets, np.int64 if wide else np.int32)
    first, last = places[framed.offset + start], places[framed.offset + stop]
    return memoryview(data)[first:last] if data is not None else memoryview(b"")
