"""What was seen of a run, whoever saw it, and what it amounts to.

Observers give a stream of `Deed` in the order of time; `summarise` folds it. A file that
is read before the run wrote it is an input; a file that is written and still there at the
end is an output; a process is one program image, from ``exec`` to its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

_ENVIRONMENT = re.compile(
    r"^/(usr|bin|sbin|lib|lib32|lib64|etc|proc|sys|dev|run|snap|nix|gnu)(/|$)"
    r"|/(lib|lib64)/python\d[\d.]*(/|$)|/(site|dist)-packages(/|$)|/__pycache__(/|$)"
    r"|/lib(64)?/lib[^/]*\.so[\d.]*$|/pyvenv\.cfg$|/python\d*\.zip$|/bin/(activate|python[\d.]*)$"
    r"|^/var/(cache|lib)(/|$)|^pipe:|^socket:|^anon_inode:"
)
"""Paths of the distribution, the kernel and Python environments."""


class Kind(Enum):
    """What a process did."""

    EXEC = "exec"
    READ = "read"
    WRITE = "write"
    MOVE = "move"
    REMOVE = "remove"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Deed:
    """One deed of one process image.

    Attributes:
        image: Any hashable mark of the process image that did it.
        values: A command line, one path, two paths (from, to), or one host.
    """

    image: int
    kind: Kind
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedProcess:
    """One program that ran.

    Attributes:
        command: Program and arguments as given.
        reads: Files it read before writing them itself, whoever made them.
        writes: Files it wrote that were there at the end.
        hosts: Names it asked for and addresses it turned to.
    """

    command: tuple[str, ...]
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A run as a whole.

    Attributes:
        reads: Files that were there before the run wrote them, sorted.
        writes: Files that the run made or changed and left, sorted.
        hosts: Host names looked up, and ``address:port`` of every connection, sorted.
        processes: In the order of their start; those that touched nothing are left out.
        left_out: Paths of the distribution and of Python environments, counted only.
    """

    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    hosts: tuple[str, ...]
    processes: tuple[ObservedProcess, ...]
    left_out: int


@dataclass(slots=True)
class _Account:
    """The files and hosts of one process image, or of all."""

    command: tuple[str, ...] = ()
    reads: dict[str, None] = field(default_factory=dict)
    writes: dict[str, None] = field(default_factory=dict)
    written_once: set[str] = field(default_factory=set)
    hosts: dict[str, None] = field(default_factory=dict)

    def note(self, deed: Deed) -> None:
        """Take one deed into account."""
        first = deed.values[0] if deed.values else ""
        if deed.kind is Kind.READ and first not in self.written_once:
            self.reads[first] = None
        elif deed.kind is Kind.WRITE:
            self._wrote(first)
        elif deed.kind is Kind.MOVE:
            self._moved(first, deed.values[1])
        elif deed.kind is Kind.REMOVE:
            self.writes.pop(first, None)
        elif deed.kind is Kind.HOST:
            self.hosts[first] = None

    def _wrote(self, path: str) -> None:
        self.writes[path] = None
        self.written_once.add(path)

    def _moved(self, source: str, target: str) -> None:
        inside = source + "/"
        for path in [path for path in self.writes if path.startswith(inside)]:
            self.writes.pop(path)
            self._wrote(target + path[len(source) :])
        self.writes.pop(source, None)
        if not any(path.startswith(target + "/") for path in self.writes):
            self._wrote(target)


def is_environment(path: str) -> bool:
    """Whether a path belongs to the distribution or a Python environment."""
    return _ENVIRONMENT.search(path) is not None


def summarise(deeds: Iterable[Deed]) -> Activity:
    """Fold deeds in the order of time; files are looked at once, at the end."""
    whole, images, left_out = _Account(), dict[int, _Account](), set[str]()
    for deed in deeds:
        account = images.setdefault(deed.image, _Account())
        if deed.kind is Kind.EXEC:
            account.command = deed.values
            continue
        if deed.kind is not Kind.HOST and is_environment(deed.values[-1]):
            left_out.add(deed.values[-1])
            continue
        whole.note(deed)
        account.note(deed)
    return Activity(
        reads=_files(whole.reads),
        writes=_files(whole.writes),
        hosts=tuple(sorted(whole.hosts)),
        processes=tuple(_process(account) for account in images.values() if _did(account)),
        left_out=len(left_out),
    )


def _did(account: _Account) -> bool:
    return bool(account.reads or account.writes or account.hosts)


def _process(account: _Account) -> ObservedProcess:
    return ObservedProcess(
        command=account.command,
        reads=_files(account.reads),
        writes=_files(account.writes),
        hosts=tuple(sorted(account.hosts)),
    )


def _files(paths: Iterable[str]) -> tuple[Path, ...]:
    found = (Path(path) for path in sorted(paths))
    return tuple(path for path in found if path.is_file())
