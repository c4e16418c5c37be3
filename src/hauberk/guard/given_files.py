"""Files that an operator names on the command line: policies, keys, settings of tokens.

The operator is believed, so that links are followed: orchestrators hand such files out as links
to what they change in one step. What is no regular file, too large or not readable is told by the
name of what it should be.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hauberk.errors import UsageError


def read_given(path: Path, max_bytes: int, *, what: str) -> bytes:
    """The bytes of a file, from one handle.

    Args:
        path: Where it is.
        max_bytes: Nothing larger is read.
        what: What it is, for people: "the policy".

    Raises:
        UsageError: It cannot be read, is no regular file, or is larger than ``max_bytes``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableFileError(
            f"{what} cannot be read",
            subject=str(path),
            expected="a file that the server may read",
            found=error.strerror or type(error).__name__,
            hint="check the path and its permissions",
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _unfit(what, path, "a regular file", "something else")
    with os.fdopen(handle, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _unfit(what, path, f"at most {max_bytes} bytes", "more")
    return data


class UnreadableFileError(UsageError):
    """The file is not there, or may not be read; it may be there at the next look."""


def text_given(path: Path, max_bytes: int, *, what: str) -> str:
    """The same as text.

    Raises:
        UsageError: As `read_given`, or it is no UTF-8.
    """
    try:
        return read_given(path, max_bytes, what=what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unfit(what, path, "text in UTF-8", "other bytes") from error


def _unfit(what: str, path: Path, expected: str, found: str) -> UsageError:
    return UsageError(
        f"{what} cannot be used",
        subject=str(path),
        expected=expected,
        found=found,
        hint="name another file",
    )
