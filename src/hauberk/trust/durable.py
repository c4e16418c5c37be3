"""Durable files: write aside, sync, rename into place, sync the folder.

The four steps make a file that is either absent or whole after a crash at any moment.
Files being written lie in a folder for temporaries, each locked (``flock``) by its writer
for as long as the writer lives, so that `sweep` can tell leftovers from work in progress
without knowing process ids. Nothing here follows a symbolic link in the last component.

Every step asks a `Before` hook first; crash tests hand in one that fails or ends the
process there.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError

Before = Callable[[str], None]
"""Called with the name of a step before it is taken."""

FILE_MODE = 0o600
FOLDER_MODE = 0o700
CHUNK_BYTES = 1 << 18
"""Large enough to hide system calls, small enough to stay in the processor's cache."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_SWAPPED = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})


def proceed(step: str) -> None:
    """The hook of production: nothing happens before ``step``."""


@contextmanager
def explained(subject: object) -> Iterator[None]:
    """Turn errors of the operating system about ``subject`` into typed ones.

    Raises:
        TrustError: Something else than a file or folder of ours lies there.
        UnavailableError: The disk is full, access is denied, or reading failed.
    """
    try:
        yield
    except HauberkError:
        raise
    except OSError as error:
        raise _typed(error, str(subject)) from error


def _typed(error: OSError, subject: str) -> HauberkError:
    found = error.strerror or str(error)
    if error.errno in _SWAPPED:
        return not_ours(subject, found)
    if error.errno in _FULL:
        return UnavailableError(
            "the disk is full",
            subject=subject,
            found=found,
            hint="free space or raise the quota, then run again; nothing half-written is visible",
        )
    hint = (
        "give yourself write permission, work on a writable copy of the project, or set "
        "XDG_CONFIG_HOME for files of your home"
    )
    return UnavailableError(
        "the store cannot be used",
        subject=subject,
        rule="what the store needs is there, and can be read and written",
        expected="a file or folder of this program",
        found=found,
        hint=hint
        if error.errno in _DENIED
        else "restore it from a backup; a store that nobody needs may be moved away and begun anew",
    )


def not_ours(subject: str, found: str) -> TrustError:
    """The error for a link, device or folder where a file of the store should be."""
    return TrustError(
        "something else lies where the store keeps its own",
        subject=subject,
        rule="the store holds regular files and folders only and never follows links",
        expected="a regular file or folder",
        found=found,
        hint="find out who put it there, remove it and run again",
    )


