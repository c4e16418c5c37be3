"""A step's private folder: made fresh, and gone whatever the step did to it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A fresh private folder; whatever a step made of it is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="hauberk-")).resolve()
    try:
        yield path
    finally:
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a folder whose content is hostile; its makers must be dead.

    Folders that were closed are opened first; links are removed, never followed.
    """
    with suppress(OSError):
        path.chmod(stat.S_IRWXU)
    for folder, names, _ in os.walk(path):
        for inner in (Path(folder, name) for name in names):
            with suppress(OSError):  # another user's; the removal says nothing either
                _open_folder(inner)
    shutil.rmtree(path, ignore_errors=True)


def _open_folder(path: Path) -> None:
    if not path.is_symlink():
        path.chmod(stat.S_IRWXU)
