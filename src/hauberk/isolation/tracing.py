"""Reading what strace wrote, as deeds.

Only lines of ``strace -f -yy`` with the calls of `TRACED` are understood; everything else
is passed over. Calls that strace had to break in two (``<unfinished ...>``) are joined
per process before they are read.

References:
    strace(1), 6.1: options ``-f -yy --seccomp-bpf``, escapes of ``-s`` strings.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator

from hauberk.isolation.activity import Deed, Kind

TRACED = (
    "open openat openat2 creat truncate rename renameat renameat2 link linkat unlink unlinkat"
    " symlink symlinkat chdir fchdir connect sendto sendmsg sendmmsg execve execveat"
    " fork vfork clone clone3"
)
"""System calls to trace; a machine that lacks one leaves it out."""

_LINE = re.compile(r"(\d+)\s+(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_UNFINISHED = "<unfinished ...>"
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(?:\.\.\.)?', re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"n": 10, "t": 9, "r": 13, "v": 11, "f": 12, "a": 7, "b": 8, "e": 27}
_FOLDER_OF_CALL = re.compile(r"(?:AT_FDCWD|\d+)<(/[^>]*)>, \"")
_FLAGS = re.compile(r"\bO_[A-Z_|O]+")
_INET = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)')
_INET6 = re.compile(r'sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"')
_UNIX = re.compile(r'sun_path="((?:[^"\\]|\\.)*)"')
_DNS_PORT = "53"
_DNS_HEADER_BYTES = 12
_MAX_LABEL = 63


def unescape(text: str) -> str:
    """A string as strace escapes it, as a file name."""
    out = bytearray()
    at = 0
    for match in _ESCAPE.finditer(text):
        out += text[at : match.start()].encode("utf-8", "surrogateescape")
        out.append(_value(match[1]) & 0xFF)
        at = match.end()
    out += text[at:].encode("utf-8", "surrogateescape")
    return out.decode("utf-8", "surrogateescape")


def _value(escape: str) -> int:
    if escape[0] == "x" and len(escape) > 1:
        return int(escape[1:], 16)
    if escape[0] in "01234567":
        return int(escape, 8)
    return _LETTERS.get(escape, ord(escape))


def _strings(text: str) -> list[str]:
    return [unescape(match[1]) for match in _STRING.finditer(text)]


def _joined(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Process and whole call, in the order in which calls ended."""
    open_calls: dict[int, str] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue
        process, text = int(found[1]), found[2]
        resumed = _RESUMED.match(text)
        if resumed is not None:
            text = open_calls.pop(process, "") + resumed[1]
        if text.endswith(_UNFINISHED):
            open_calls[process] = text[: -len(_UNFINISHED)].rstrip()
            continue
        yield process, text


class _Trace:
    """Folders and images of the processes seen so far."""

    def __init__(self, folder: str) -> None:
        self._start = folder
        self._folder: dict[int, str] = {}
        self._image: dict[int, int] = {}
        self._images = 0

    def image(self, process: int) -> int:
        return self._image.setdefault(process, 0)

    def new_image(self, process: int) -> int:
        self._images += 1
        self._image[process] = self._images
        return self._images

    def forked(self, parent: int, child: int) -> None:
        """A child goes on where its parent stands, unless it has been seen to do more."""
        self._image.setdefault(child, self.image(parent))
        self._folder.setdefault(child, self.folder(parent))

    def folder(self, process: int) -> str:
        return self._folder.get(process, self._start)

    def moved_to(self, process: int, folder: str) -> None:
        self._folder[process] = folder

    def absolute(self, process: int, path: str, folder: str | None = None) -> str:
        base = self.folder(process) if folder is None else folder
        return posixpath.normpath(posixpath.join(base, path))


def deeds_in(lines: Iterable[str], folder: str) -> Iterator[Deed]:
    """Deeds in a trace.

    Args:
        lines: The trace, as strace wrote it.
        folder: Absolute folder in which the traced command started.
    """
    calls = list(_joined(lines))
    trace = _Trace(folder)
    parents = _parents(calls)
    for process, text in calls:
        found = _CALL.match(text)
        if found is None:
            continue
        if process in parents:
            trace.forked(parents.pop(process), process)
        name, arguments, result = found.groups()
        reader = _READERS.get(name)
        if reader is not None and len(_STRING.findall(arguments)) >= _PATHS.get(name, 0):
            yield from reader(trace, process, arguments, result)


def _parents(calls: list[tuple[int, str]]) -> dict[int, int]:
    """Child to parent; a child may act before its parent's call has returned."""
    found = {}
    for process, text in calls:
        if text.startswith(("fork(", "vfork(", "clone(", "clone3(")):
            child = text.rpartition("= ")[2].split("<")[0].strip()
            if child.isdigit():
                found[int(child)] = process
    return found


def _failed(result: str) -> bool:
    return not result[:1].isdigit()