@contextmanager
def open_folder(path: Path, *, within: int | None = None) -> Iterator[int]:
    """A descriptor of the folder at ``path``, never through a link in its last component."""
    descriptor = os.open(path, _FOLDER_FLAGS, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_regular(path: str | Path, *, within: int | None = None) -> int:
    """A descriptor for reading the regular file at ``path``; the caller closes it.

    Raises:
        OSError: As from the operating system; ``ELOOP`` for a link.
        TrustError: It is a device, a pipe or a folder.
    """
    descriptor = os.open(path, _READ_FLAGS, dir_fd=within)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise not_ours(str(path), "not a regular file")


def read_small(path: Path, *, max_bytes: int) -> bytes:
    """The whole of a file that is known to be small.

    Raises:
        ArtifactError: It is larger than ``max_bytes``.
        FileNotFoundError: There is no such file.
        OSError: As from the operating system; ``ELOOP`` for a link.
        TrustError: It is not a regular file.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ArtifactError(
            "the file is too large to be what its name says",
            subject=str(path),
            expected=f"at most {max_bytes} bytes",
            found=f"{os.lstat(path).st_size} bytes",
        )
    return data


def sync_folder(path: Path, before: Before = proceed) -> None:
    """Make the names in the folder at ``path`` durable."""
    before("sync-folder")
    with open_folder(path) as descriptor:
        os.fsync(descriptor)


def make_folder(path: Path, before: Before = proceed) -> None:
    """A private folder at ``path``, where there is nothing yet; its parent must be there.

    Its name is durable only after `sync_folder` of the parent.
    """
    before("make-folder")
    with suppress(FileExistsError):
        path.mkdir(mode=FOLDER_MODE)


class Temporary:
    """A file aside that vanishes unless it is renamed into place.

    Args:
        folder: Where temporaries lie; the same file system as every target.
        before: Hook asked before each step.
        mark: Beginning of its name.
        mode: Permissions, less the caller's umask.
    """

    __slots__ = ("_before", "_file", "_placed", "path")

    def __init__(
        self, folder: Path, before: Before = proceed, *, mark: str = "", mode: int = FILE_MODE
    ) -> None:
        before("create")
        self.path, descriptor = _create_locked(folder, mark, mode)
        self._file = os.fdopen(descriptor, "wb", CHUNK_BYTES)
        self._before = before
        self._placed = False

    def fill(self, chunks: Iterable[bytes]) -> Digest:
        """Write ``chunks`` and return the digest of what was written."""
        digest = hashlib.sha256()
        for chunk in chunks:
            self._before("write")
            digest.update(chunk)
            self._file.write(chunk)
        self._file.flush()
        return Digest(f"sha256:{digest.hexdigest()}")

    def write(self, chunks: Iterable[bytes]) -> None:
        """Write ``chunks``, whose digest somebody else checks."""
        for chunk in chunks:
            self._before("write")
            self._file.write(chunk)
        self._file.flush()

    def sync(self) -> None:
        """Make the content durable; it is still invisible."""
        self._before("sync")
        os.fsync(self._file.fileno())

    def rename(self, target: Path) -> None:
        """Make it visible at ``target``, replacing what is there; sync the folder afterwards."""
        self._before("rename")
        self.path.replace(target)
        self._placed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._placed:
            self.path.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk refuses the flush of what is being thrown away
            self._file.close()


def _create_locked(folder: Path, mark: str, mode: int) -> tuple[Path, int]:
    """A new file that `sweep` leaves alone: one swept before it was locked is made again."""
    while True:
        path = folder / f"{mark}{secrets.token_hex(16)}"
        descriptor = os.open(path, _CREATE_FLAGS, mode)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def write_file(path: Path, data: bytes, *, tmp: Path, before: Before = proceed) -> None:
    """Put ``data`` at ``path`` in one step that a crash cannot halve.

    Raises:
        TrustError: A folder lies at ``path``.
        UnavailableError: It cannot be written.
    """
    with explained(path), Temporary(tmp, before) as temporary:
        temporary.fill((data,))
        temporary.sync()
        temporary.rename(path)
        sync_folder(path.parent, before)


@contextmanager
def scratch_folder(tmp: Path, mark: str = "") -> Iterator[Path]:
    """A private folder inside ``tmp`` that is removed at the end, or by `sweep` after a crash."""
    path, descriptor = _create_locked_folder(tmp, mark)
    try:
        yield path
    finally:
        _remove_folder(path)
        os.close(descriptor)


def _create_locked_folder(tmp: Path, mark: str) -> tuple[Path, int]:
    while True:
        path = tmp / f"{mark}{secrets.token_hex(16)}"
        path.mkdir(mode=FOLDER_MODE)
        with suppress(FileNotFoundError):
            descriptor = os.open(path, _FOLDER_FLAGS)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.is_dir():
                return path, descriptor
            os.close(descriptor)


def sweep(tmp: Path) -> tuple[str, ...]:
    """Remove what crashed writers left in ``tmp``; return the names removed.

    What a living process has locked stays. Links are removed, never followed.
    """
    with os.scandir(tmp) as entries:
        names = sorted(entry.name for entry in entries)
    return tuple(name for name in names if _sweep_one(tmp / name))


def _sweep_one(path: Path) -> bool:
    try:
        _permit(path)
        descriptor = os.open(path, _READ_FLAGS)
    except FileNotFoundError:
        return False
    except OSError:  # a link or a socket: nobody's work in progress
        path.unlink(missing_ok=True)
        return True
    try:
        return _remove_unlocked(path, descriptor)
    finally:
        os.close(descriptor)


def _remove_unlocked(path: Path, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        _remove_folder(path)
    else:
        path.unlink(missing_ok=True)
    return True


def _permit(path: Path) -> None:
    """Let the owner into a folder or file of its own; links stay as they are."""
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
        path.chmod(FOLDER_MODE)


def _remove_folder(path: Path) -> None:
    """Remove a folder with folders in it that a step may have closed to itself."""
    waiting = [path]
    with suppress(FileNotFoundError):
        while waiting:
            folder = waiting.pop()
            _permit(folder)
            with os.scandir(folder) as entries:
                waiting += [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
    shutil.rmtree(path, ignore_errors=True)
