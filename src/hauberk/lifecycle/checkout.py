"""Put the files of a version into a folder: verified before any of them is visible there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hauberk.core.ports import Blobs
from hauberk.errors import TrustError, UsageError
from hauberk.trust.durable import explained, sync_folder
from hauberk.trust.versions.examination import Defect, check_copy
from hauberk.trust.versions.recipes import read
from hauberk.trust.versions.versions import File

_MARK = ".hauberk-"


def checkout(files: tuple[File, ...], target: Path, blobs: Blobs, *, force: bool = False) -> int:
    """Write the files of a version to ``target``; how many were written.

    A folder that is not there appears in one step. In one that is, files that differ are
    replaced only with ``force``, and files that are not part of the version are never
    removed: they are named, and nothing is written.

    Args:
        target: A folder; or a file where the version has one file and ``target`` is none.

    Raises:
        TrustError: Stored bytes are not those of the version; nothing was written.
        UsageError: The target holds other files.
        UnavailableError: It cannot be written.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise UsageError(
                "the target is not a folder", subject=str(target), expected="a folder or nothing"
            )
        differing = tuple(check_copy(files, target, blobs)) if target.is_dir() else ()
        if target.is_dir():
            _refuse(target, differing, force=force)
        wanted = {defect.path for defect in differing}
        chosen = tuple(file for file in files if not target.is_dir() or file.path in wanted)
        scratch = Path(tempfile.mkdtemp(prefix=_MARK, dir=target.parent))
        try:
            for file in chosen:
                _write(file, scratch / file.path, blobs)
            _place(scratch, target, chosen)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return len(chosen)


def _refuse(target: Path, differing: tuple[Defect, ...], *, force: bool) -> None:
    added = [defect.path for defect in differing if defect.what == "added"]
    changed = [defect.path for defect in differing if defect.what == "changed"]
    in_the_way = added or ([] if force else changed)
    if in_the_way:
        raise UsageError(
            "the target holds other files; nothing was written",
            subject=str(target),
            rule="a checkout overwrites nothing unasked and removes nothing",
            expected="the version's files, or none",
            found=", ".join(in_the_way[:5]) + (" and more" if len(in_the_way) > 5 else ""),  # noqa: PLR2004 - a line
            hint="move them away" if added else "--force replaces the changed files",
        )


def _write(file: File, place: Path, blobs: Blobs) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as target:
        target.writelines(read(file.recipe, blobs, subject=file.path))
        target.flush()
        os.fsync(target.fileno())


def _place(scratch: Path, target: Path, files: tuple[File, ...]) -> None:
    if not target.exists():
        scratch.chmod(0o755)
        scratch.rename(target)
        sync_folder(target.parent)
        return
    for folder in sorted({str(Path(file.path).parent) for file in files}):
        _real_folder(target, folder)
    for file in files:
        (scratch / file.path).replace(target / file.path)
    sync_folder(target)


def _real_folder(target: Path, relative: str) -> None:
    """Make a folder below ``target``, through no link on the way."""
    for place in _steps(target, relative):
        place.mkdir(exist_ok=True)
        if place.is_symlink():
            raise TrustError(
                "a link lies in the way of a checkout", subject=str(place), expected="a folder"
            )


def _steps(target: Path, relative: str) -> Iterator[Path]:
    place = target
    for part in Path(relative).parts:
        place /= part
        yield place
