"""How the log lies on disk: segment files of commits.

A segment is a file named by the number of its first record. It begins with a header:

    magic, first record (u64), salt (16), number of peaks (u16), peaks (32 each), crc32

where the peaks are the frontier of the tree before the segment, so that the log can be
continued without reading what came earlier. Commits follow, one per group of appends:

    magic, records (u32), body bytes (u64), first record (u64), crc32 of salt and these
    length of each record (u32), the records, root of the tree after them (32)

All numbers are big-endian. The root at its end makes a commit its own checksum, over
everything since the beginning of the log. A commit is one write and one sync, so a crash
leaves at most one unfinished commit, at the end. The salt keeps record bytes that look
like a commit from being taken for one.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.durable import Before, explained, open_regular, write_file
from hauberk.trust.merkle import HASH_BYTES, Frontier, leaf_hash

SEGMENT_BYTES: Final = 16 << 20
"""A segment is closed after the commit that reaches this size; opening reads one segment."""

MAX_RECORD_BYTES: Final = 16 << 20
MAX_COMMIT_BYTES: Final = 64 << 20
MAX_COMMIT_RECORDS: Final = 1 << 20

_MAGIC = b"hauberk log 1\n"
_HEADER = struct.Struct(">14sQ16sH")
_COMMIT_MAGIC = b"HKc1"
_COMMIT = struct.Struct(">4sIQQ")
_CRC = struct.Struct(">I")
_COMMIT_BYTES = _COMMIT.size + _CRC.size
_BUFFER_BYTES = 1 << 20
_NAME_DIGITS = 20
_SUFFIX = ".segment"


@dataclass(frozen=True, slots=True)
class Segment:
    """The header of a segment file."""

    path: Path
    first: int
    salt: bytes
    peaks: tuple[bytes, ...]

    @property
    def header_bytes(self) -> int:
        """Where the first commit begins."""
        return _HEADER.size + HASH_BYTES * len(self.peaks) + _CRC.size

    def frontier(self) -> Frontier:
        """The tree before the segment."""
        return Frontier(self.first, self.peaks)


@dataclass(frozen=True, slots=True)
class Commit:
    """Records that became durable together.

    Attributes:
        end: Offset behind the commit in its file.
        root: Root of the tree after it, as stored; see `extend`.
    """

    first: int
    records: tuple[bytes, ...]
    root: bytes
    end: int

    def extend(self, frontier: Frontier, done: list[bytes] | None = None) -> bool:
        """Add the records to ``frontier``; whether the stored root is the one they make."""
        if self.first != frontier.size:
            return False
        for record in self.records:
            frontier.add(leaf_hash(record), done)
        return frontier.root == self.root


class Unreadable(Exception):  # noqa: N818 - a state of a file that callers tell apart
    """No whole commit lies at an offset.

    Attributes:
        offset: Where the readable part ends.
        reason: What was found there.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


def segment_paths(folder: Path) -> tuple[Path, ...]:
    """Segment files in order; other names are left out."""
    with explained(folder), os.scandir(folder) as entries:
        return tuple(
            folder / name for name in sorted(e.name for e in entries) if _first_of(name) is not None
        )


def segment_name(first: int) -> str:
    """Name of the segment that begins with record ``first``; names sort by number."""
    return f"{first:0{_NAME_DIGITS}d}{_SUFFIX}"


def _first_of(name: str) -> int | None:
    digits = name.removesuffix(_SUFFIX)
    good = name != digits and len(digits) == _NAME_DIGITS and digits.isdecimal()
    return int(digits) if good and digits.isascii() else None


def create_segment(folder: Path, frontier: Frontier, *, tmp: Path, before: Before) -> Segment:
    """Begin a segment where ``frontier`` ends; whole and durable when it returns."""
    path = folder / segment_name(frontier.size)
    salt = secrets.token_bytes(16)
    peaks = tuple(frontier.peaks)
    header = _HEADER.pack(_MAGIC, frontier.size, salt, len(peaks)) + b"".join(peaks)
    write_file(path, header + _CRC.pack(zlib.crc32(header)), tmp=tmp, before=before)
    return Segment(path, frontier.size, salt, peaks)


def read_header(path: Path) -> Segment:
    """The header of a segment file.

    Raises:
        TrustError: It is damaged. Segments appear whole, so this is no crash.
    """
    with explained(path), os.fdopen(open_regular(path), "rb") as file:
        fixed = file.read(_HEADER.size)
        if len(fixed) < _HEADER.size:
            raise _damaged(path, "a header cut short")
        magic, first, salt, n_peaks = _HEADER.unpack(fixed)
        peaks = file.read(HASH_BYTES * min(n_peaks, 64))
        crc = file.read(_CRC.size)
    if magic != _MAGIC or crc != _CRC.pack(zlib.crc32(fixed + peaks)):
        raise _damaged(path, "another format or a wrong checksum")
    if first != _first_of(path.name) or n_peaks != first.bit_count():
        raise _damaged(path, f"a header of record {first}")
    hashes = (peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES))
    return Segment(path, first, salt, tuple(hashes))