def _exec(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if _failed(result):
        return
    _, _, listed = arguments.partition("[")
    command = tuple(_strings(listed.rpartition("]")[0]))
    yield Deed(trace.new_image(process), Kind.EXEC, command)


def _open(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if _failed(result):
        return
    path = unescape(result.partition("<")[2].rpartition(">")[0]).removesuffix(" (deleted)")
    flags = _flags(arguments)
    if not path.startswith("/") or flags & {"O_DIRECTORY", "O_PATH"}:
        return
    writing = flags & {"O_WRONLY", "O_RDWR"}
    if "O_WRONLY" not in flags and not flags & {"O_TRUNC", "O_CREAT"}:
        yield Deed(trace.image(process), Kind.READ, (path,))
    if writing:
        yield Deed(trace.image(process), Kind.WRITE, (path,))


def _flags(arguments: str) -> set[str]:
    found = _FLAGS.findall(_STRING.sub("", arguments))
    return set("|".join(found).split("|"))


def _create(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if not _failed(result):
        path = trace.absolute(process, _strings(arguments)[0])
        yield Deed(trace.image(process), Kind.WRITE, (path,))


def _paths(trace: _Trace, process: int, arguments: str) -> tuple[str, ...]:
    """Every path argument, made absolute against its own descriptor."""
    folders = [unescape(folder) for folder in _FOLDER_OF_CALL.findall(arguments)]
    strings = _strings(arguments)
    bases = folders if len(folders) == len(strings) else [None] * len(strings)
    return tuple(
        trace.absolute(process, path, base) for path, base in zip(strings, bases, strict=True)
    )


def _move(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if not _failed(result):
        yield Deed(trace.image(process), Kind.MOVE, _paths(trace, process, arguments)[:2])


def _link(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if not _failed(result):
        source, target = _paths(trace, process, arguments)[:2]
        yield Deed(trace.image(process), Kind.READ, (source,))
        yield Deed(trace.image(process), Kind.WRITE, (target,))


def _symlink(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if not _failed(result):
        target = trace.absolute(process, _strings(arguments)[-1])
        yield Deed(trace.image(process), Kind.WRITE, (target,))


def _remove(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if not _failed(result):
        yield Deed(trace.image(process), Kind.REMOVE, _paths(trace, process, arguments)[:1])


def _change_folder(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    if not _failed(result):
        strings = _strings(arguments)
        named = unescape(arguments.partition("<")[2].rpartition(">")[0])
        trace.moved_to(process, trace.absolute(process, strings[0] if strings else named))
    return iter(())


def _reach(trace: _Trace, process: int, arguments: str, result: str) -> Iterator[Deed]:
    """Addresses in a connection or a datagram, and the names asked of a name server."""
    image = trace.image(process)
    for name in _asked(arguments):
        yield Deed(image, Kind.HOST, (name,))
    for port, address in (*_INET.findall(arguments), *_INET6.findall(arguments)):
        if port != _DNS_PORT:
            shown = f"[{address}]" if ":" in address else address
            yield Deed(image, Kind.HOST, (f"{shown}:{port}",))
    for path in _UNIX.findall(arguments):
        if not _failed(result):
            yield Deed(image, Kind.HOST, (f"unix:{unescape(path)}",))


def _asked(arguments: str) -> Iterator[str]:
    to_name_server = f":{_DNS_PORT}]>" in arguments or f"htons({_DNS_PORT})" in arguments
    if not to_name_server:
        return
    for match in _STRING.finditer(arguments):
        name = name_in_query(unescape(match[1]).encode("utf-8", "surrogateescape"))
        if name:
            yield name


def name_in_query(message: bytes) -> str:
    """The host name that a DNS query asks for (RFC 1035 section 4.1); empty if it is none."""
    labels, at = [], _DNS_HEADER_BYTES
    while at < len(message) and 0 < message[at] <= _MAX_LABEL:
        labels.append(message[at + 1 : at + 1 + message[at]])
        at += 1 + message[at]
    ended = at < len(message) and message[at] == 0
    text = b".".join(labels).decode("ascii", "replace")
    return text if ended and text.isprintable() else ""


_PATHS = {
    "creat": 1,
    "truncate": 1,
    "rename": 2,
    "renameat": 2,
    "renameat2": 2,
    "link": 2,
    "linkat": 2,
    "symlink": 2,
    "symlinkat": 2,
    "unlink": 1,
    "unlinkat": 1,
}
"""How many path arguments a call must show to be read."""

_Reader = Callable[[_Trace, int, str, str], Iterator[Deed]]
_READERS: dict[str, _Reader] = {
    "execve": _exec,
    "execveat": _exec,
    "open": _open,
    "openat": _open,
    "openat2": _open,
    "creat": _create,
    "truncate": _create,
    "rename": _move,
    "renameat": _move,
    "renameat2": _move,
    "link": _link,
    "linkat": _link,
    "symlink": _symlink,
    "symlinkat": _symlink,
    "unlink": _remove,
    "unlinkat": _remove,
    "chdir": _change_folder,
    "fchdir": _change_folder,
    "connect": _reach,
    "sendto": _reach,
    "sendmsg": _reach,
    "sendmmsg": _reach,
}
