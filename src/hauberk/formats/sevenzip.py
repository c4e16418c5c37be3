"""7z archives: the directory of members and their content, with the standard library alone.

Read are the methods copy, LZMA, LZMA2, deflate, bzip2 and the delta filter, one after the
other; everything else (encryption, BCJ2, PPMd, several volumes) is told as unread. Numbers of
properties and methods are those of ``7zFormat.txt`` and ``Methods.txt`` of the LZMA SDK.
"""

from __future__ import annotations

import bz2
import lzma
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.spans import CHUNK_BYTES, Span
from hauberk.formats.stream_decoders import ZstdDecoder

MAGIC = b"7z\xbc\xaf\x27\x1c"

MAX_HEADER_BYTES = 16 << 20
MAX_FOLDERS = 100_000
MAX_MEMBERS = 100_000
MAX_DICTIONARY = 256 << 20

_UNIX = 0x8000
"""Bit of a member's attributes that says that its Unix mode is there."""

_START = struct.Struct("<6s2BL2QL")
_COPY, _DELTA, _LZMA, _LZMA2 = b"\x00", b"\x03", b"\x03\x01\x01", b"\x21"
_ZSTD = b"\x04\xf7\x11\x01"
_DEFLATE, _BZIP2 = b"\x04\x01\x08", b"\x04\x02\x02"
_X86 = {b"\x03\x03\x01\x03", b"\x04"}
_ARM = {b"\x03\x03\x05\x01", b"\x07"}


class UnreadError(Exception):
    """A method or property that is legal and not read here."""


@dataclass(frozen=True, slots=True)
class SevenZipEntry:
    """One member: its name, and the range of the unpacked stream that it is."""

    name: str
    folder: int
    start: int
    size: int
    is_link: bool = False


@dataclass(slots=True)
class Folder:
    """Packed streams that unpack to one stream.

    Attributes:
        coders: Method and properties, in the order in which unpacking applies them.
        at: Where its packed stream begins in the file.
    """

    coders: list[tuple[bytes, bytes]]
    size: int = 0
    n_streams: int = 1
    has_digest: bool = False
    at: int = 0
    packed: int = 0


@dataclass(slots=True)
class SevenZip:
    """The directory of an archive."""

    entries: list[SevenZipEntry] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)


