"""Sizes that a Parquet file's pages declare, read before anything is unpacked by them.

A page is unpacked whole, and its size stands in its header (parquet.thrift, PageHeader) and
nowhere else: the footer knows sums only. Headers are Thrift's compact protocol: each field has
a delta of its number and a type, integers are zigzag varints. What is not needed is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

MAX_HEADER_BYTES = 1 << 20
"""Of one page's header; it may hold statistics, which writers keep short."""

MAX_PAGES = 1_000_000
"""Of one column of one group of rows; writers make pages of about a megabyte."""

_USUAL_HEADER_BYTES = 4_096
_KIND, _UNPACKED, _PACKED = 1, 2, 3
_MAX_DEPTH = 8
_MAX_VARINT = 10
_DICTIONARY_PAGE = 2
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = (
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    10,
    11,
    12,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one page says of itself, in bytes."""

    is_dictionary: bool
    packed: int
    unpacked: int


def pages(file: IO[bytes], start: int, end: int) -> Iterator[Page]:
    """The pages of a column that stands at ``start`` up to ``end`` of ``file``.

    Raises:
        ValueError: A header is none, or leads out of the column.
    """
    place = start
    for _ in range(MAX_PAGES):
        if place >= end:
            return
        length, numbers = _header(file, place, end)
        packed, unpacked = numbers.get(_PACKED, -1), numbers.get(_UNPACKED, -1)
        if packed < 0 or unpacked < 0 or place + length + packed > end:
            message = "a page that leads out of its column"
            raise ValueError(message)
        yield Page(
            is_dictionary=numbers.get(_KIND) == _DICTIONARY_PAGE, packed=packed, unpacked=unpacked
        )
        place += length + packed
    message = f"more than {MAX_PAGES} pages in one column"
    raise ValueError(message)


def _header(file: IO[bytes], place: int, end: int) -> tuple[int, dict[int, int]]:
    """Length and whole numbers of the header at ``place``; a long one is read again whole."""
    for size in (_USUAL_HEADER_BYTES, MAX_HEADER_BYTES):
        file.seek(place)
        reader = _Compact(file.read(min(size, end - place)))
        try:
            numbers = reader.numbers()
        except EOFError:
            continue
        return reader.at, numbers
    message = "a header that does not end"
    raise ValueError(message)


class _Compact:
    """A struct of Thrift's compact protocol, of which the whole numbers are kept."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def numbers(self) -> dict[int, int]:
        """Whole numbers of the outermost struct by the number of their field."""
        found: dict[int, int] = {}
        number = 0
        while (kind := self._byte()) & 15 != _STOP:
            number = number + (kind >> 4) if kind >> 4 else self._zigzag()
            value = self._value(kind & 15, 0)
            if value is not None:
                found[number] = value
        return found

    def _value(self, kind: int, depth: int) -> int | None:
        """The whole number that stands here; anything else is passed over."""
        if depth > _MAX_DEPTH:
            message = "a header nested too deeply"
            raise ValueError(message)
        if kind in (_TRUE, _FALSE):
            return None
        if _BYTE < kind < _DOUBLE:
            return self._zigzag()
        if kind == _STRUCT:
            self._skip_struct(depth)
        elif kind in (_LIST, _SET):
            self._skip_list(depth)
        else:
            self._skip({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._length(kind))
        return None

    def _length(self, kind: int) -> int:
        if kind != _BINARY:
            message = "a header with a type that it cannot have"
            raise ValueError(message)
        return self._varint()

    def _skip_struct(self, depth: int) -> None:
        while (kind := self._byte()) & 15 != _STOP:
            if not kind >> 4:
                self._zigzag()
            self._value(kind & 15, depth + 1)

    def _skip_list(self, depth: int) -> None:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()  # noqa: PLR2004 - in the format
        if count > len(self._data):
            message = "a list longer than its header"
            raise ValueError(message)
        is_truth = head & 15 in (_TRUE, _FALSE)
        for _ in range(count):
            if is_truth:
                self._byte()
            else:
                self._value(head & 15, depth + 1)

    def _skip(self, size: int) -> None:
        self.at += size
        if self.at > len(self._data):
            raise EOFError

    def _byte(self) -> int:
        self._skip(1)
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for position in range(_MAX_VARINT):
            byte = self._byte()
            value |= (byte & 127) << (7 * position)
            if byte < 128:  # noqa: PLR2004 - the highest bit says that another byte follows
                return value
        message = "a number without an end"
        raise ValueError(message)

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
