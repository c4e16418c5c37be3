"""Taking out what a step made, when the step may have laid traps.

Call it after the step's whole tree is dead. Every part of the path is opened relative to
the one before without following links, so neither the file nor a folder above it can
point elsewhere, and what is read is the very file that was judged.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hauberk.errors import ArtifactError

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A regular file that a step made, open for reading.

    Attributes:
        name: Relative to the folder it was collected from.
        size: In bytes, as it was opened.
    """

    name: PurePosixPath
    size: int
    file: BinaryIO


@contextmanager
def collect_output(root: Path, name: PurePosixPath, *, max_bytes: int) -> Iterator[Output]:
    """Open one declared output.

    Args:
        root: The folder that the step could write; itself beyond the step's reach.
        name: Relative, without ``..``.
        max_bytes: Largest size accepted.

    Raises:
        ArtifactError: It is missing, a link or behind one, a special file, has other
            names (hard links), or is too large.
    """
    parent = _open_folder(root, name.parent)
    try:
        descriptor = _open_at(parent, name.name, os.O_RDONLY | os.O_NONBLOCK, name)
    finally:
        os.close(parent)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        _check(name, found, max_bytes)
        yield Output(name=name, size=found.st_size, file=file)


def list_outputs(root: Path, name: PurePosixPath) -> tuple[PurePosixPath, ...]:
    """All files beneath a declared output folder, sorted; links and special files refused.

    Raises:
        ArtifactError: Something there is neither a folder nor a regular file with one name.
    """
    descriptor = _open_folder(root, name)
    try:
        return tuple(sorted(_walk(descriptor, name, 0)))
    finally:
        os.close(descriptor)


def _walk(descriptor: int, name: PurePosixPath, depth: int) -> Iterator[PurePosixPath]:
    if depth > _MAX_DEPTH:
        raise _refusal(name, f"folders nested deeper than {_MAX_DEPTH}")
    for entry in sorted(os.listdir(descriptor)):
        path = name / entry
        found = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            _check(path, found, found.st_size)
            yield path
            continue
        inner = _open_at(descriptor, entry, _FOLDER, path)
        try:
            yield from _walk(inner, path, depth + 1)
        finally:
            os.close(inner)


def _open_folder(root: Path, name: PurePosixPath) -> int:
    if name.is_absolute() or ".." in name.parts:
        raise _refusal(name, "a path that leaves the step's folder")
    descriptor = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC)
    for part in name.parts:
        try:
            inner = _open_at(descriptor, part, _FOLDER, name)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _open_at(parent: int, part: str, flags: int, name: PurePosixPath) -> int:
    try:
        return os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        raise _refusal(name, "nothing: the step did not make it") from None
    except OSError as error:  # ELOOP for a link, ENXIO for a socket, ENOTDIR for a wrong folder
        raise _refusal(
            name, f"not a plain file or folder ({os.strerror(error.errno or 0)})"
        ) from None


def _check(name: PurePosixPath, found: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refusal(name, "a link, device, pipe or socket")
    if found.st_nlink != 1:
        raise _refusal(name, f"a file with {found.st_nlink} names (hard links)")
    if found.st_size > max_bytes:
        raise _refusal(name, f"{found.st_size} bytes", f"at most {max_bytes} bytes")


def _refusal(
    name: PurePosixPath, found: str, expected: str = "a regular file made by the step"
) -> ArtifactError:
    return ArtifactError(
        "a declared output cannot be taken out",
        subject=str(name),
        rule="outputs are plain files inside the step's own folder",
        expected=expected,
        found=found,
        hint="let the step write the file itself, not a link to it",
    )
