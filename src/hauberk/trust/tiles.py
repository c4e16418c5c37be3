"""A log as static files that anybody can serve and check: C2SP tlog-tiles.

    <folder>/
    ├─ checkpoint                 the signed head
    ├─ tile/<L>/<N>[.p/<W>]       256 hashes of level 8·L; the last one partial, of width W
    └─ tile/entries/<N>[.p/<W>]   256 records, each after its length in two bytes

Publishing again extends what lies there. A tile that lies there already and would change is
refused: then one of the two was rewritten. The checkpoint comes last, so that whoever reads
meanwhile finds every tile that it speaks of.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.trust.checkpoint import MAX_NOTE_BYTES, Note, parse_note
from hauberk.trust.durable import explained, read_small, write_file
from hauberk.trust.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash, node_hash

if TYPE_CHECKING:
    from hauberk.trust.log import Log

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_ENTRY: Final = (1 << 16) - 1
MAX_LEVELS: Final = 8

_MAX_TILE = WIDTH * (2 + MAX_ENTRY)


def publish(log: Log, note: Note, folder: Path) -> int:
    """Write the tiles of the log up to the signed head ``note``; the number of files written.

    Raises:
        ArtifactError: A record is longer than the format holds.
        TrustError: The log or what lies in the folder is not what the head says.
        UnavailableError: The folder cannot be written.
    """
    size = note.head.size
    if log.root_at(size) != note.head.root:
        raise _rewritten(f"head at {size}", "a head of another log")
    _refuse_forgotten(log, folder, size)
    writer = _Writer(folder)
    levels: list[list[bytes]] = [[]]
    entries: list[bytes] = []
    counts = [0]
    n_bundles = 0
    for record in log.records(0, size):
        entries.append(_entry(record))
        if len(entries) == WIDTH:
            writer.put("entries", n_bundles, entries)
            entries, n_bundles = [], n_bundles + 1
        _add(writer, levels, counts, 0, leaf_hash(record))
    if entries:
        writer.put("entries", n_bundles, entries)
    for level, hashes in enumerate(levels):
        if hashes:
            writer.put(str(level), counts[level], hashes)
    writer.finish(note)
    return writer.n_written


def _add(
    writer: _Writer, levels: list[list[bytes]], counts: list[int], level: int, value: bytes
) -> None:
    """Take in a hash; a full tile is written, and its root goes up a level."""
    if level == len(levels):
        levels.append([])
        counts.append(0)
    levels[level].append(value)
    if len(levels[level]) == WIDTH:
        writer.put(str(level), counts[level], levels[level])
        top = _root(levels[level])
        counts[level] += 1
        levels[level] = []
        _add(writer, levels, counts, level + 1, top)


def _root(hashes: list[bytes]) -> bytes:
    """Root over a full tile."""
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def _entry(record: bytes) -> bytes:
    if len(record) > MAX_ENTRY:
        raise ArtifactError(
            "a record is longer than tiles hold",
            rule="C2SP tlog-tiles, entry bundles",
            expected=f"at most {MAX_ENTRY} bytes",
            found=f"{len(record)} bytes",
            hint="publish proofs of single records instead: hauberk log prove",
        )
    return struct.pack(">H", len(record)) + record


def path_of(kind: str, number: int, width: int = WIDTH) -> str:
    """Where a tile lies: groups of three digits, all but the last marked with an x.

    >>> path_of("0", 1234067), path_of("entries", 3, 17)
    ('tile/0/x001/x234/067', 'tile/entries/003.p/17')
    """
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{kind}/{'/'.join(groups)}{partial}"


class _Writer:
    """Writes what is missing, and refuses to change what is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.n_written = 0

    def put(self, kind: str, number: int, parts: list[bytes]) -> None:
        path = self._folder / path_of(kind, number, len(parts))
        data = b"".join(parts)
        with explained(path):
            try:
                if read_small(path, max_bytes=_MAX_TILE) != data:
                    raise _rewritten(str(path), "other bytes than were published")
            except FileNotFoundError:
                self._write(path, data)

    def finish(self, note: Note) -> None:
        path = self._folder / "checkpoint"
        with explained(path):
            self._write(path, note.raw)

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data, tmp=path.parent)
        path.chmod(0o644)
        self.n_written += 1


