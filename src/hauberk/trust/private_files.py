"""Files of one user's configuration: written whole or not at all, never through a link.

What lies there is believed, so that an error of the operating system is never taken for
"there is nothing": only a file that is certainly absent counts as absent.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hauberk.errors import TrustError, UnavailableError


def is_there(path: Path) -> bool:
    """Whether anything lies at ``path``, a dangling link included.

    Raises:
        UnavailableError: It cannot be found out.
    """
    with _explained(path):
        try:
            os.lstat(path)
        except FileNotFoundError:
            return False
        return True


def make_folder(path: Path) -> None:
    """Make a folder that nobody else may enter, where it is missing.

    Raises:
        UnavailableError: It cannot be made.
    """
    with _explained(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def create(path: Path, data: bytes, mode: int) -> bool:
    """Write a new file, durable when it returns.

    Returns:
        Whether it was written; false where something lies there already.

    Raises:
        UnavailableError: It cannot be written.
    """
    with _draft(path, data, mode) as draft:
        try:
            os.link(draft, path)  # unlike a rename, it never replaces
        except FileExistsError:
            return False
        return True


def write(path: Path, data: bytes, mode: int) -> None:
    """Write or replace a file in one step, durable when it returns.

    Raises:
        UnavailableError: It cannot be written.
    """
    with _draft(path, data, mode) as draft:
        draft.replace(path)


def check_private(seen: os.stat_result, path: Path, owner: int) -> None:
    """Refuse a file or folder that others can reach, or that another user owns.

    Args:
        seen: What it is.
        path: Where it lies.
        owner: Numeric id of who must own it.

    Raises:
        TrustError: It is not private.
    """
    mode = stat.S_IMODE(seen.st_mode)
    if seen.st_uid == owner and not mode & 0o077:
        return
    allowed = 0o700 if stat.S_ISDIR(seen.st_mode) else 0o600
    raise TrustError(
        f"private keys at {path} are open to others",
        subject=str(path),
        rule="private keys belong to their user alone",
        expected=f"mode {allowed:04o}, owned by user {owner}",
        found=f"mode {mode:04o}, owned by user {seen.st_uid}",
        hint=f"if nobody can have read it: chmod {allowed:o} {path}; else make a new key",
    )


@contextmanager
def _draft(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """The data in a file of another name beside ``path``, gone afterwards."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with _explained(path):
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(file)
            yield draft
            _sync(path.parent)
        finally:
            draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read or written",
            subject=str(path),
            expected="a folder that its user may read and write, with room",
            found=error.strerror or "an error",
            hint="check the disk and the permissions of the folder, or name another; that of keys "
            "and pins is below XDG_CONFIG_HOME",
        ) from error
