"""What the batches of an Arrow IPC file unpack to, read before anything is unpacked.

A packed buffer begins with its unpacked size, and nothing else tells it. The footer names the
batches; the message in front of each names the places of its buffers (Footer, Message,
RecordBatch and DictionaryBatch of Arrow's File.fbs and Message.fbs).
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.formats.flatbuffers import FlatFile, FlatTable, malformed
from hauberk.formats.spans import Span

_WHAT = "Arrow IPC file"
_TAIL = 10
"""Length of the footer and the magic bytes behind it."""

_DICTIONARIES, _BATCHES = 2, 3
_BLOCK_BYTES, _BUFFER_BYTES = 24, 16
_CONTINUES = 0xFFFF_FFFF
_DICTIONARY_BATCH = 2


def unpacked_sizes(span: Span) -> Iterator[tuple[int, int]]:
    """Bytes of each dictionary and batch as they lie there, and unpacked.

    Raises:
        ArtifactError: An offset or a length leads out of the file.
    """
    whole = FlatFile(span, _WHAT)
    length = whole.number(span.size - _TAIL, 4)
    if length > span.size - _TAIL:
        raise malformed(_WHAT, f"a footer of {length} bytes")
    start = span.size - _TAIL - length
    footer = FlatFile(span.part(start, length), _WHAT)
    root = footer.table(footer.follow(0))
    for field in (_DICTIONARIES, _BATCHES):
        place, count = root.vector(field, _BLOCK_BYTES)
        for number in range(count):
            at = place + number * _BLOCK_BYTES
            yield _sizes(span, footer.number(at, 8), footer.number(at + 8, 4))


def _sizes(span: Span, at: int, length: int) -> tuple[int, int]:
    """Packed and unpacked bytes of the message of ``length`` bytes at ``at``."""
    whole = FlatFile(span, _WHAT)
    skip = 8 if whole.number(at, 4) == _CONTINUES else 4
    message = FlatFile(span.part(at + skip, length - skip), _WHAT)
    batch = _batch(message.table(message.follow(0)))
    place, count = batch.vector(2, _BUFFER_BYTES)
    is_packed = bool(batch.place(3))
    packed = unpacked = 0
    for number in range(count):
        offset = message.number(place + number * _BUFFER_BYTES, 8)
        size = message.number(place + number * _BUFFER_BYTES + 8, 8)
        packed += size
        told = whole.number(at + length + offset, 8, signed=True) if is_packed and size else -1
        unpacked += size if told < 0 else told
    return packed, unpacked


def _batch(message: FlatTable) -> FlatTable:
    """The batch in a message, or in the dictionary that it holds."""
    header = message.file.table(message.file.follow(message.place(2)))
    if message.number(1, 1) != _DICTIONARY_BATCH:
        return header
    return header.file.table(header.file.follow(header.place(1)))