def _refuse_forgotten(log: Log, folder: Path, size: int) -> None:
    """Refuse a log that is shorter than, or another than, what was published."""
    if not (folder / "checkpoint").exists():
        return
    seen = read_checkpoint(folder).head
    if seen.size > size or log.root_at(seen.size) != seen.root:
        raise _rewritten(f"head at {size}", f"a published head at {seen.size} that it forgot")


def read_checkpoint(folder: Path) -> Note:
    """The head that was published.

    Raises:
        ArtifactError: It is none.
        UnavailableError: There is none.
    """
    path = folder / "checkpoint"
    with explained(path):
        try:
            return parse_note(read_small(path, max_bytes=MAX_NOTE_BYTES))
        except FileNotFoundError as error:
            raise _missing(path) from error


def records(folder: Path, size: int) -> Iterator[bytes]:
    """The records that were published, not yet checked.

    Raises:
        ArtifactError: A bundle is malformed.
        UnavailableError: A bundle is missing.
    """
    for first in range(0, size, WIDTH):
        width = min(WIDTH, size - first)
        path = folder / path_of("entries", first // WIDTH, width)
        with explained(path):
            try:
                data = read_small(path, max_bytes=_MAX_TILE)
            except FileNotFoundError as error:
                raise _missing(path) from error
        yield from _split(path, data, width)


def _split(path: Path, data: bytes, width: int) -> Iterator[bytes]:
    at = 0
    for _ in range(width):
        if at + 2 > len(data):
            raise _malformed(path)
        (length,) = struct.unpack_from(">H", data, at)
        record = data[at + 2 : at + 2 + length]
        if len(record) != length:
            raise _malformed(path)
        yield record
        at += 2 + length
    if at != len(data):
        raise _malformed(path)


def check(folder: Path) -> Note:
    """Hash every published record again, hold tiles and head against them; return the head.

    Raises:
        TrustError: Tiles, records and head do not belong together.
    """
    note = read_checkpoint(folder)
    frontier = Frontier()
    tile: list[bytes] = []
    for record in records(folder, note.head.size):
        frontier.add(leaf_hash(record))
        tile.append(leaf_hash(record))
        if len(tile) == WIDTH or frontier.size == note.head.size:
            _check_tile(folder, (frontier.size - 1) // WIDTH, tile)
            tile = []
    root = frontier.root if frontier.size else EMPTY_ROOT
    if root != note.head.root:
        raise _rewritten(f"head at {note.head.size}", f"records with root {root.hex()}")
    return note


def _check_tile(folder: Path, number: int, hashes: list[bytes]) -> None:
    path = folder / path_of("0", number, len(hashes))
    with explained(path):
        try:
            data = read_small(path, max_bytes=WIDTH * HASH_BYTES)
        except FileNotFoundError as error:
            raise _missing(path) from error
    if data != b"".join(hashes):
        raise _rewritten(str(path), "hashes of other records")


def _missing(path: Path) -> UnavailableError:
    return UnavailableError(
        "a part of the published log is missing",
        subject=str(path),
        hint="publish it again, or fetch it from where it is published",
    )


def _malformed(path: Path) -> ArtifactError:
    return ArtifactError(
        "not a bundle of records", subject=str(path), rule="C2SP tlog-tiles, entry bundles"
    )


def _rewritten(subject: str, found: str) -> TrustError:
    return TrustError(
        "the log and what was published of it do not belong together",
        subject=subject,
        rule="what was published never changes, and a new head contains every older one",
        expected="the same bytes",
        found=found,
        hint="keep both, and compare them with a witness's heads: one of them was rewritten",
    )
