"""Bounded readers of archives and compressed streams.

Archives are read the way loaders read them, not the way they ought to be: checksums and
flags that loaders ignore are ignored too, and where two readers could see different bytes
(a local header that contradicts the directory, a name twice, overlapping members, bytes in
front of the archive) that is told as a `Trouble`, because no honest writer makes it.

A `Ledger` counts what is unpacked over all levels of nesting and ends a bomb early.
"""

from __future__ import annotations

import io
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hauberk.errors import ArtifactError, HauberkError
from hauberk.formats.spans import CHUNK_BYTES, Span

if TYPE_CHECKING:
    import tarfile

MAX_DEPTH = 8
"""Containers inside containers; hub repositories and wheels need three."""

MAX_MEMBERS = 100_000
"""Members over all levels; the largest checkpoints have some ten thousand."""

MAX_UNPACKED_BYTES = 8 << 30
"""Bytes unpacked over all levels."""

MAX_RATIO = 200
"""Unpacked to packed, once `RATIO_FROM_BYTES` were unpacked. Weights hardly compress at all;
arrays of zeros reach a thousand, and are small when they do."""

RATIO_FROM_BYTES = 64 << 20

EXTREME_RATIO = 900
"""Close to what deflate can do at all: nothing but one byte repeated."""

EXTREME_FROM_BYTES = 32 << 20


class BoundError(ArtifactError):
    """A counted or declared bound is exceeded."""


class TroubleKind(StrEnum):
    """What a reader could not take at face value."""

    EVASIVE = "evasive"
    BOUND = "bound"
    UNREAD = "unread"


class Trouble(NamedTuple):
    """Something about a container that is no member of it.

    Attributes:
        kind: ``evasive`` (no honest writer makes it), ``bound`` (too much of something) or
            ``unread`` (nothing wrong was seen, because nothing was seen).
        inner: Path inside nested containers, outermost first.
        offset: First byte concerned, where there is one.
    """

    kind: TroubleKind
    reason: str
    inner: tuple[str, ...] = ()
    offset: int | None = None


class Ledger:
    """What was unpacked so far, over all levels of nesting, and what may be spent.

    Attributes:
        max_opcodes: Work that one pickle may cost.
    """

    __slots__ = ("max_bytes", "max_depth", "max_members", "max_opcodes", "members", "unpacked")

    def __init__(
        self,
        *,
        max_bytes: int = MAX_UNPACKED_BYTES,
        max_members: int = MAX_MEMBERS,
        max_depth: int = MAX_DEPTH,
        max_opcodes: int = 20_000_000,
    ) -> None:
        self.max_bytes = max_bytes
        self.max_members = max_members
        self.max_depth = max_depth
        self.max_opcodes = max_opcodes
        self.members = 0
        self.unpacked = 0

    def enter(self, depth: int) -> None:
        """Count one member.

        Raises:
            ArtifactError: There are too many, or they are nested too deeply.
        """
        self.members += 1
        if self.members > self.max_members:
            raise _too_much("members", self.max_members, self.members)
        if depth > self.max_depth:
            raise _too_much("levels of nesting", self.max_depth, depth)

    def spend(self, size: int, *, unpacked: int, packed: int) -> None:
        """Count unpacked bytes; the totals are those of the stream they come from.

        Raises:
            ArtifactError: The budget or the ratio is exceeded.
        """
        self.unpacked += size
        if self.unpacked > self.max_bytes:
            raise _too_much("unpacked bytes", self.max_bytes, self.unpacked)
        if is_bomb(unpacked, packed):
            raise _too_much("unpacked bytes for each packed byte", MAX_RATIO, unpacked // packed)


def is_bomb(unpacked: int, packed: int) -> bool:
    """Whether so much from so little is beyond what honest files reach."""
    ratio = unpacked // max(packed, 1)
    is_extreme = unpacked > EXTREME_FROM_BYTES and ratio > EXTREME_RATIO
    return is_extreme or (unpacked > RATIO_FROM_BYTES and ratio > MAX_RATIO)


def _too_much(what: str, limit: int, found: int) -> BoundError:
    return BoundError(
        f"the archive holds too many {what}",
        rule=f"at most {limit} {what}",
        expected=f"{limit} or fewer",
        found=str(found),
        hint="unpack it in a sandbox with limits, or ask its publisher for a plain file",
    )


# Compressed streams ---------------------------------------------------------------------


def _decoder(name: str) -> Any:
    from hauberk.formats import stream_decoders

    return getattr(stream_decoders, name)()


def _bz2() -> Any:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> Any:
    import lzma

    # A dictionary beyond 256 MiB is the writer's claim on the reader's memory.
    return lzma.LZMADecompressor(memlimit=256 << 20)


STREAMS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zlib": lambda: zlib.decompressobj(15),
    "bz2": _bz2,
    "xz": _xz,
    "deflate": lambda: zlib.decompressobj(-15),
    "zstd": partial(_decoder, "ZstdDecoder"),
    "lz4": partial(_decoder, "Lz4Decoder"),
    "zip lzma": partial(_decoder, "ZipLzmaDecoder"),
}
"""Names of compressions to decoders."""


