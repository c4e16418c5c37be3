"""Immutable bytes by digest: a folder on disk, or memory.

A blob's name is the SHA-256 of its bytes, so whoever can write to the folder can remove
a blob or break it, never replace it unseen: a whole read ends with the comparison, and
the last piece is handed out only after it has held.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

from hauberk.core.artifact import Digest
from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.trust.digest import hex_of, parse_digest
from hauberk.trust.durable import (
    CHUNK_BYTES,
    FILE_MODE,
    Before,
    Temporary,
    explained,
    make_folder,
    open_folder,
    open_regular,
    proceed,
    scratch_folder,
    sync_folder,
)

GROUP: Final = 128
"""Files that `DirectoryBlobs.put_all` holds open at once; a process may usually open 1,024."""

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = re.compile(r"[0-9a-f]{2}\Z")
_FILE = re.compile(r"[0-9a-f]{64}\Z")


def name_of(digest: Digest) -> str:
    """The 64 hexadecimal digits that name a blob or an entry on disk.

    Raises:
        ArtifactError: ``digest`` is no digest.
    """
    return hex_of(parse_digest(digest))


class DirectoryBlobs:
    """Blobs as files ``<root>/<2 digits>/<64 digits>``, private to their owner.

    Args:
        root: Folder of the blobs; made where it is missing.
        tmp: Where files lie while they are written, on the same file system; a folder
            beside ``root`` where none is named.
        before: Hook asked before each step, for crash tests.
    """

    def __init__(self, root: Path, *, tmp: Path | None = None, before: Before = proceed) -> None:
        self.root = root
        self.tmp = root.parent / "tmp" if tmp is None else tmp
        self.before = before
        self._durable: set[Path] = set()

    def put(self, chunks: Iterable[bytes]) -> Digest:
        """Store bytes; durable and whole when it returns, invisible before.

        Bytes that are there already are written anew, which mends a broken blob.

        Raises:
            UnavailableError: The disk is full or not writable; nothing became visible.
        """
        return self.put_all((chunks,))[0]

    def put_all(self, items: Iterable[Iterable[bytes]]) -> tuple[Digest, ...]:
        """Store many blobs with few waits for the disk; their digests in order.

        All are durable when it returns. After an error, earlier groups of `GROUP` blobs
        are visible and whole, which does no harm.
        """
        pending = iter(items)
        stored: list[Digest] = []
        while group := tuple(islice(pending, GROUP)):
            stored += self._put_group(group)
        return tuple(stored)

    def batch(self) -> FileBatch:
        """Takes bytes that the caller hashed already, so that they are not hashed twice."""
        return FileBatch(self)

    def _put_group(self, group: Iterable[Iterable[bytes]]) -> list[Digest]:
        with explained(self.root), ExitStack() as stack:
            self.prepare()
            written = []
            for chunks in group:
                temporary = stack.enter_context(Temporary(self.tmp, self.before))
                written.append((temporary, temporary.fill(chunks)))
            for temporary, _ in written:
                temporary.sync()
            self.publish([(temporary.rename, digest) for temporary, digest in written])
        return [digest for _, digest in written]

    def prepare(self) -> None:
        """Make the folders that are needed before anything is written aside."""
        for folder in (self.root, self.tmp):
            make_folder(folder, self.before)
            with open_folder(folder):  # refuses a link in its place
                pass

    def publish(self, written: Sequence[tuple[Callable[[Path], None], Digest]]) -> None:
        """Rename synced files into place and make their names durable.

        Args:
            written: What renames a file to where it is told, and the digest of the bytes.
        """
        folders = {self.path(digest).parent for _, digest in written}
        self._make_fan_out(folders)
        for rename, digest in written:
            rename(self.path(digest))
        for folder in sorted(folders):
            sync_folder(folder, self.before)

    def _make_fan_out(self, folders: Iterable[Path]) -> None:
        """Make what is missing; a folder that somebody else made may not be durable yet."""
        new = set(folders) - self._durable
        for folder in sorted(new):
            make_folder(folder, self.before)
        if new:
            sync_folder(self.root, self.before)
        for folder in folders:
            with open_folder(folder):  # refuses a link in its place
                pass
        self._durable |= new

    def has(self, digest: Digest) -> bool:
        """Whether a regular file of that name is there."""
        path = self.path(digest)
        with explained(path):
            try:
                return stat.S_ISREG(path.lstat().st_mode)
            except FileNotFoundError:
                return False

    def open(self, digest: Digest, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream bytes ``start`` to ``end``; a whole read is compared with the digest.

        A part of a blob cannot be checked. The length of a blob is not in its name: where
        it is known, hold it against `size` before reading what others may have swapped.

        Raises:
            ArtifactError: ``digest`` is not a digest.
            TrustError: The bytes are others, or something else than a file lies there.
            UnavailableError: There are no such bytes.
        """
        check_range(start, end)
        path = self.path(digest)
        with explained(path), os.fdopen(self._descriptor(digest), "rb", 0) as file:
            size = os.fstat(file.fileno()).st_size
            end = size if end is None else min(end, size)
            file.seek(start)
            pieces = _pieces(file.fileno(), max(end - start, 0))
            yield from checked(pieces, digest) if (start, end) == (0, size) else pieces

    def path(self, digest: Digest) -> Path:
        """Where the bytes lie, for a process that hashes them itself before it believes them."""
        name = name_of(digest)
        return self.root / name[:2] / name

    def check(self, digest: Digest) -> None:
        """Read a blob through and compare it with its digest, at the speed of SHA-256.

        Raises:
            TrustError: The stored bytes have another digest.
            UnavailableError: There are no such bytes.
        """
        with explained(self.path(digest)), os.fdopen(self._descriptor(digest), "rb", 0) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        compare(digest, found)

    def _descriptor(self, digest: Digest) -> int:
        name = name_of(digest)
        try:
            with (
                open_folder(self.root) as root,
                open_folder(Path(name[:2]), within=root) as folder,
            ):
                return open_regular(name, within=folder)
        except FileNotFoundError as error:
            raise absent(digest) from error

    def size(self, digest: Digest) -> int:
        """Length in bytes of what is stored, intact or not."""
        with explained(self.path(digest)):
            descriptor = self._descriptor(digest)
            try:
                return os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)

    def list(self) -> Iterator[Digest]:
        """All digests, in order; files of other names are left out."""
        with explained(self.root):
            for folder in _names(self.root, _FOLDER):
                for name in _names(self.root / folder, _FILE):
                    if name[:2] == folder:
                        yield Digest(f"sha256:{name}")

    def delete(self, digest: Digest) -> None:
        """Forget bytes; nothing happens where there are none."""
        path = self.path(digest)
        with explained(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return
            sync_folder(path.parent, self.before)


def _names(folder: Path, pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Sorted names in ``folder`` that fit; links are left out with what they point to."""
    try:
        with os.scandir(folder) as entries:
            return tuple(
                sorted(e.name for e in entries if pattern.match(e.name) and not e.is_symlink())
            )
    except FileNotFoundError:
        return ()


def _pieces(descriptor: int, left: int) -> Iterator[bytes]:
    while left > 0 and (piece := os.read(descriptor, min(CHUNK_BYTES, left))):
        left -= len(piece)
        yield piece


def checked(pieces: Iterable[bytes], digest: Digest) -> Iterator[bytes]:
    """``pieces``, the last one only after the whole has the right digest."""
    running = hashlib.sha256()
    held = b""
    for piece in pieces:
        if held:
            yield held
        running.update(piece)
        held = piece
    compare(digest, running.hexdigest())
    if held:
        yield held


def compare(digest: Digest, found: str) -> None:
    """Hold the hexadecimal SHA-256 that was ``found`` against a digest.

    Raises:
        TrustError: They differ.
    """
    if found != name_of(digest):
        raise TrustError(
            "the stored bytes are not those that were stored",
            subject=f"blob {digest}",
            rule="a blob is named by the SHA-256 of its bytes",
            expected=digest,
            found=f"sha256:{found}",
            hint="restore the blob from its source or a backup, then run again",
        )


def absent(digest: Digest) -> UnavailableError:
    """The error for bytes that are not there."""
    return UnavailableError(
        "the bytes are not in the store",
        subject=f"blob {digest}",
        rule="bytes are found under their digest, in lower case",
        expected="a file of that name",
        found="none",
        hint="publish them again, or fetch the store that they were published to",
    )


def check_range(start: int, end: int | None) -> None:
    """Refuse what is no range of bytes.

    Raises:
        UsageError: It begins before 0 or runs backwards.
    """
    if start < 0 or (end is not None and end < start):
        raise UsageError(
            "not a range of bytes",
            expected="0 <= start <= end",
            found=f"start {start}, end {end}",
        )


class FileBatch:
    """Blobs that are written as they come and become visible together.

    Files lie in one locked folder until `flush`, which makes all of them durable: each folder
    of the store is synced once for a batch, not once for a group of files. A wrong digest
    would make a blob that no read accepts.

    Args:
        blobs: Where they go.
    """

    def __init__(self, blobs: DirectoryBlobs) -> None:
        self._blobs = blobs
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._open: list[int] = []
        self._written: dict[Digest, Path] = {}

    def put(self, digest: Digest, data: bytes | memoryview) -> None:
        """Write bytes aside; the caller may change them afterwards.

        Raises:
            UnavailableError: The disk is full or not writable.
        """
        if digest in self._written:
            return
        with explained(self._blobs.root):
            if self._folder is None:
                self._blobs.prepare()
                self._folder = self._stack.enter_context(scratch_folder(self._blobs.tmp))
            if len(self._open) >= GROUP:
                self._sync()
            path = self._folder / hex_of(digest)
            self._blobs.before("create")
            self._open.append(os.open(path, _CREATE_FLAGS, FILE_MODE))
            self._blobs.before("write")
            _write_all(self._open[-1], data)
            self._written[digest] = path

    def flush(self) -> None:
        """Make all of them visible; durable and whole when it returns.

        Raises:
            UnavailableError: The disk is full or not writable; what is visible is whole.
        """
        try:
            with explained(self._blobs.root):
                self._sync()
                self._blobs.publish([(self._rename(p), d) for d, p in self._written.items()])
        finally:
            self.discard()

    def _sync(self) -> None:
        for descriptor in self._open:
            self._blobs.before("sync")
            os.fsync(descriptor)
        self._close()

    def _rename(self, path: Path) -> Callable[[Path], None]:
        def rename(target: Path) -> None:
            self._blobs.before("rename")
            path.replace(target)

        return rename

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def discard(self) -> None:
        """Forget what is not visible yet."""
        self._close()
        self._written.clear()
        self._folder = None
        self._stack.close()


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class MemoryBatch:
    """Blobs that become visible in memory together.

    Args:
        blobs: Where they go.
    """

    def __init__(self, blobs: MemoryBlobs) -> None:
        self._blobs = blobs
        self._held: dict[Digest, bytes] = {}

    def put(self, digest: Digest, data: bytes | memoryview) -> None:
        """Keep a copy of the bytes."""
        self._held[digest] = bytes(data)

    def flush(self) -> None:
        """Make all of them visible."""
        self._blobs.take(self._held)
        self.discard()

    def discard(self) -> None:
        """Forget what is not visible yet."""
        self._held = {}


class MemoryBlobs:
    """Blobs in memory, for tests and for work that leaves no trace."""

    def __init__(self) -> None:
        self._bytes: dict[Digest, bytes] = {}
        self._lock = Lock()

    def put(self, chunks: Iterable[bytes]) -> Digest:
        """Store bytes under their digest."""
        data = b"".join(chunks)
        digest = Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
        with self._lock:
            self._bytes[digest] = data
        return digest

    def put_all(self, items: Iterable[Iterable[bytes]]) -> tuple[Digest, ...]:
        """Store many blobs; their digests in order."""
        return tuple(self.put(chunks) for chunks in items)

    def batch(self) -> MemoryBatch:
        """Takes bytes that the caller hashed already."""
        return MemoryBatch(self)

    def take(self, items: Mapping[Digest, bytes]) -> None:
        """Store bytes under digests that nobody checks before they are read."""
        with self._lock:
            self._bytes.update(items)

    def has(self, digest: Digest) -> bool:
        """Whether the bytes are there."""
        name_of(digest)
        return digest in self._bytes

    def open(self, digest: Digest, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream bytes ``start`` to ``end``; a whole read is compared with the digest."""
        check_range(start, end)
        data = self._find(digest)
        part = data[start:end]
        pieces = (part[at : at + CHUNK_BYTES] for at in range(0, len(part), CHUNK_BYTES))
        yield from checked(pieces, digest) if len(part) == len(data) else pieces

    def check(self, digest: Digest) -> None:
        """Compare a blob with its digest."""
        compare(digest, hashlib.sha256(self._find(digest)).hexdigest())

    def size(self, digest: Digest) -> int:
        """Length in bytes."""
        return len(self._find(digest))

    def list(self) -> Iterator[Digest]:
        """All digests, in order."""
        with self._lock:
            digests = sorted(self._bytes)
        yield from digests

    def delete(self, digest: Digest) -> None:
        """Forget bytes; nothing happens where there are none."""
        name_of(digest)
        with self._lock:
            self._bytes.pop(digest, None)

    def _find(self, digest: Digest) -> bytes:
        name_of(digest)
        try:
            return self._bytes[digest]
        except KeyError as error:
            raise absent(digest) from error
