"""The regular files of a model or a data set, by the names that manifests give them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.trust.manifest import MAX_DEPTH


def places(path: Path) -> list[tuple[str, Path]]:
    """Every regular file at or below ``path`` by its name in a version, in order.

    Raises:
        ArtifactError: A link or a special file lies there, or folders are nested too deeply.
        UnavailableError: A folder cannot be read.
        UsageError: There is nothing.
    """
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise UsageError(
            "there is nothing to add",
            subject=str(path),
            expected="a file or a folder",
            found=error.strerror or "an error",
            hint="name the file or folder that holds the data",
        ) from error
    if stat.S_ISREG(mode):
        return [(path.name, path)]
    if not stat.S_ISDIR(mode):
        raise _special(str(path), stat.filemode(mode))
    return list(_walk(path, "", 1))


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, Path]]:
    if depth > MAX_DEPTH:
        raise _special(prefix, f"more than {MAX_DEPTH} folders inside each other")
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise UnavailableError(
            "a folder cannot be read", subject=str(folder), found=error.strerror or "an error"
        ) from error
    for entry in entries:
        name = prefix + entry.name
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(folder / entry.name, f"{name}/", depth + 1)
        elif stat.S_ISREG(mode):
            yield name, folder / entry.name
        else:
            raise _special(name, stat.filemode(mode))


def _special(path: str, found: str) -> ArtifactError:
    return ArtifactError(
        f"{path} has no place in a data version",
        subject=path,
        rule="data sets hold regular files and folders only, no links",
        expected="a regular file or a folder",
        found=found,
        hint="replace links by copies; leave sockets, pipes and devices out",
    )