def stream_kind(head: bytes) -> str | None:
    """The compression that a stream begins with, of those that can be read here."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bz2"
    if head.startswith((b"\xfd7zXZ\x00", b"]\x00\x00")):
        return "xz"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    if head.startswith(b"\x04\x22\x4d\x18"):
        return "lz4"
    # RFC 1950 section 2.2: deflate with a check over the first two bytes.
    is_zlib = len(head) > 2 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0  # noqa: PLR2004
    return "zlib" if is_zlib else None


def unpack(chunks: Iterable[bytes], kind: str, ledger: Ledger) -> Iterator[bytes]:
    """The unpacked bytes of a stream, and of streams of the same kind right behind it.

    Raises:
        ArtifactError: The stream is broken or unpacks to too much.
    """
    packed = unpacked = 0
    decoder: Any = None
    for chunk in _slices(chunks):
        packed += len(chunk)
        rest = chunk
        while rest:
            if decoder is None or decoder.eof:
                if decoder is not None and stream_kind(rest) != kind:
                    return
                decoder = STREAMS[kind]()
            for data in _pump(decoder, rest, kind):
                unpacked += len(data)
                ledger.spend(len(data), unpacked=unpacked, packed=packed)
                yield data
            rest = decoder.unused_data if decoder.eof else b""
    if decoder is None or not decoder.eof:
        raise _broken_stream(kind, "it ends too early")


_SLICE = 1 << 15


def _slices(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Short pieces: zlib copies what it has not taken yet each time that its output is full."""
    for chunk in chunks:
        for at in range(0, len(chunk), _SLICE):
            yield chunk[at : at + _SLICE]


def _pump(decoder: Any, data: bytes, kind: str) -> Iterator[bytes]:
    """Feed ``data`` and yield what comes out, at most `CHUNK_BYTES` at a time."""
    while True:
        try:
            out = decoder.decompress(data, CHUNK_BYTES)
        except Exception as error:
            if not _is_broken(error):
                raise
            raise _broken_stream(kind, str(error)) from error
        if out:
            yield out
        data = getattr(decoder, "unconsumed_tail", b"")
        wants_more = getattr(decoder, "needs_input", not data and len(out) < CHUNK_BYTES)
        if decoder.eof or wants_more:
            return


def _is_broken(error: Exception) -> bool:
    if isinstance(error, zlib.error | OSError | EOFError):
        return True
    import lzma

    return isinstance(error, lzma.LZMAError)


def _broken_stream(kind: str, reason: str) -> ArtifactError:
    return ArtifactError(
        f"the {kind} stream is broken: {reason}",
        rule="compressed streams are whole",
        expected=f"a complete {kind} stream",
        found=reason,
        hint="fetch the file again and compare its digest with the publisher's",
    )


# Zip ------------------------------------------------------------------------------------

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_MAX_COMMENT = 1 << 16
_METHODS = {0: "stored", 8: "deflate", 12: "bz2", 14: "zip lzma", 93: "zstd", 95: "xz"}
_ENCRYPTED = 1
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


class ZipEntry(NamedTuple):
    """One member of a zip archive as its directory declares it.

    Attributes:
        start: First byte of the local header.
        data: First byte of the packed content, where the local header says.
        method: Name of the compression; empty where it cannot be read here.
    """

    name: str
    method: str
    flags: int
    packed: int
    size: int
    start: int
    data: int

    @property
    def is_encrypted(self) -> bool:
        """Whether the directory says that a password is needed."""
        return bool(self.flags & _ENCRYPTED)

    def chunks(self, span: Span, ledger: Ledger) -> Iterator[bytes]:
        """The unpacked content; checksums are ignored, as loaders ignore them.

        Raises:
            ArtifactError: The content is broken or too large.
        """
        packed = span.part(self.data, self.packed)
        # A bomb that declares itself is refused before anything is unpacked.
        if is_bomb(self.size, self.packed):
            raise _too_much("unpacked bytes for each packed byte", MAX_RATIO, self.size)
        return unpack(packed.chunks(), self.method, ledger)


class ZipListing(NamedTuple):
    """The members of a zip archive.

    Attributes:
        start: Where the archive begins; not 0 where something stands in front of it.
    """

    entries: tuple[ZipEntry, ...]
    troubles: tuple[Trouble, ...]
    start: int = 0


