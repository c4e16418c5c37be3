"""Tar archives as a stream of members: ustar, with the names of POSIX (pax) and GNU.

Nothing is held but one piece of a file and headers of bounded size; what a header says of
sizes is believed only as far as bytes follow. Sparse files, volumes and global headers are
refused: they say that bytes are something else than what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hauberk.errors import ArtifactError

BLOCK: Final = 512
MAX_HEADER_BYTES: Final = 64 << 10
"""Of an extended header: a path of 4,096 bytes and some attributes fit many times."""

_FILES: Final = frozenset({b"0", b"\0", b"7"})
_LINKS: Final = frozenset({b"1", b"2"})


class Kind(StrEnum):
    """What a member is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    SPECIAL = "special file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of an archive.

    Attributes:
        name: As it stands there, whatever it says.
        chunks: The file's bytes. What is not taken is passed over before the next member.
    """

    name: str
    kind: Kind
    size: int
    chunks: Iterator[bytes]


class _Source:
    """Bytes by count, out of chunks of any size."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def some(self, most: int) -> bytes:
        """One to ``most`` bytes; none at the end."""
        while not self._rest:
            following = next(self._chunks, None)
            if following is None:
                return b""
            self._rest = memoryview(following)
        found, self._rest = self._rest[:most], self._rest[most:]
        return bytes(found)

    def exactly(self, count: int) -> bytes:
        """So many bytes, or fewer at the end."""
        parts, left = [], count
        while left and (part := self.some(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def pieces(self, count: int) -> Iterator[bytes]:
        """So many bytes, in pieces.

        Raises:
            ArtifactError: The archive ends before.
        """
        left = count
        while left:
            part = self.some(left)
            if not part:
                raise _broken("an archive with the bytes that its headers promise", "its end")
            left -= len(part)
            yield part


def members(chunks: Iterable[bytes]) -> Iterator[Member]:
    """The members of an archive in order, each with its bytes.

    Raises:
        ArtifactError: It is no archive, broken, or holds what is not read here.
    """
    source = _Source(chunks)
    said: dict[str, str] = {}
    while header := source.exactly(BLOCK):
        if not any(header):
            break
        _check(header)
        size = _number(header[124:136])
        flag = header[156:157]
        if flag in b"xL" and flag:
            said |= _extension(source, flag, size)
            continue
        yield from _member(source, header, said)
        said = {}
    for rest in iter(lambda: source.some(BLOCK * 256), b""):
        if any(rest):
            raise _broken("nothing behind the end of the archive", "further bytes")


def _member(source: _Source, header: bytes, said: dict[str, str]) -> Iterator[Member]:
    kind = _kind(header[156:157])
    name = said.get("path") or _name(header)
    size = _number(header[124:136]) if "size" not in said else _decimal(said["size"])
    if kind is not Kind.FILE:
        size = 0
    pieces = source.pieces(size)
    yield Member(name=name, kind=kind, size=size, chunks=pieces)
    for _ in pieces:  # what the caller left
        pass
    for _ in source.pieces(-size % BLOCK):
        pass


def _kind(flag: bytes) -> Kind:
    if flag in _FILES:
        return Kind.FILE
    if flag in _LINKS:
        return Kind.LINK
    if flag == b"5":
        return Kind.FOLDER
    if flag in (b"3", b"4", b"6"):
        return Kind.SPECIAL
    raise _broken("files, folders and links", f"a member of type {flag!a}")


def _extension(source: _Source, flag: bytes, size: int) -> dict[str, str]:
    """What a header before a member says of it."""
    if size > MAX_HEADER_BYTES:
        raise _broken(f"extended headers of at most {MAX_HEADER_BYTES} bytes", f"{size} bytes")
    data = b"".join(source.pieces(size))
    for _ in source.pieces(-size % BLOCK):
        pass
    if flag == b"L":
        return {"path": _text(data.rstrip(b"\0"))}
    found: dict[str, str] = {}
    while data:
        length, _, _ = data.partition(b" ")
        count = _decimal(_text(length[:8]))
        record = data[len(length) + 1 : count]
        if count <= len(length) + 1 or count > len(data) or not record.endswith(b"\n"):
            raise _broken("records of an extended header", "one of a wrong length")
        key, _, value = record[:-1].partition(b"=")
        if key.startswith(b"GNU.sparse"):
            raise _broken("whole files", "a sparse file")
        if key in (b"path", b"size"):
            found[_text(key)] = _text(value)
        data = data[count:]
    return found


def _check(header: bytes) -> None:
    if len(header) < BLOCK:
        raise _broken("headers of 512 bytes", f"{len(header)} bytes")
    told = _number(header[148:156])
    plain = sum(header[:148]) + 8 * 32 + sum(header[156:])
    if told != plain:
        raise _broken("a header with its checksum", "another")


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":  # GNU: a number too large for octal digits
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError as error:
        raise _broken("numbers in octal digits", ascii(digits)[:40]) from error


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:  # noqa: PLR2004 - 2**63 in digits
        raise _broken("a number in decimal digits", ascii(text)[:40])
    return int(text)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _broken("names in UTF-8", ascii(data)[:80]) from error


def _broken(expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "the archive cannot be read as tar",
        rule="an archive is read when every byte of it has one meaning",
        expected=expected,
        found=found,
        hint="make it again with ordinary tools, without links, sparse files or global headers",
    )