class _Cursor:
    """Numbers of a header, each checked against its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def rest(self) -> bytes:
        """Everything from here on."""
        return self.take(len(self._data) - self.at)

    def take(self, size: int) -> bytes:
        found = self._data[self.at : self.at + size]
        if len(found) < size:
            raise malformed("its header is cut")
        self.at += size
        return found

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """A number whose first byte tells how many follow."""
        first, value = self.byte(), 0
        for place in range(8):
            mask = 0x80 >> place
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * place)
            value |= self.byte() << (8 * place)
        return value

    def count(self, limit: int) -> int:
        found = self.number()
        if found > limit:
            raise malformed(f"its header claims {found} items")
        return found

    def bits(self, count: int) -> list[bool]:
        raw = self.take(-(-count // 8))
        return [bool(raw[i >> 3] & 0x80 >> (i & 7)) for i in range(count)]

    def maybe_all(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)


def list_sevenzip(span: Span) -> SevenZip:
    """The directory at the end of an archive.

    Raises:
        ArtifactError: It is malformed.
        UnreadError: It is encrypted or packed by a method that is not read.
    """
    head = span.read(0, _START.size)
    if len(head) < _START.size:
        raise malformed("its first header is cut")
    _, _, _, _, offset, size, _ = _START.unpack(head)
    if size == 0:
        return SevenZip()
    if size > MAX_HEADER_BYTES or _START.size + offset + size > span.size:
        raise malformed(f"its directory claims {size} bytes at {offset}")
    data = span.read(_START.size + offset, size)
    for _ in range(4):  # a packed directory may be packed again
        cursor = _Cursor(data)
        kind = cursor.byte()
        if kind == 1:
            return _header(cursor)
        if kind != 0x17:  # noqa: PLR2004 - a packed header
            raise malformed("its directory is none")
        data = _packed_header(span, cursor)
    raise malformed("its directory is packed again and again")


def _packed_header(span: Span, cursor: _Cursor) -> bytes:
    archive = SevenZip()
    _streams(cursor, archive)
    size = archive.folders[0].size if archive.folders else 0
    if not 0 < size <= MAX_HEADER_BYTES:
        raise malformed(f"its directory unpacks to {size} bytes")
    return b"".join(unpack_folder(span, archive.folders[0]))[:size]


# Header


def _header(cursor: _Cursor) -> SevenZip:
    archive, sizes = SevenZip(), []
    while kind := cursor.byte():
        if kind == 2:  # noqa: PLR2004 - archive properties
            while cursor.byte():
                cursor.take(cursor.count(MAX_HEADER_BYTES))
        elif kind == 4:  # noqa: PLR2004 - main streams
            sizes = _streams(cursor, archive)
        elif kind == 5:  # noqa: PLR2004 - files
            _files(cursor, archive, sizes)
        else:
            raise malformed(f"its header has the property {kind}")
    return archive


def _streams(cursor: _Cursor, archive: SevenZip) -> list[tuple[int, int, int]]:
    """Pack, coder and substream information; the result is folder, start and size of each."""
    position = 0
    packed: list[int] = []
    sizes: list[tuple[int, int, int]] | None = None
    while kind := cursor.byte():
        if kind == 6:  # noqa: PLR2004 - packed streams
            position, packed = _packed(cursor)
        elif kind == 7:  # noqa: PLR2004 - coders
            _folders(cursor, archive)
        elif kind == 8:  # noqa: PLR2004 - substreams
            sizes = _substreams(cursor, archive)
        else:
            raise malformed(f"its streams have the property {kind}")
    at = _START.size + position
    for folder, size in zip(archive.folders, packed, strict=False):
        folder.at, folder.packed = at, size
        at += size
    if sizes is None:
        sizes = [(i, 0, folder.size) for i, folder in enumerate(archive.folders)]
    return sizes


def _packed(cursor: _Cursor) -> tuple[int, list[int]]:
    position, count = cursor.number(), cursor.count(MAX_FOLDERS)
    sizes: list[int] = []
    while kind := cursor.byte():
        if kind == 9:  # noqa: PLR2004 - sizes
            sizes = [cursor.number() for _ in range(count)]
        elif kind == 10:  # noqa: PLR2004 - checksums
            _digests(cursor, count)
        else:
            raise malformed(f"its packed streams have the property {kind}")
    return position, sizes


def _digests(cursor: _Cursor, count: int) -> list[bool]:
    """Skips checksums, which loaders may ignore; which of the streams have one."""
    defined = cursor.maybe_all(count)
    cursor.take(4 * sum(defined))
    return defined


def _folders(cursor: _Cursor, archive: SevenZip) -> None:
    if cursor.byte() != 11:  # noqa: PLR2004 - folders
        raise malformed("its coders have no folders")
    count = cursor.count(MAX_FOLDERS)
    if cursor.byte():
        raise UnreadError("folders that stand elsewhere")
    archive.folders = [_folder(cursor) for _ in range(count)]
    if cursor.byte() != 12:  # noqa: PLR2004 - unpacked sizes
        raise malformed("its coders have no sizes")
    for folder in archive.folders:
        sizes = [cursor.number() for _ in folder.coders]
        folder.size = sizes[-1]
    while kind := cursor.byte():
        if kind != 10:  # noqa: PLR2004 - checksums
            raise malformed(f"its coders have the property {kind}")
        for folder, has_digest in zip(archive.folders, _digests(cursor, count), strict=True):
            folder.has_digest = has_digest


def _folder(cursor: _Cursor) -> Folder:
    coders: list[tuple[bytes, bytes]] = []
    n_coders = cursor.count(8)
    for _ in range(n_coders):
        flags = cursor.byte()
        method = cursor.take(flags & 15)
        if flags & 0x10:
            raise UnreadError("a method with several streams")
        properties = cursor.take(cursor.count(1 << 16)) if flags & 0x20 else b""
        coders.append((method, properties))
    if not coders:
        raise malformed("a folder has no method")
    # Each bond says whose output an input takes. Writers chain them in order, the first
    # coder being the last to be applied when packing.
    order = sorted((cursor.number(), cursor.number()) for _ in range(n_coders - 1))
    if order not in (
        [(i, i + 1) for i in range(n_coders - 1)],
        [(i + 1, i) for i in range(n_coders - 1)],
    ):
        raise UnreadError("methods in an unusual order")
    if order and order[0] == (0, 1):
        coders.reverse()
    return Folder(coders)


def _substreams(cursor: _Cursor, archive: SevenZip) -> list[tuple[int, int, int]]:
    kind = cursor.byte()
    if kind == 13:  # noqa: PLR2004 - numbers of streams
        for folder in archive.folders:
            folder.n_streams = cursor.count(MAX_MEMBERS)
        kind = cursor.byte()
    sizes: list[tuple[int, int, int]] = []
    for number, folder in enumerate(archive.folders):
        start = 0
        for _ in range(folder.n_streams - 1):
            size = cursor.number() if kind == 9 else 0  # noqa: PLR2004 - sizes
            sizes.append((number, start, size))
            start += size
        if folder.n_streams:
            sizes.append((number, start, folder.size - start))
        if len(sizes) > MAX_MEMBERS or start > folder.size:
            raise malformed("its streams are more or larger than they can be")
    _skip_to_end(cursor, kind, archive)
    return sizes


def _skip_to_end(cursor: _Cursor, kind: int, archive: SevenZip) -> None:
    if kind == 9:  # noqa: PLR2004 - sizes, which have been read
        kind = cursor.byte()
    while kind:
        if kind != 10:  # noqa: PLR2004 - checksums
            raise malformed(f"its substreams have the property {kind}")
        unknown = (
            0 if folder.n_streams == 1 and folder.has_digest else folder.n_streams
            for folder in archive.folders
        )
        _digests(cursor, sum(unknown))
        kind = cursor.byte()


def _files(cursor: _Cursor, archive: SevenZip, sizes: list[tuple[int, int, int]]) -> None:
    count = cursor.count(MAX_MEMBERS)
    found: dict[int, Any] = {}
    while kind := cursor.byte():
        inner = _Cursor(cursor.take(cursor.count(MAX_HEADER_BYTES)))
        if kind in _OF_FILES:
            found[kind] = _OF_FILES[kind](inner, count)
    names = found.get(_NAMES, [""] * count)
    none = [False] * count
    streams = iter(sizes)
    for name, is_empty, is_link in zip(
        names, found.get(_EMPTY, none), found.get(_ATTRIBUTES, none), strict=True
    ):
        if not is_empty:
            folder, start, size = next(streams, (-1, 0, 0))
            if folder < 0:
                raise malformed("it has more members than streams")
            archive.entries.append(SevenZipEntry(name, folder, start, size, is_link))


def _links(cursor: _Cursor, count: int) -> list[bool]:
    """Which members are links: writers on Unix keep the mode in the upper half."""
    defined = cursor.maybe_all(count)
    if cursor.byte():
        raise UnreadError("attributes that stand elsewhere")
    values = [int.from_bytes(cursor.take(4), "little") if known else 0 for known in defined]
    return [bool(value & _UNIX) and stat.S_ISLNK(value >> 16) for value in values]


def _names(cursor: _Cursor, count: int) -> list[str]:
    if cursor.byte():
        raise UnreadError("names that stand elsewhere")
    found = cursor.rest().decode("utf-16-le", "replace").split("\0")
    return (found + [""] * count)[:count]


_EMPTY, _NAMES, _ATTRIBUTES = 14, 17, 21
_OF_FILES: dict[int, Callable[[_Cursor, int], Any]] = {
    _EMPTY: _Cursor.bits,
    _NAMES: _names,
    _ATTRIBUTES: _links,
}
"""Properties of members that are read: which have no content, names, which are links."""


# Content


def unpack_folder(span: Span, folder: Folder) -> Iterator[bytes]:
    """The unpacked stream of a folder, piece by piece.

    Raises:
        ArtifactError: It is broken.
        UnreadError: It is packed by a method that is not read.
    """
    chunks = span.part(folder.at, folder.packed).chunks()
    yield from _unpacked(chunks, _decoder(folder.coders), folder.size)


def _decoder(coders: list[tuple[bytes, bytes]]) -> Callable[[], Any] | None:
    methods = [method for method, _ in coders]
    if methods == [_COPY]:
        return None
    if methods == [_DEFLATE]:
        return lambda: zlib.decompressobj(-15)
    if methods == [_BZIP2]:
        return bz2.BZ2Decompressor
    if methods == [_ZSTD]:
        return ZstdDecoder
    filters = [_filter(method, properties) for method, properties in reversed(coders)]
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def _filter(method: bytes, properties: bytes) -> dict[str, Any]:
    if method == _LZMA and len(properties) == 5:  # noqa: PLR2004 - one byte and the dictionary
        packed, size = properties[0], int.from_bytes(properties[1:], "little")
        lc, rest = packed % 9, packed // 9
        found = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": rest % 5, "pb": rest // 5}
        return found | {"dict_size": _dictionary(size)}
    if method == _LZMA2 and properties:
        bits = properties[0] & 63
        size = 0xFFFFFFFF if bits == 40 else (2 | bits & 1) << (bits // 2 + 11)  # noqa: PLR2004
        return {"id": lzma.FILTER_LZMA2, "dict_size": _dictionary(size)}
    if method == _DELTA and properties:
        return {"id": lzma.FILTER_DELTA, "dist": properties[0] + 1}
    if method in _X86:
        return {"id": lzma.FILTER_X86}
    if method in _ARM:
        return {"id": lzma.FILTER_ARM}
    is_encrypted = method == b"\x06\xf1\x07\x01"
    raise UnreadError("encrypted members" if is_encrypted else f"the method {method.hex()}")


def _dictionary(size: int) -> int:
    if size > MAX_DICTIONARY:
        raise malformed(f"its dictionary claims {size} bytes of memory")
    return max(size, 4096)


def _unpacked(
    chunks: Iterator[bytes], make: Callable[[], Any] | None, size: int
) -> Iterator[bytes]:
    if make is None:
        yield from chunks
        return
    rest = size
    try:
        decoder = make()
        for data in _pieces(decoder, chunks):
            yield data[:rest]
            rest -= len(data)
            if rest <= 0:
                return
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise malformed(f"a stream is broken: {error}") from error
    if rest > 0:
        raise malformed("a stream ends too early")


_SLICE = 1 << 15


def _pieces(decoder: Any, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), _SLICE):
            yield from _drained(decoder, chunk[at : at + _SLICE])


def _drained(decoder: Any, data: bytes) -> Iterator[bytes]:
    while True:
        out = decoder.decompress(data, CHUNK_BYTES)
        if out:
            yield out
        data = getattr(decoder, "unconsumed_tail", b"")
        wants = getattr(decoder, "needs_input", not data and len(out) < CHUNK_BYTES)
        if decoder.eof or wants:
            return


def malformed(reason: str) -> ArtifactError:
    """The error for an archive that breaks the format or a bound."""
    return ArtifactError(
        f"the 7z archive is malformed: {reason}",
        rule="the directory of a 7z archive describes its members",
        found=reason,
        hint="fetch the file again and compare its digest with the publisher's",
    )