def find_zip(span: Span) -> int | None:
    """Offset of the end record of a zip archive, which stands at the end of the file."""
    tail_start = max(0, span.size - _MAX_COMMENT - _END.size)
    tail = span.read(tail_start, _MAX_COMMENT + _END.size)
    at = tail.rfind(b"PK\x05\x06")
    return None if at < 0 or len(tail) - at < _END.size else tail_start + at


def list_zip(span: Span, end: int) -> ZipListing:
    """Members by the directory that the end record at ``end`` points at.

    Raises:
        ArtifactError: The directory is broken.
    """
    count, size, offset, directory_end = _directory(span, end)
    directory_start = directory_end - size
    shift = directory_start - offset
    if directory_start < 0 or shift < 0:
        raise _broken_zip("its directory lies outside of the file")
    if count > MAX_MEMBERS:
        raise _too_much("members", MAX_MEMBERS, count)
    directory = span.part(directory_start, size)
    entries: list[ZipEntry] = []
    troubles: list[Trouble] = []
    for entry, problem in _entries(span, directory, shift):
        entries.append(entry)
        troubles.extend(Trouble(TroubleKind.EVASIVE, text, (), entry.start) for text in problem)
    if shift:
        reason = f"{shift} bytes stand in front of the zip archive"
        troubles.append(Trouble(TroubleKind.EVASIVE, reason, (), 0))
    return ZipListing(tuple(entries), (*troubles, *_conflicts(entries)), shift)


def _broken_zip(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the zip archive is broken: {reason}",
        rule="the directory of a zip archive describes its members",
        found=reason,
        hint="fetch the file again and compare its digest with the publisher's",
    )


def _directory(span: Span, end: int) -> tuple[int, int, int, int]:
    """Members, bytes, declared offset and true end of the directory."""
    record = _END.unpack(span.read(end, _END.size))
    count, size, offset = record[4], record[5], record[6]
    locator = span.read(end - 20, 20) if end >= 20 else b""  # noqa: PLR2004 - its size
    if locator[:4] != b"PK\x06\x07":
        return count, size, offset, end
    at = end - 20 - _END64.size
    record64 = span.read(at, _END64.size) if at >= 0 else b""
    if record64[:4] != b"PK\x06\x06":
        raise _broken_zip("its 64-bit end record is not where its locator stands")
    fields = _END64.unpack(record64)
    return fields[7], fields[8], fields[9], at


def _entries(span: Span, directory: Span, shift: int) -> Iterator[tuple[ZipEntry, tuple[str, ...]]]:
    at = 0
    while at < directory.size:
        raw = directory.read(at, _CENTRAL.size)
        if len(raw) < _CENTRAL.size or raw[:4] != b"PK\x01\x02":
            raise _broken_zip(f"an entry of its directory is cut or damaged at byte {at}")
        fields = _CENTRAL.unpack(raw)
        name_size, extra_size, comment_size = fields[12], fields[13], fields[14]
        rest = directory.read(at + _CENTRAL.size, name_size + extra_size)
        yield _entry(span, fields, rest[:name_size], rest[name_size:], shift)
        at += _CENTRAL.size + name_size + extra_size + comment_size


def _entry(
    span: Span, fields: tuple[Any, ...], raw_name: bytes, extra: bytes, shift: int
) -> tuple[ZipEntry, tuple[str, ...]]:
    flags, method = fields[5], fields[6]
    packed, size, start = _wide(extra, fields[10], fields[11], fields[18])
    start += shift
    local = span.read(start, _LOCAL.size)
    if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
        raise _broken_zip(f"there is no member at byte {start}")
    parts = _LOCAL.unpack(local)
    data = start + _LOCAL.size + parts[10] + parts[11]
    local_name = span.read(start + _LOCAL.size, parts[10])
    entry = ZipEntry(
        name=raw_name.decode("utf-8" if flags & 0x800 else "cp437", "replace"),
        method=_METHODS.get(method, ""),
        flags=flags,
        packed=packed,
        size=size,
        start=start,
        data=data,
    )
    problems = [*_contradictions(entry, parts, raw_name, local_name, method)]
    if stat.S_ISLNK(fields[17] >> 16) and _leads_out(span, entry):
        problems.append("a member is a link that leads out of the folder")
    return entry, tuple(problems)


def _leads_out(span: Span, entry: ZipEntry) -> bool:
    """Whether the target of a link is no plain path below the folder; unpacked ones count."""
    target = span.read(entry.data, min(entry.packed, 4096)).decode("utf-8", "replace")
    return entry.method != "stored" or bool(path_trick(target))


