"""A Python process that writes down what it does; evidence, not a barrier.

`observing` puts a copy of this file in front of a command's import path under the name
``sitecustomize``, so that every Python that starts there installs it. It runs inside
foreign interpreters of any supported version: standard library only, nothing heavy. Each
deed is one JSON line appended to the file named by ``HAUBERK_OBSERVE_LOG``; the file is
opened anew for each line, because a program may close descriptors that it does not know
and reuse their numbers.
"""

from __future__ import annotations

import json
import os
import sys
from _thread import get_ident

TYPE_CHECKING = False  # importing typing would slow every traced interpreter down
if TYPE_CHECKING:
    from typing import Any

LOG = "HAUBERK_OBSERVE_LOG"
_ALREADY = "_hauberk_observed"
_WRITING = os.O_WRONLY | os.O_RDWR


def _absolute(path: Any) -> str:
    if isinstance(path, int) or path is None:
        return ""
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - pathlib slows every start


def _open(arguments: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    path, _, flags = arguments
    name = _absolute(path)
    if not name or flags & getattr(os, "O_DIRECTORY", 0):
        return []
    found = []
    if not flags & os.O_WRONLY and not flags & (os.O_CREAT | os.O_TRUNC):
        found.append(("read", [name]))
    if flags & _WRITING:
        found.append(("write", [name]))
    return found


def _move(arguments: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    return [("move", [_absolute(arguments[0]), _absolute(arguments[1])])]


def _link(arguments: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    return [("read", [_absolute(arguments[0])]), ("write", [_absolute(arguments[1])])]


def _remove(arguments: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    return [("remove", [_absolute(arguments[0])])]


def _connect(arguments: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    address = arguments[1]
    if isinstance(address, tuple):
        shown = f"[{address[0]}]" if ":" in str(address[0]) else str(address[0])
        return [("host", [f"{shown}:{address[1]}"])]
    return [("host", [f"unix:{os.fsdecode(address)}"])]


def _look_up(arguments: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    host = arguments[0]
    return [("host", [os.fsdecode(host)])] if host else []


def _sqlite(arguments: tuple[Any, ...]) -> list[tuple[str, list[str]]]:
    name = _absolute(arguments[0])
    return [("read", [name]), ("write", [name])] if name else []


_EVENTS = {
    "open": _open,
    "os.rename": _move,
    "os.link": _link,
    "os.remove": _remove,
    "socket.connect": _connect,
    "socket.sendto": _connect,
    "socket.getaddrinfo": _look_up,
    "socket.gethostbyname": _look_up,
    "sqlite3.connect": _sqlite,
}


class _Recorder:
    """The hook; it never raises into the program it watches."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._seen: set[str] = set()
        self._busy: set[int] = set()
        self._process = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Write down an event that is of interest, once."""
        reader = _EVENTS.get(event)
        thread = get_ident()
        if reader is None or thread in self._busy:
            return
        self._busy.add(thread)
        try:
            for kind, values in reader(arguments):
                self.note(kind, values)
        except (OSError, ValueError, TypeError, IndexError):
            return  # the program's own call will tell it what is wrong with its arguments
        finally:
            self._busy.discard(thread)

    def note(self, kind: str, values: list[str]) -> None:
        """Append one line; repeated reads are written once."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._seen.clear()
        line = json.dumps([self._process, kind, values])
        if kind == "read" and line in self._seen:
            return
        self._seen.add(line)
        log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(log, line.encode("utf-8", "surrogateescape") + b"\n")
        finally:
            os.close(log)


def install() -> None:
    """Begin to record in this process; does nothing where nobody asked for it."""
    log = os.environ.get(LOG)
    if log and not hasattr(sys, _ALREADY):
        setattr(sys, _ALREADY, True)
        recorder = _Recorder(log)
        recorder.note("exec", [sys.executable, *sys.orig_argv[1:]])
        sys.addaudithook(recorder)
