"""What a signature covers: every file below a path, hashed whole or in shards, in parallel.

Links and special files are refused; what is ignored is named by the caller. Files are
hashed from descriptors that must be the same file at the end as at the beginning.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, UsageError
from hauberk.trust import manifest
from hauberk.trust.digest import open_regular
from hauberk.trust.manifest import Entry
from hauberk.trust.walking import places

GIT: Final = (".git", ".gitattributes", ".github", ".gitignore")
"""What the reference implementation leaves out by default, at the top of the folder."""

WHOLE_FILE: Final = "."
"""The name under which a signature over a single file lists it."""

MAX_SHARD_BYTES: Final = 1 << 40
_PIECE: Final = 1 << 20
_NOTHING: Final = Digest("sha256:" + "0" * 64)
_ALGORITHMS: Final[dict[str, Callable[[], Any]]] = {
    "sha256": hashlib.sha256,
    "blake2b": hashlib.blake2b,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One signed item.

    Attributes:
        name: Path inside the model, with ``:start:end`` behind it for a shard.
        digest: Hexadecimal digits.
    """

    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a model becomes resources.

    Attributes:
        shard_bytes: Files are hashed in shards of so many bytes; whole where it is ``None``.
        algorithm: ``sha256`` or ``blake2b``.
        ignored: Names at the top of the folder that are not covered.
    """

    shard_bytes: int | None = None
    algorithm: str = "sha256"
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.algorithm not in _ALGORITHMS:
            raise ArtifactError(
                "the signature uses a hash that is not known here",
                subject=self.algorithm[:80],
                expected=" or ".join(_ALGORITHMS),
                found=self.algorithm[:80],
                hint="sign the model anew with SHA-256",
            )
        if self.shard_bytes is not None and not 0 < self.shard_bytes <= MAX_SHARD_BYTES:
            raise ArtifactError(
                "not a size of shards",
                expected=f"1 to {MAX_SHARD_BYTES} bytes",
                found=str(self.shard_bytes),
            )


def files_below(path: Path, ignored: Sequence[str], skip: Path | None) -> dict[str, Path]:
    """Name to place of every file that a signature covers.

    Args:
        path: A folder, or a single file.
        ignored: Names at the top that are left out with what lies below them.
        skip: The signature itself.

    Raises:
        ArtifactError: A link or special file lies there, or a name is unusable.
        UsageError: There is nothing.
    """
    if path.is_file() and not path.is_symlink():
        return {WHOLE_FILE: path}
    _refuse_link(path)
    left_out = {*ignored}
    own = None if skip is None else skip.resolve()
    found = {
        name: place
        for name, place in places(path)
        if name.split("/", 1)[0] not in left_out and place.resolve() != own
    }
    if not found:
        raise UsageError(
            "there is nothing to sign or verify",
            subject=str(path),
            expected="files",
            found="none",
            hint="name the file or folder of the model",
        )
    manifest.of_entries(Entry(path=name, digest=_NOTHING, size=0) for name in found)
    return found


def _refuse_link(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise UsageError(
            "there is nothing to sign or verify",
            subject=str(path),
            expected="a file or a folder",
            found=error.strerror or "an error",
            hint="name the file or folder of the model",
        ) from error
    if not stat.S_ISDIR(mode):
        raise ArtifactError(
            f"{path} is not a folder or a regular file",
            subject=str(path),
            rule="links and special files are not signed",
            expected="a folder or a file",
            found="a symbolic link" if stat.S_ISLNK(mode) else stat.filemode(mode),
            hint="name the folder itself, or replace the link by a copy",
        )


def hashed(files: dict[str, Path], method: Method, *, workers: int = 0) -> tuple[Resource, ...]:
    """Every resource of ``files``, sorted by name and place.

    Args:
        workers: Threads that hash; the number of processors where it is 0.

    Raises:
        TrustError: A file changed while it was read.
        ArtifactError: It is no regular file.
        UnavailableError: It cannot be read.
    """
    tasks = [task for name in sorted(files) for task in _tasks(name, files[name], method)]
    count = min(workers or len(os.sched_getaffinity(0)), max(len(tasks), 1))
    if count == 1:
        return tuple(map(_hash, tasks))
    with ThreadPoolExecutor(count) as pool:  # hashlib works without the interpreter's lock
        return tuple(pool.map(_hash, tasks))


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    place: Path
    start: int
    end: int | None
    algorithm: str


def _tasks(name: str, place: Path, method: Method) -> Iterator[_Task]:
    if method.shard_bytes is None:
        yield _Task(name, place, 0, None, method.algorithm)
        return
    size = place.stat(follow_symlinks=False).st_size
    for start in range(0, max(size, 1), method.shard_bytes):
        end = min(start + method.shard_bytes, size)
        yield _Task(f"{name}:{start}:{end}", place, start, end, method.algorithm)


def _hash(task: _Task) -> Resource:
    state = _ALGORITHMS[task.algorithm]()
    with (
        open_regular(task.place) as descriptor,
        open(descriptor, "rb", 0, closefd=False) as file,
    ):
        if task.end is None and task.algorithm == "sha256":
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Resource(name=task.name, digest=digest)
        buffer = bytearray(_PIECE)
        view = memoryview(buffer)
        file.seek(task.start)
        left = (1 << 62) if task.end is None else task.end - task.start
        while left and (count := file.readinto(view[: min(left, _PIECE)])):
            state.update(view[:count])
            left -= count
    return Resource(name=task.name, digest=state.hexdigest())