def _wide(extra: bytes, packed: int, size: int, start: int) -> tuple[int, int, int]:
    """Sizes and offset with the 64-bit values of the extra field in place of full ones."""
    at, wide = 0, b""
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = extra[at + 4 : at + 4 + length]
            break
        at += 4 + length
    values = [int.from_bytes(wide[i : i + 8], "little") for i in range(0, len(wide) - 7, 8)]
    fixed = []
    for value in (size, packed, start):
        if value == _FULL32:
            if not values:
                raise _broken_zip("a 64-bit size is announced and missing")
            fixed.append(values.pop(0))
        else:
            fixed.append(value)
    return fixed[1], fixed[0], fixed[2]


def _contradictions(
    entry: ZipEntry, local: tuple[Any, ...], name: bytes, local_name: bytes, method: int
) -> Iterator[str]:
    """How a local header differs from the directory; readers differ in which they believe."""
    local_flags, local_method, packed, size = local[3], local[4], local[8], local[9]
    if local_name != name:
        yield "a member has one name in the directory and another before its content"
    if local_method != method:
        yield "a member has one compression in the directory and another before its content"
    if (local_flags ^ entry.flags) & _ENCRYPTED:
        yield "a member is encrypted by one of its headers and not by the other"
    declared_later = local_flags & 8
    wide = _FULL32 in {packed, size}
    if not declared_later and not wide and (packed, size) != (entry.packed, entry.size):
        yield "a member has one size in the directory and another before its content"


def _conflicts(entries: list[ZipEntry]) -> Iterator[Trouble]:
    names: set[str] = set()
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.start):
        if entry.start < end:
            reason = "members overlap: the same bytes are unpacked more than once"
            yield Trouble(TroubleKind.EVASIVE, reason, (), entry.start)
            break
        end = entry.data + entry.packed
    for entry in entries:
        if entry.name in names:
            yield Trouble(TroubleKind.EVASIVE, "a name stands for two members", (), entry.start)
        names.add(entry.name)
        if trick := path_trick(entry.name):
            yield Trouble(TroubleKind.EVASIVE, trick, (), entry.start)


def path_trick(name: str) -> str:
    """What is wrong with a member's name as a path; empty where nothing is."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "a member's name is an absolute path"
    if ".." in parts:
        return "a member's name leads out of the folder"
    return "a member's name holds a NUL" if "\0" in name else ""


# Tar ------------------------------------------------------------------------------------

_BLOCK = 512
_MAX_HEADER_READ = 16 << 20


class TarEntry(NamedTuple):
    """One regular member of a tar archive, by the place of its content."""

    name: str
    data: int
    size: int


def is_tar(head: bytes) -> bool:
    """Whether the first block is a tar header: its checksum says so."""
    if len(head) < _BLOCK or not any(head[:_BLOCK]):
        return False
    try:
        declared = int(head[148:156].strip(b"\0 ") or b"-1", 8)
    except ValueError:
        return False
    return declared == sum(head[:148]) + 8 * 32 + sum(head[156:_BLOCK])


def list_tar(span: Span, ledger: Ledger) -> Iterator[TarEntry | Trouble]:
    """The members of a tar archive, as Python's reader sees them.

    Raises:
        ArtifactError: A header is broken or there are too many members.
    """
    import tarfile

    try:
        with tarfile.open(fileobj=_SpanFile(span), mode="r:") as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined] # else it keeps every header
                ledger.enter(0)
                yield from _tar_entry(info)
    except HauberkError:
        raise
    except (tarfile.TarError, ValueError, OverflowError, EOFError, OSError) as error:
        raise ArtifactError(
            f"the tar archive is broken: {error}",
            rule="tar headers are whole",
            hint="fetch the file again and compare its digest with the publisher's",
        ) from error


def _tar_entry(info: tarfile.TarInfo) -> Iterator[TarEntry | Trouble]:
    trick = path_trick(info.name)
    if not trick and (info.issym() or info.islnk()) and path_trick(info.linkname):
        trick = "a link leads out of the folder"
    if not trick and (info.isdev() or info.isfifo()):
        trick = "a member is a device"
    if trick:
        yield Trouble(TroubleKind.EVASIVE, trick, (), info.offset)
    if info.isreg() and info.issparse():
        yield Trouble(TroubleKind.UNREAD, "a sparse member is not read", (), info.offset)
    elif info.isreg():
        yield TarEntry(info.name, info.offset_data, info.size)


class _SpanFile(io.RawIOBase):
    """A span as the file object that Python's tar reader wants."""

    def __init__(self, span: Span) -> None:
        super().__init__()
        self._span = span
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._span.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MAX_HEADER_READ:
            raise _too_much("bytes in one header", _MAX_HEADER_READ, size)
        data = self._span.read(self._at, size)
        self._at += len(data)
        return data
