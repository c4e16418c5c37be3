"""The store of a project: everything that Hauberk keeps beside it.

    .hauberk/
    ├─ format            name and version of this layout
    ├─ blobs/            immutable bytes by digest; copies where `backends` name a server
    ├─ pointers.sqlite   the few names that change, unless `backends` name a database
    ├─ log/              the append-only log with its signed heads
    ├─ cache/            authenticated results of steps
    ├─ runs/             one record per run
    ├─ tmp/              files being written; swept at each opening
    └─ lock              held by the run that changes the store

Opening checks, in this order:

1. ``.hauberk`` and each folder in it is a real folder, owned by the caller, writable by
   nobody else.
2. ``format`` names this layout in a version that is known.
3. Leftovers in ``tmp/`` that no living process holds are removed.

What is not here: keys and secrets (under the user's configuration folder), and anything
that decides what is trusted (pinned outside the project).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust.backends import Backends, of_project
from hauberk.trust.blobs import DirectoryBlobs
from hauberk.trust.durable import (
    CHUNK_BYTES,
    FOLDER_MODE,
    Before,
    Temporary,
    explained,
    make_folder,
    not_ours,
    open_regular,
    proceed,
    read_small,
    scratch_folder,
    sweep,
    sync_folder,
    write_file,
)
from hauberk.trust.lock import Waiting, held, silent
from hauberk.trust.log import Log
from hauberk.trust.pointers import SqlitePointers

if TYPE_CHECKING:
    from hauberk.core.ports import Pointers
    from hauberk.trust.mirror import MirroredBlobs
    from hauberk.trust.postgres import Postgres

LOCAL: Final = Backends()
NAME: Final = ".hauberk"
FORMAT: Final = 1
LOCK_TIMEOUT_S: Final = 600.0

_FORMAT_NAME = "hauberk-store"
_MAX_FORMAT_BYTES = 256
_MARK = ".hauberk-"
"""Beginning of the names of copies in the making; a crash can leave one beside its target."""
_FOLDERS = ("blobs", "log", "cache", "runs", "tmp")
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Store:
    """An opened store; make one with `Store.open`.

    Attributes:
        root: The folder ``.hauberk`` itself.
        blobs: Immutable bytes by digest.
        pointers: The few names that change.
        runs: Folder of run records.
        tmp: Folder of temporaries; only `scratch` makes folders in it that are not swept.
        recovered: Names of leftovers that opening removed.
        read_only: Whether nothing in it will be changed.
        backends: Servers that hold blobs and pointers for everybody who shares the project.
    """

    def __init__(
        self,
        root: Path,
        *,
        read_only: bool = False,
        recovered: tuple[str, ...] = (),
        before: Before = proceed,
        backends: Backends = LOCAL,
    ) -> None:
        self.root = root
        self.backends = backends
        self.read_only = read_only
        self.recovered = recovered
        self.runs = root / "runs"
        self.tmp = root / "tmp"
        self.blobs = self._open_blobs(before)
        self.pointers = self._open_pointers()
        self._before = before

    def _open_blobs(self, before: Before) -> DirectoryBlobs | MirroredBlobs:
        near = DirectoryBlobs(self.root / "blobs", tmp=self.tmp, before=before)
        far = self.backends.open_blobs(before=before)
        if far is None:
            return near
        from hauberk.trust.mirror import MirroredBlobs

        return MirroredBlobs(near, far, read_only=self.read_only)

    def _open_pointers(self) -> Pointers:
        if (database := self.database) is not None:
            from hauberk.trust.postgres import PostgresPointers

            return PostgresPointers(database, read_only=self.read_only)
        beside = self.backends.open_object_pointers()
        if beside is None:
            return SqlitePointers(self.root / "pointers.sqlite", read_only=self.read_only)
        if not self.read_only:
            beside.probe()
        return beside

    @cached_property
    def database(self) -> Postgres | None:
        """The database of pointers and index, where the project names one."""
        return self.backends.database

    def holds_anything(self) -> bool:
        """Whether a pointer or a log was ever written here, or a server may hold them."""
        if self.backends != LOCAL:
            return True
        return (self.root / "pointers.sqlite").exists() or _has_entries(self.root / "log")

    @cached_property
    def log(self) -> Log:
        """The append-only log; opened when it is first asked for.

        Raises:
            TrustError: The log is damaged, or shorter than its newest head.
        """
        return Log.open(
            self.root / "log", read_only=self.read_only, tmp=self.tmp, before=self._before
        )

    @classmethod
    def open(
        cls,
        project_root: Path,
        *,
        create: bool = True,
        read_only: bool = False,
        owner: int | None = None,
        before: Before = proceed,
        backends: Backends | None = None,
    ) -> Store:
        """Open the store of the project at ``project_root``.

        Args:
            project_root: The project's folder, which must be there.
            create: Make the store where there is none.
            read_only: Change nothing, not even leftovers: for reading a checkout or a
                mounted copy.
            owner: User id that must own the store; the caller's where it is not given.
            before: Hook asked before each step that writes.
            backends: Servers that hold blobs and pointers; those that the project's file and
                the environment name where it is not given.

        Raises:
            ArtifactError: The folder is no store, or a damaged one.
            TrustError: A part is a link, belongs to another user or others may write to it.
            UnavailableError: There is no store and none may be made; it cannot be
                written; a newer version made it.
        """
        root = project_root.resolve() / NAME
        with explained(root):
            if create and not read_only:
                _create(root, before)
            _check_folders(root, os.geteuid() if owner is None else owner)
            _check_format(root)
            swept = () if read_only else sweep(root / "tmp")
        return cls(
            root,
            read_only=read_only,
            recovered=swept,
            before=before,
            backends=of_project(root.parent) if backends is None else backends,
        )

    def lock(
        self, *, timeout_s: float = LOCK_TIMEOUT_S, waiting: Waiting = silent
    ) -> AbstractContextManager[None]:
        """Be the only run that changes the store, for a ``with`` block; not reentrant.

        Args:
            timeout_s: Longest wait for another run; 0 refuses at once.
            waiting: Told once who is being waited for.

        Raises:
            UnavailableError: Another run held the store until the end of ``timeout_s``.
        """
        return held(self.root / "lock", timeout_s=timeout_s, waiting=waiting)

    def scratch(self, mark: str = "") -> AbstractContextManager[Path]:
        """A private folder for a ``with`` block; after a crash the next opening removes it.

        Args:
            mark: Beginning of its name, for whoever looks into ``tmp/``.
        """
        return scratch_folder(self.tmp, mark)

    def write(self, path: Path, data: bytes) -> None:
        """Put a small file, such as a run record, at ``path`` in the store in one step.

        Raises:
            UsageError: ``path`` lies outside the store.
            UnavailableError: It cannot be written.
        """
        if not path.is_relative_to(self.root) or ".." in path.parts:
            raise UsageError(
                "not a path in the store",
                subject=str(path),
                expected=f"a path below {self.root}",
            )
        with explained(path.parent):
            make_folder(path.parent, self._before)
        write_file(path, data, tmp=self.tmp, before=self._before)

    def publish_file(self, path: Path) -> Digest:
        """Store a copy of the file at ``path``: one read, hashed and written on the way.

        Raises:
            TrustError: It is a link, a device or a folder.
            UnavailableError: It cannot be read, or the store cannot be written.
        """
        return self.blobs.put(_file_chunks(path))

    def publish_files(self, paths: Iterable[Path]) -> tuple[Digest, ...]:
        """Store copies of many files with few waits for the disk; digests in order."""
        return self.blobs.put_all(_file_chunks(path) for path in paths)

    def materialize(
        self, digest: Digest, target: Path, *, size: int | None = None, mode: int = 0o644
    ) -> None:
        """Put a verified copy of a blob at ``target``, whole or not at all.

        The copy shares nothing with the store: who writes to it cannot harm the blob.

        Args:
            digest: Which blob.
            target: Where to; its folder must be there, a file there is replaced.
            size: Length that the blob must have, checked before anything is copied.
            mode: Permissions of the copy, less the caller's umask.

        Raises:
            TrustError: The stored bytes are not those of ``digest``.
            UnavailableError: There is no such blob, or the target cannot be written.
        """
        _check_size(digest, self.blobs.size(digest), size)
        with (
            explained(target),
            Temporary(target.parent, self._before, mark=_MARK, mode=mode) as temporary,
        ):
            temporary.write(self.blobs.open(digest))
            temporary.sync()
            temporary.rename(target)
            sync_folder(target.parent, self._before)

    def collect(self, keep: Iterable[Digest], *, timeout_s: float = 0.0) -> tuple[Digest, ...]:
        """Delete every blob that is not in ``keep``; return what was deleted.

        It holds the lock, so that no run is publishing meanwhile.

        Raises:
            UnavailableError: A run is using the store.
        """
        wanted = frozenset(keep)
        with self.lock(timeout_s=timeout_s):
            orphans = tuple(digest for digest in self.blobs.list() if digest not in wanted)
            for digest in orphans:
                self.blobs.delete(digest)
        return orphans


def _create(root: Path, before: Before) -> None:
    """Make what is missing; ``format`` comes last and says that all is there."""
    make_folder(root, before)
    if (root / "format").exists() or root.is_symlink():
        return
    _refuse_foreign(root)
    for name in _FOLDERS:
        make_folder(root / name, before)
    write_file(root / ".gitignore", b"*\n", tmp=root / "tmp", before=before)
    format_line = f"{_FORMAT_NAME} {FORMAT}\n".encode()
    write_file(root / "format", format_line, tmp=root / "tmp", before=before)
    sync_folder(root.parent, before)


def _refuse_foreign(root: Path) -> None:
    """A folder without ``format`` may be a store that a crash left half made, nothing else."""
    known = {*_FOLDERS, ".gitignore"}
    strange = sorted({entry.name for entry in os.scandir(root)} - known)
    filled = [name for name in ("blobs", "log", "cache", "runs") if _has_entries(root / name)]
    if strange or filled:
        raise _foreign(root, f"no format file, but {(strange + filled)[0]}")


def _has_entries(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _check_folders(root: Path, owner: int) -> None:
    if not os.path.lexists(root):
        raise UnavailableError(
            "there is no store",
            subject=str(root),
            hint="run `hauberk init` or `hauberk run` in the project first",
        )
    for folder in (root, *(root / name for name in _FOLDERS)):
        if os.path.lexists(folder):
            _check_private(folder, owner)


def _check_private(folder: Path, owner: int) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise not_ours(str(folder), "a link or a file, not a folder")
    if status.st_uid != owner:
        raise TrustError(
            "the store belongs to another user",
            subject=str(folder),
            expected=f"user {owner}",
            found=f"user {status.st_uid}",
            hint="work as that user, or make a store of your own in a copy of the project",
        )
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise TrustError(
            "others may write to the store",
            subject=str(folder),
            expected=f"mode {FOLDER_MODE:o}",
            found=f"mode {stat.S_IMODE(status.st_mode):o}",
            hint=f"look at what they left there, then chmod -R go-w {folder}",
        )


def _check_format(root: Path) -> None:
    try:
        text = read_small(root / "format", max_bytes=_MAX_FORMAT_BYTES)
    except FileNotFoundError as error:
        raise _foreign(root, "no format file") from error
    name, _, version = text.decode("ascii", "replace").strip().partition(" ")
    if name != _FORMAT_NAME or not version.isdecimal():
        raise _foreign(root, "a format file of something else")
    if int(version) > FORMAT:
        raise UnavailableError(
            "the store was made by a newer version",
            subject=str(root),
            expected=f"format {FORMAT} or older",
            found=f"format {int(version)}",
            hint="upgrade hauberk",
        )


def _foreign(root: Path, found: str) -> ArtifactError:
    return ArtifactError(
        "the folder is not a store of Hauberk",
        subject=str(root),
        expected=f"a file named format that says {_FORMAT_NAME} {FORMAT}",
        found=found,
        hint="move the folder away and run again",
    )


def _check_size(digest: Digest, found: int, expected: int | None) -> None:
    if expected is not None and found != expected:
        raise TrustError(
            "the stored bytes have another length",
            subject=f"blob {digest}",
            expected=f"{expected} bytes",
            found=f"{found} bytes",
            hint="restore the blob from its source or a backup, then run again",
        )


def _file_chunks(path: Path) -> Iterator[bytes]:
    with explained(path), os.fdopen(open_regular(path), "rb", 0) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
