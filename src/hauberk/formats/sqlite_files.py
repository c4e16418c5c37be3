"""Values of an SQLite database that do not fit on one page, put together again.

A long value is cut: its beginning lies in a row, the rest in a chain of pages, each with the number
of the next in front. A reader of bytes would lose a pickle at the first cut. Layout: "Database File
Format" of SQLite, sections 1.2, 1.6 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.formats.spans import Span, span_of

MAX_PAGES = 200_000
MAX_VALUES = 10_000
MAX_VALUE_BYTES = 16 << 20

_LEAF_OF_TABLE = 0x0D
_HEADER = 100
_MAX_CELLS = 1 << 14


def long_values(span: Span) -> Iterator[Span]:
    """Rows that reach over several pages, as far as their chains can be followed."""
    head = span.read(0, _HEADER)
    size = int.from_bytes(head[16:18], "big")
    size = 1 << 16 if size == 1 else size
    usable = size - head[20]
    if size < 512 or size & (size - 1) or usable < 480:  # noqa: PLR2004 - what the format allows
        return
    told = 0
    for page in range(min(-(-span.size // size), MAX_PAGES)):
        for row in _rows(span.read(page * size, size), 0 if page else _HEADER, usable):
            told += 1
            if told > MAX_VALUES:
                return
            yield span_of(_joined(span, row, size, usable))


_Row = tuple[bytes, int, int]
"""What lies on the page, how long the whole is, and the page that goes on."""


def _rows(page: bytes, start: int, usable: int) -> Iterator[_Row]:
    if page[start : start + 1] != bytes([_LEAF_OF_TABLE]):
        return
    count = min(int.from_bytes(page[start + 3 : start + 5], "big"), _MAX_CELLS)
    for cell in range(count):
        place = start + 8 + 2 * cell
        at = int.from_bytes(page[place : place + 2], "big")
        length, at = _varint(page, at)
        _, at = _varint(page, at)
        kept = _kept(length, usable)
        if kept < length:
            following = page[at + kept : at + kept + 4]
            yield page[at : at + kept], length, int.from_bytes(following, "big")


def _kept(length: int, usable: int) -> int:
    """How much of a row stays on its page."""
    most = usable - 35
    if length <= most:
        return length
    least = (usable - 12) * 32 // 255 - 23
    part = least + (length - least) % (usable - 4)
    return part if part <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for step in range(8):
        byte = data[at + step] if at + step < len(data) else 0
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the last byte
            return value, at + step + 1
    last = data[at + 8] if at + 8 < len(data) else 0
    return value << 8 | last, at + 9


def _joined(span: Span, row: _Row, size: int, usable: int) -> bytes:
    parts, length, page = [row[0]], min(row[1], MAX_VALUE_BYTES), row[2]
    held = len(row[0])
    for _ in range(length // (usable - 4) + 1):
        if not page or held >= length:
            break
        data = span.read((page - 1) * size, usable)
        page = int.from_bytes(data[:4], "big")
        parts.append(data[4:])
        held += len(data) - 4
    return b"".join(parts)[:length]
