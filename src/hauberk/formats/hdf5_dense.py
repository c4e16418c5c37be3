"""Links and attributes that an HDF5 object keeps outside of its header.

Many of them are stored as messages in a fractal heap, found through a B-tree of version 2.
Heaps with filters, huge objects and trees deeper than two levels are not followed.
Layout: "HDF5 File Format Specification", version 3.0, III.A.2 and III.G.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hauberk.formats.hdf5_reading import Hdf5, UnfollowedError, malformed

MAX_RECORDS = 200_000
MAX_LEVELS = 8

_LINKS_BY_NAME, _ATTRIBUTES_BY_NAME = 5, 8
_MANAGED, _TINY = 0, 2


@dataclass(frozen=True, slots=True)
class _Heap:
    file: Hdf5
    id_size: int
    width: int
    start_size: int
    max_direct: int
    offset_bytes: int
    length_bytes: int
    root: int
    rows: int

    def at(self, offset: int, size: int) -> bytes:
        """An object by its place in the heap's own space."""
        if not self.rows:
            return self.file.read(self.root + offset, size)
        return self.file.read(self._direct(offset), size)

    def _direct(self, offset: int) -> int:
        """The address of a byte: rows of blocks, whose sizes double from the third on."""
        block, rows, rest = self.root, self.rows, offset
        for _ in range(MAX_LEVELS):
            row, column, size, rest = self._place(rest, rows)
            block = self._child(block, row, column)
            if size <= self.max_direct:
                return block + rest
            rows = size.bit_length() - (self.start_size * self.width).bit_length() + 1
        raise malformed("a heap is too deep")

    def _place(self, offset: int, rows: int) -> tuple[int, int, int, int]:
        """Row, column and size of the block that holds an offset, and the offset inside of it."""
        begin = 0
        for row in range(rows):
            size = self.start_size << max(row - 1, 0)
            if offset < begin + size * self.width:
                column, rest = divmod(offset - begin, size)
                return row, column, size, rest
            begin += size * self.width
        raise malformed("a record points outside of its heap")

    def _child(self, block: int, row: int, column: int) -> int:
        head = 5 + self.file.offsets + self.offset_bytes
        place = head + (row * self.width + column) * self.file.offsets
        data = self.file.read(block, place + self.file.offsets)
        if data[:4] != b"FHIB":
            raise malformed("a heap has no block where its header points")
        return self.file.address(data, place)


def dense_messages(file: Hdf5, heap: int, index: int) -> Iterator[bytes]:
    """The messages that an index lists, as they would stand in an object header.

    Raises:
        ArtifactError: They are malformed.
        UnfollowedError: They are stored in a way that is not read here.
    """
    if heap < 0 or index < 0:
        return
    opened = _open_heap(file, heap)
    for record in _records(file, index):
        yield _object(opened, record)


def _open_heap(file: Hdf5, address: int) -> _Heap:
    o, n = file.offsets, file.lengths
    head = file.read(address, 22 + 12 * n + 3 * o + 4)
    if head[:4] != b"FRHP":
        raise malformed("an object has no heap where its header points")
    if int.from_bytes(head[7:9], "little"):
        raise UnfollowedError("a heap with filters")
    max_object = int.from_bytes(head[10:14], "little")
    at = 14 + 10 * n + 2 * o
    width = int.from_bytes(head[at : at + 2], "little")
    start_size, max_direct = file.length(head, at + 2), file.length(head, at + 2 + n)
    at += 2 + 2 * n
    bits = int.from_bytes(head[at : at + 2], "little")
    root = file.address(head, at + 4)
    rows = int.from_bytes(head[at + 4 + o : at + 6 + o], "little")
    if not width or not start_size or bits > 64 or rows > 64:  # noqa: PLR2004 - widths of numbers
        raise malformed("a heap's header cannot be")
    return _Heap(
        file=file,
        id_size=int.from_bytes(head[5:7], "little"),
        width=width,
        start_size=start_size,
        max_direct=max_direct,
        offset_bytes=-(-bits // 8),
        length_bytes=min(_bytes_for(max_direct), _bytes_for(max_object)),
        root=root,
        rows=rows,
    )


def _bytes_for(limit: int) -> int:
    return (max(limit, 1).bit_length() - 1) // 8 + 1


def _object(heap: _Heap, record: bytes) -> bytes:
    kind = record[0] >> 4 & 3
    if kind == _TINY:
        return record[1 : 2 + (record[0] & 15)]
    if kind != _MANAGED:
        raise UnfollowedError("a huge object in a heap")
    middle = 1 + heap.offset_bytes
    offset = int.from_bytes(record[1:middle], "little")
    size = int.from_bytes(record[middle : middle + heap.length_bytes], "little")
    return heap.at(offset, size)


def _records(file: Hdf5, address: int) -> Iterator[bytes]:
    """Heap ids of all records of a tree."""
    head = file.read(address, 16 + file.offsets + 2 + file.lengths)
    kind, depth = head[5], int.from_bytes(head[12:14], "little")
    if head[:4] != b"BTHD" or kind not in {_LINKS_BY_NAME, _ATTRIBUTES_BY_NAME}:
        raise malformed("an object has no index where its header points")
    node_size = int.from_bytes(head[6:10], "little")
    size = int.from_bytes(head[10:12], "little")
    root = file.address(head, 16)
    count = int.from_bytes(head[16 + file.offsets : 18 + file.offsets], "little")
    if root < 0:
        return
    if depth > MAX_LEVELS or not MIN_RECORD <= size <= node_size // 4:
        raise malformed("an index's header cannot be")
    skip = 4 if kind == _LINKS_BY_NAME else 0  # a hash stands in front of a link's heap id
    walk = _Index(file, node_size, size)
    for record in walk.nodes(root, count, depth):
        yield record[skip:]


MIN_RECORD = 11


class _Index:
    """A B-tree of version 2, whose pointers grow with the level."""

    def __init__(self, file: Hdf5, node_size: int, size: int) -> None:
        self._file = file
        self._node_size = node_size
        self._size = size
        self._seen = 0
        leaf = (node_size - 10) // size
        self._count_bytes = _bytes_for(leaf)
        self._total_bytes = [0, 0]
        total = leaf
        for _ in range(MAX_LEVELS):
            pointer = file.offsets + self._count_bytes + self._total_bytes[-1]
            inner = max((node_size - 10 - pointer) // (size + pointer), 1)
            total = (inner + 1) * total + inner
            self._total_bytes.append(_bytes_for(total))

    def nodes(self, address: int, count: int, depth: int) -> Iterator[bytes]:
        node, size = self._file.read(address, self._node_size), self._size
        if node[:4] != (b"BTIN" if depth else b"BTLF") or 6 + count * size > len(node):
            raise malformed("an index has no node where its header points")
        self._seen += count + 1
        if self._seen > MAX_RECORDS:
            raise malformed("an index has too many records")
        yield from (node[6 + i * size : 6 + (i + 1) * size] for i in range(count))
        at = 6 + count * size
        for _ in range(count + 1 if depth else 0):
            child = self._file.address(node, at)
            at += self._file.offsets
            inner = int.from_bytes(node[at : at + self._count_bytes], "little")
            at += self._count_bytes + self._total_bytes[depth]
            yield from self.nodes(child, inner, depth - 1)