def encode_commit(segment: Segment, records: Sequence[bytes], frontier: Frontier) -> bytes:
    """A commit of ``records``; ``frontier`` is already that after them."""
    lengths = struct.pack(f">{len(records)}I", *map(len, records))
    body = sum(map(len, records)) + len(lengths)
    first = frontier.size - len(records)
    head = _COMMIT.pack(_COMMIT_MAGIC, len(records), body, first)
    crc = _CRC.pack(zlib.crc32(segment.salt + head))
    return b"".join((head, crc, lengths, *records, frontier.root))


def commit_bytes(records: Sequence[bytes]) -> int:
    """Bytes that a commit of ``records`` takes on disk."""
    return _COMMIT_BYTES + 4 * len(records) + sum(map(len, records)) + HASH_BYTES


def read_commits(
    segment: Segment, start: int | None = None, *, end: int | None = None
) -> Iterator[Commit]:
    """Commits from offset ``start`` on; roots are for the caller to compare.

    Args:
        segment: Which file.
        start: Offset of a commit; that of the first where it is not given.
        end: Offset at which the file counts as ended.

    Raises:
        Unreadable: The file goes on, but not with a whole commit.
    """
    offset = segment.header_bytes if start is None else start
    with (
        explained(segment.path),
        os.fdopen(open_regular(segment.path), "rb", _BUFFER_BYTES) as file,
    ):
        file.seek(offset)
        while offset != end and (commit := _read_commit(file, segment, offset)) is not None:
            if end is not None and commit.end > end:
                raise Unreadable(offset, "a commit cut short")
            yield commit
            offset = commit.end


def _read_commit(file: BinaryIO, segment: Segment, offset: int) -> Commit | None:
    fixed = file.read(_COMMIT_BYTES)
    if not fixed:
        return None
    fields = _parse_commit(segment, fixed)
    if fields is None:
        raise Unreadable(offset, "no header of a commit")
    n_records, body, first = fields
    data = file.read(body + HASH_BYTES)
    if len(data) < body + HASH_BYTES:
        raise Unreadable(offset, "a commit cut short")
    records = _cut(data, n_records, body)
    if records is None:
        raise Unreadable(offset, "lengths of records that do not fit")
    return Commit(first, records, data[body:], offset + _COMMIT_BYTES + len(data))


def _parse_commit(segment: Segment, fixed: bytes) -> tuple[int, int, int] | None:
    """Records, body bytes and first record of a commit header, if it is one."""
    if len(fixed) < _COMMIT_BYTES:
        return None
    magic, n_records, body, first = _COMMIT.unpack_from(fixed)
    crc = _CRC.pack(zlib.crc32(segment.salt + fixed[: _COMMIT.size]))
    plausible = n_records <= MAX_COMMIT_RECORDS and 4 * n_records <= body <= MAX_COMMIT_BYTES
    if magic != _COMMIT_MAGIC or fixed[_COMMIT.size :] != crc or not plausible:
        return None
    return n_records, body, first


def _cut(data: bytes, n_records: int, body: int) -> tuple[bytes, ...] | None:
    lengths = struct.unpack_from(f">{n_records}I", data)
    if 4 * n_records + sum(lengths) != body:
        return None
    records, at = [], 4 * n_records
    for length in lengths:
        records.append(data[at : at + length])
        at += length
    return tuple(records)


def commits_after(segment: Segment, offset: int) -> bool:
    """Whether a header of a later commit lies behind ``offset``.

    A crash leaves at most one unfinished commit, so then it was not a crash.
    """
    with (
        explained(segment.path),
        os.fdopen(open_regular(segment.path), "rb", _BUFFER_BYTES) as file,
    ):
        file.seek(offset + 1)
        window = b""
        while chunk := file.read(_BUFFER_BYTES):
            window = window[-_COMMIT_BYTES:] + chunk
            if _holds_header(segment, window):
                return True
    return False


def _holds_header(segment: Segment, window: bytes) -> bool:
    at = window.find(_COMMIT_MAGIC)
    while at >= 0:
        if _parse_commit(segment, window[at : at + _COMMIT_BYTES]) is not None:
            return True
        at = window.find(_COMMIT_MAGIC, at + 1)
    return False


def check_batch(records: Sequence[bytes]) -> None:
    """Refuse what no commit can hold.

    Raises:
        ArtifactError: A record or the batch is too large.
    """
    largest = max(map(len, records), default=0)
    too_many = len(records) > MAX_COMMIT_RECORDS or commit_bytes(records) > MAX_COMMIT_BYTES
    if largest > MAX_RECORD_BYTES or too_many:
        raise ArtifactError(
            "too large for the log",
            expected=f"records of at most {MAX_RECORD_BYTES} bytes, {MAX_COMMIT_RECORDS} records "
            f"and {MAX_COMMIT_BYTES} bytes at once",
            found=f"{len(records)} records, {commit_bytes(records)} bytes, largest {largest}",
            hint="store the bytes as a blob and log its digest; append in several batches",
        )


def _damaged(path: Path, found: str) -> TrustError:
    return TrustError(
        "a segment of the log is damaged",
        subject=str(path),
        rule="segments appear whole and are only ever added to",
        found=found,
        hint="restore the log from a backup and compare it with its witness",
    )
