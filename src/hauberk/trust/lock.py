"""One writer at a time: a lock file that says who holds it.

The lock is the kernel's (``flock``) and ends with its process, however that ends; the
text in the file is only for the message that the next one shows.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hauberk.errors import UnavailableError
from hauberk.trust.durable import FILE_MODE, explained

Waiting = Callable[[str], None]
"""Takes one sentence that says who is being waited for."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
TURN_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.05
_FIRST_PAUSE_S: Final = 0.0005
_MAX_OWNER_BYTES: Final = 4096
_MAX_SHOWN: Final = 120


def silent(message: str) -> None:
    """Takes the message about waiting and shows it to nobody."""


@contextmanager
def held(path: Path, *, timeout_s: float, waiting: Waiting = silent) -> Iterator[None]:
    """Hold the lock at ``path`` for the block.

    Args:
        path: The lock file; made where it is missing, never removed.
        timeout_s: Longest wait; 0 refuses at once.
        waiting: Told once, as soon as it is clear that somebody else holds the lock.

    Raises:
        UnavailableError: Somebody else held the lock until the end of ``timeout_s``.
    """
    with explained(path):
        descriptor = os.open(path, _FLAGS, FILE_MODE)
    try:
        if not try_lock(descriptor):
            _wait(descriptor, path, timeout_s, waiting)
        _write_owner(descriptor)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, timeout_s: float, waiting: Waiting) -> None:
    deadline = time.monotonic() + timeout_s
    if timeout_s > 0:
        waiting(f"waiting for {_read_owner(descriptor)}")
    while not try_lock(descriptor):
        if time.monotonic() >= deadline:
            raise _busy(path, _read_owner(descriptor))
        time.sleep(_POLL_S)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take the kernel's lock on ``descriptor`` unless that means waiting."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def turn(path: Path, *, shared: bool = False, timeout_s: float = TURN_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock at ``path`` for one short operation, alone or with other readers.

    Raises:
        UnavailableError: Somebody kept it for longer than any operation takes.
    """
    flags = _READ_FLAGS if shared else _FLAGS
    with explained(path):
        descriptor = os.open(path, flags, FILE_MODE)
    try:
        _take_turn(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout_s)
        yield
    finally:
        os.close(descriptor)


def _take_turn(descriptor: int, path: Path, kind: int, timeout_s: float) -> None:
    deadline, pause_s = time.monotonic() + timeout_s, _FIRST_PAUSE_S
    while not try_lock(descriptor, kind):
        if time.monotonic() >= deadline:
            raise _busy(path, "another process, for too long")
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _POLL_S)


def _busy(path: Path, owner: str) -> UnavailableError:
    return UnavailableError(
        "the store is in use",
        subject=str(path),
        rule="one run at a time changes a store",
        found=owner,
        hint="wait for it to end, or end it; the lock goes with it",
    )


def _write_owner(descriptor: int) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": " ".join(sys.orig_argv)[:_MAX_SHOWN],
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def _read_owner(descriptor: int) -> str:
    """Who holds the lock in words; the text in the file is not trusted with more."""
    try:
        owner = json.loads(os.pread(descriptor, _MAX_OWNER_BYTES, 0))
        text = (
            f"process {int(owner['pid'])} on {owner['host']}, "
            f"since {owner['started']}: {owner['command']}"
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return "another process"
    return "".join(sign if sign.isprintable() else "?" for sign in text)[: 2 * _MAX_SHOWN]
