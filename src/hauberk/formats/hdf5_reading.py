"""The structures of an HDF5 file that matter to a scan, read within bounds.

A minimal reader of our own: superblocks 0 to 3, object headers 1 and 2, groups in both
layouts, attributes in the header and in fractal heaps, global heaps for strings of variable
length. Nothing is decompressed and no data set is read. What it cannot follow is told as
unread. Layout: "HDF5 File Format Specification", version 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hauberk.errors import ArtifactError
from hauberk.formats.spans import Span

MAGIC = b"\x89HDF\r\n\x1a\n"

MAX_OBJECTS = 200_000
"""Groups and data sets; the largest models have some ten thousand."""

MAX_MESSAGES = 2_000_000
MAX_BLOCK_BYTES = 16 << 20
"""One block of header messages or one heap."""

MAX_VALUE_BYTES = 64 << 20
"""One attribute; the configuration of a large model has some megabytes."""


class UnfollowedError(Exception):
    """A structure that is legal and not read here."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an object header."""

    kind: int
    flags: int
    body: bytes

    @property
    def is_shared(self) -> bool:
        """Whether the body only points at a message stored elsewhere."""
        return bool(self.flags & 2)


class Hdf5:
    """A file with its widths of addresses and lengths.

    Attributes:
        root: Address of the root group's header.
    """

    def __init__(self, span: Span) -> None:
        self._span = span
        self.size = span.size
        self.start = _superblock_at(span)
        self.base = 0
        self._messages = 0
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}
        head = span.read(self.start, 128)
        version = head[8]
        if version in {0, 1}:
            self.offsets, self.lengths = head[13], head[14]
            at = 24 if version == 0 else 28
            self._check_widths()
            self.base = self.address(head, at)
            self.root = self.address(head, at + 5 * self.offsets)
        elif version in {2, 3}:
            self.offsets, self.lengths = head[9], head[10]
            self._check_widths()
            self.base = self.address(head, 12)
            self.root = self.address(head, 12 + 3 * self.offsets)
        else:
            raise malformed(f"its superblock has version {version}")

    def _check_widths(self) -> None:
        if self.offsets not in {2, 4, 8} or self.lengths not in {2, 4, 8}:
            raise malformed(f"its addresses have {self.offsets} bytes")

    # Numbers

    def address(self, data: bytes, at: int) -> int:
        """An address in ``data``; -1 where it is undefined."""
        raw = data[at : at + self.offsets]
        if len(raw) < self.offsets:
            raise malformed("a structure is cut")
        return -1 if raw == b"\xff" * self.offsets else int.from_bytes(raw, "little")

    def length(self, data: bytes, at: int) -> int:
        """A length in ``data``."""
        raw = data[at : at + self.lengths]
        if len(raw) < self.lengths:
            raise malformed("a structure is cut")
        return int.from_bytes(raw, "little")

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes at an address.

        Raises:
            ArtifactError: They do not lie in the file, or are too many.
        """
        if size > MAX_BLOCK_BYTES:
            raise malformed(f"a block claims {size} bytes")
        data = self._span.read(self.base + address, size) if address >= 0 else b""
        if len(data) < size:
            raise malformed(f"{size} bytes are claimed at {address}, beyond the end")
        return data

    def part(self, address: int, size: int) -> Span:
        """A range of the file."""
        return self._span.part(self.base + address, size)

    # Object headers

    def messages(self, address: int) -> Iterator[Message]:
        """The messages of an object, with those of its continuations."""
        head = self.read(address, 16)
        if head[:4] == b"OHDR":
            yield from self._new_messages(address, head)
        elif head[0] == 1:
            size = int.from_bytes(head[8:12], "little")
            yield from self._old_messages([(address + 16, size)])
        else:
            raise malformed(f"there is no object at {address}")

    def _count(self) -> None:
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            raise malformed(f"it has more than {MAX_MESSAGES} messages")

    def _old_messages(self, blocks: list[tuple[int, int]]) -> Iterator[Message]:
        seen: set[int] = set()
        while blocks:
            start, size = blocks.pop(0)
            if start in seen:
                raise malformed("a header continues in itself")
            seen.add(start)
            data, at = self.read(start, size), 0
            while at + 8 <= len(data):
                kind, length = _u16(data, at), _u16(data, at + 2)
                message = Message(kind, data[at + 4], data[at + 8 : at + 8 + length])
                at += 8 + length
                yield from self._told(message, blocks)

    def _told(self, message: Message, blocks: list[tuple[int, int]]) -> Iterator[Message]:
        self._count()
        if message.kind == CONTINUATION:
            where = self.address(message.body, 0)
            blocks.append((where, self.length(message.body, self.offsets)))
        elif message.kind:
            yield message

    def _new_messages(self, address: int, head: bytes) -> Iterator[Message]:
        flags = head[5]
        at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(self.read(address + at, width), "little")
        blocks = [(address + at + width, size)]
        seen: set[int] = set()
        is_first = True
        while blocks:
            start, length = blocks.pop(0)
            if start in seen:
                raise malformed("a header continues in itself")
            seen.add(start)
            data = self.read(start, length)
            body = data if is_first else data[4:-4]
            if not is_first and data[:4] != b"OCHK":
                raise malformed("a header continues in nothing")
            is_first = False
            yield from self._in_block(body, blocks, head=6 if flags & 4 else 4)

    def _in_block(
        self, data: bytes, blocks: list[tuple[int, int]], *, head: int
    ) -> Iterator[Message]:
        at = 0
        while at + head <= len(data):
            length = _u16(data, at + 1)
            body = data[at + head : at + head + length]
            message = Message(data[at], data[at + 3], body)
            at += head + length
            yield from self._told(message, blocks)

    # Heaps

    def local_heap(self, address: int) -> bytes:
        """The names that an old group keeps."""
        head = self.read(address, 8 + 2 * self.lengths + self.offsets)
        if head[:4] != b"HEAP":
            raise malformed("a group has no heap of names")
        size = self.length(head, 8)
        return self.read(self.address(head, 8 + 2 * self.lengths), size)

    def global_object(self, address: int, index: int) -> Span:
        """One object of a global heap."""
        if address not in self._collections:
            self._collections[address] = dict(self._global_objects(address))
        found = self._collections[address].get(index)
        if found is None:
            raise malformed("a value points at nothing")
        return self.part(*found)

    def _global_objects(self, address: int) -> Iterator[tuple[int, tuple[int, int]]]:
        head = self.read(address, 8 + self.lengths)
        if head[:4] != b"GCOL":
            raise malformed("a value points at no heap")
        end = address + self.length(head, 8)
        if self.base + end > self.size:
            raise malformed("a heap reaches beyond the file")
        at = address + 8 + self.lengths
        step = 8 + self.lengths
        while at + step <= end:
            self._count()
            item = self.read(at, step)
            index, size = _u16(item, 0), self.length(item, 8)
            if index == 0:
                return
            yield index, (at + step, min(size, MAX_VALUE_BYTES))
            at += step + -(-size // 8) * 8


CONTINUATION = 0x10


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _superblock_at(span: Span) -> int:
    """Where the superblock stands: at 0, or at a power of two from 512 on."""
    at = 0
    while at < min(span.size, 1 << 24):
        if span.read(at, 8) == MAGIC and span.size - at >= 48:  # noqa: PLR2004 - the shortest
            return at
        at = at * 2 or 512
    raise malformed("it has no whole superblock")


def hdf5_start(span: Span) -> int:
    """Where a superblock stands behind the beginning of the file; 0 where none does."""
    try:
        return _superblock_at(span)
    except ArtifactError:
        return 0


def malformed(reason: str) -> ArtifactError:
    """The error for bytes that break the format or a bound."""
    return ArtifactError(
        f"the HDF5 file is malformed: {reason}",
        rule="structures of an HDF5 file lie inside of it and do not run in circles",
        found=reason,
        hint="save the model again",
    )
