"""Settings of stores to judge: documents found by content, folders by their modes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hauberk.core.artifact import StoreSettings
from hauberk.errors import ArtifactError
from hauberk.formats.store_settings import MAX_BYTES, is_settings

MAX_PATHS = 1_000_000


def settings_at(path: Path) -> StoreSettings | None:
    """The document at ``path``, if it says how a store is set up."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    return _settings(path, data) if is_settings(data) else None


def document(path: Path) -> StoreSettings:
    """A document that somebody says is one.

    Raises:
        ArtifactError: It cannot be read, is empty or larger than settings are.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    except OSError as error:
        raise ArtifactError("cannot be read", subject=str(path), found=str(error)) from error
    if not data.strip():
        raise ArtifactError("an empty document, or one too large", subject=str(path))
    return _settings(path, data)


def _settings(path: Path, data: bytes) -> StoreSettings:
    return StoreSettings(name=str(path), documents={path.name: data})


def folder(root: Path) -> StoreSettings:
    """A folder that keeps data or models, with the modes of all that lies in it."""
    return StoreSettings(name=str(root), modes=lambda: modes_below(root))


def modes_below(root: Path) -> Iterator[tuple[str, int]]:
    """Paths at and below ``root`` with their modes; links are passed over.

    Raises:
        ArtifactError: There are too many, or a folder cannot be read.
    """
    yield str(root), root.lstat().st_mode
    count, waiting = 0, [root]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise ArtifactError(
                "a folder cannot be read", subject=str(root), found=str(error)
            ) from error
        for entry in found:
            count += 1
            if count > MAX_PATHS:
                raise ArtifactError("too many files to look at", subject=str(root))
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                continue
            yield entry.path, mode
            if stat.S_ISDIR(mode):
                waiting.append(Path(entry.path))
