"""HDF5 files as model files: what their links, attributes and data sets reach for.

Data sets are no code. What hurts is what a reader follows or interprets: links into other
files, raw data kept in other files, virtual data sets, shapes that no file fills, and
attributes that hold a configuration of Keras or a pickle of PyTables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hauberk.errors import ArtifactError
from hauberk.formats.hdf5_dense import dense_messages
from hauberk.formats.hdf5_reading import (
    MAX_OBJECTS,
    MAX_VALUE_BYTES,
    Hdf5,
    Message,
    UnfollowedError,
    malformed,
)
from hauberk.formats.keras_configs import judge_keras
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Nested, Remark, Said, evasive, unread
from hauberk.formats.spans import Span, span_of

MAX_RATIO = 1_000
"""Bytes that a data set claims for each byte of the file; deflate reaches about as much."""

FROM_BYTES = 1 << 30

_SPACE, _LINK_INFO, _TYPE, _LINK, _EXTERNAL = 1, 2, 3, 6, 7
_LAYOUT, _ATTRIBUTE, _TABLE, _ATTRIBUTE_INFO = 8, 0x0C, 0x11, 0x15
_HARD, _SOFT, _OUTSIDE = 0, 1, 64
_FIXED_STRING, _OPAQUE, _VARIABLE = 3, 5, 9
_VIRTUAL = 3
_MAX_TREE = 100_000


@dataclass(slots=True)
class _Visit:
    """Where the walk stands."""

    file: Hdf5
    waiting: list[tuple[int, str]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    nodes: int = 0


_TEXT_OF_MATLAB = 128


def _is_of_matlab(block: bytes) -> bool:
    """Whether what stands in front is the text that MATLAB writes from version 7.3, and no more."""
    return block.startswith((b"MATLAB 7.3 MAT-file", b"MATLAB 7.0 MAT-file")) and not any(
        block[_TEXT_OF_MATLAB:]
    )


def judge_hdf5(span: Span) -> Iterator[Said]:
    """What is wrong with the file, and what could not be followed."""
    try:
        file = Hdf5(span)
        if file.start and not _is_of_matlab(span.read(0, file.start)):
            yield evasive(f"{file.start} bytes stand in front of the HDF5 file")
        visit = _Visit(file, [(file.root, "/")])
        while visit.waiting:
            address, path = visit.waiting.pop()
            if address in visit.seen:
                continue
            visit.seen.add(address)
            if len(visit.seen) > MAX_OBJECTS:
                raise malformed(f"it has more than {MAX_OBJECTS} objects")
            yield from _object(visit, address, path)
    except UnfollowedError as error:
        yield unread(f"the HDF5 file has {error}")
    except ArtifactError as error:
        yield evasive(error.message)


def _object(visit: _Visit, address: int, path: str) -> Iterator[Said]:
    shape: tuple[int, ...] = ()
    width = 0
    for message in visit.file.messages(address):
        if message.kind == _SPACE and not message.is_shared:
            shape = _dims(visit.file, message.body)
        elif message.kind == _TYPE and not message.is_shared:
            width = int.from_bytes(message.body[4:8], "little")
        else:
            yield from _message(visit, message, path)
    claimed = width
    for size in shape:
        claimed *= size
    if claimed > max(FROM_BYTES, MAX_RATIO * visit.file.size):
        yield evasive(
            f"the data set {printable(path)!r} claims {claimed} bytes in a file of "
            f"{visit.file.size}"
        )


def _message(visit: _Visit, message: Message, path: str) -> Iterator[Said]:
    body, file = message.body, visit.file
    if message.kind == _ATTRIBUTE:
        yield from _attribute(file, message, path)
    elif message.kind == _LINK_INFO:
        for link in _dense(file, body, 8):
            yield from _link(visit, link, path)
    elif message.kind == _ATTRIBUTE_INFO:
        for raw in _dense(file, body, 2):
            yield from _attribute(file, Message(_ATTRIBUTE, 0, raw), path)
    elif message.kind in _OF_OBJECTS:
        yield from _OF_OBJECTS[message.kind](visit, body, path)


def _dense(file: Hdf5, body: bytes, order_bytes: int) -> Iterator[bytes]:
    """Messages kept outside of the header; a counter may stand in front of the addresses."""
    if len(body) < 2:  # noqa: PLR2004
        raise malformed("a message is cut")
    at = 2 + (order_bytes if body[1] & 1 else 0)
    return dense_messages(file, file.address(body, at), file.address(body, at + file.offsets))


# Links


def _link(visit: _Visit, body: bytes, path: str) -> Iterator[Said]:
    if len(body) < 4:  # noqa: PLR2004
        raise malformed("a link is cut")
    flags, at, kind = body[1], 2, _HARD
    if flags & 8:
        kind, at = body[2], 3
    at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(body[at : at + width], "little")
    at += width
    name = f"{path.rstrip('/')}/{body[at : at + size].decode('utf-8', 'replace')}"
    at += size
    if kind == _HARD:
        visit.waiting.append((visit.file.address(body, at), name[:1000]))
    elif kind != _SOFT:
        target = body[at + 3 :].split(b"\0")[0].decode("utf-8", "replace")
        yield _outside(f"the link {printable(name)!r} leads into the file {printable(target)!r}")


def _outside(text: str) -> Remark:
    return Remark(Grade.CODE, text, f"follows what lies outside: {text}", 0)


def _table(visit: _Visit, body: bytes, path: str) -> Iterator[Said]:
    """An old group: a tree of symbol nodes, and the names in a local heap."""
    file = visit.file
    names = file.local_heap(file.address(body, file.offsets))
    waiting, seen = [file.address(body, 0)], set()
    while waiting:
        address = waiting.pop()
        visit.nodes += 1
        if address in seen or visit.nodes > _MAX_TREE:
            raise malformed("the tree of a group runs in circles")
        seen.add(address)
        head = file.read(address, 8)
        count = int.from_bytes(head[6:8], "little")
        if head[:4] == b"TREE":
            waiting.extend(_children(file, address, count))
        elif head[:4] == b"SNOD":
            yield from _symbols(visit, (address, count), names, path)
        else:
            raise malformed("a group has no tree where its header points")


def _children(file: Hdf5, address: int, count: int) -> Iterator[int]:
    at = 8 + 2 * file.offsets
    step = file.lengths + file.offsets
    data = file.read(address, at + count * step + file.lengths)
    return (file.address(data, at + i * step + file.lengths) for i in range(count))


def _symbols(visit: _Visit, node: tuple[int, int], names: bytes, path: str) -> Iterator[Said]:
    file, (address, count) = visit.file, node
    step = 2 * file.offsets + 24
    data = file.read(address, 8 + count * step)
    for at in range(8, 8 + count * step, step):
        start = file.address(data, at)
        name = names[max(start, 0) :].split(b"\0", 1)[0].decode("utf-8", "replace")
        cached = int.from_bytes(data[at + 2 * file.offsets : at + 2 * file.offsets + 4], "little")
        if cached != 2:  # noqa: PLR2004 - a soft link, which stays inside of the file
            target = file.address(data, at + file.offsets)
            visit.waiting.append((target, f"{path.rstrip('/')}/{name}"[:1000]))
    yield from ()


# Data sets


def _dims(file: Hdf5, body: bytes) -> tuple[int, ...]:
    if len(body) < 4:  # noqa: PLR2004
        raise malformed("a shape is cut")
    rank, start = body[1], 8 if body[0] == 1 else 4
    return tuple(file.length(body, start + i * file.lengths) for i in range(rank))


def _external(visit: _Visit, body: bytes, path: str) -> Iterator[Said]:
    file = visit.file
    heap = file.local_heap(file.address(body, 8))
    used = int.from_bytes(body[6:8], "little")
    at = 8 + file.offsets
    for slot in range(min(used, 8)):
        start = file.length(body, at + slot * 3 * file.lengths)
        name = heap[start:].split(b"\0", 1)[0].decode("utf-8", "replace")
        yield _outside(f"the data set {printable(path)!r} is kept in {printable(name)!r}")


def _layout(visit: _Visit, body: bytes, path: str) -> Iterator[Said]:
    file = visit.file
    if len(body) < 3:  # noqa: PLR2004
        raise malformed("a layout is cut")
    version = body[0]
    kind = body[1] if version > 2 else body[2]  # noqa: PLR2004
    if version > 3 and kind == _VIRTUAL:  # noqa: PLR2004
        yield from _virtual(file, body, path)
    elif version == 3 and kind == 1:  # noqa: PLR2004
        address, size = file.address(body, 2), file.length(body, 2 + file.offsets)
        if address >= 0 and file.base + address + size > file.size:
            yield evasive(f"the data set {printable(path)!r} reaches beyond the file")


def _virtual(file: Hdf5, body: bytes, path: str) -> Iterator[Said]:
    """A data set made of others; a source of ``.`` is the file itself."""
    address = file.address(body, 2)
    if address < 0:
        return
    index = int.from_bytes(body[2 + file.offsets : 6 + file.offsets], "little")
    block = file.global_object(address, index)
    head = block.read(0, 4096)[1 + file.lengths :]
    source = head.split(b"\0", 1)[0].decode("utf-8", "replace")
    if source != ".":
        yield _outside(f"the data set {printable(path)!r} is made from {printable(source)!r}")


_OF_OBJECTS: dict[int, Callable[[_Visit, bytes, str], Iterator[Said]]] = {
    _LINK: _link,
    _TABLE: _table,
    _EXTERNAL: _external,
    _LAYOUT: _layout,
}


# Attributes


def _attribute(file: Hdf5, message: Message, path: str) -> Iterator[Said]:
    if message.is_shared:
        raise UnfollowedError("attributes that objects share")
    body = message.body
    if len(body) < 9 or body[0] not in {1, 2, 3}:  # noqa: PLR2004
        raise malformed("an attribute is cut")
    version = body[0]
    sizes = [int.from_bytes(body[at : at + 2], "little") for at in (2, 4, 6)]
    unit = 8 if version == 1 else 1  # the first version pads its parts
    at = 9 if version == 3 else 8  # noqa: PLR2004
    name = body[at : at + sizes[0]].split(b"\0", 1)[0].decode("utf-8", "replace")
    at += -(-sizes[0] // unit) * unit
    kind = body[at : at + sizes[1]]
    at += -(-sizes[1] // unit) * unit
    at += -(-sizes[2] // unit) * unit
    if version > 1 and body[1] & 1:
        return  # a committed type: numbers or records, which nobody interprets
    for value in _values(file, kind, body[at:]):
        yield from _value(name, value, path)


def _values(file: Hdf5, kind: bytes, data: bytes) -> Iterator[bytes]:
    """The strings of an attribute; other types hold nothing that is interpreted."""
    if len(kind) < 8:  # noqa: PLR2004
        raise malformed("a type is cut")
    code = kind[0] & 15
    if code in {_FIXED_STRING, _OPAQUE}:
        size = int.from_bytes(kind[4:8], "little")
        for at in range(0, len(data), max(size, 1)):
            yield data[at : at + size]
    elif code == _VARIABLE:
        step = 8 + file.offsets
        for at in range(0, len(data) - step + 1, step):
            size = int.from_bytes(data[at : at + 4], "little")
            address = file.address(data, at + 4)
            index = int.from_bytes(data[at + 4 + file.offsets : at + step], "little")
            if size and address >= 0 and index:
                yield file.global_object(address, index).read(0, min(size, MAX_VALUE_BYTES))


def _value(name: str, value: bytes, path: str) -> Iterator[Said]:
    text = value.rstrip(b"\0").lstrip()
    if text[:1] in {b"{", b"["}:
        for remark in judge_keras(text):
            where = f"attribute {printable(name)!r} of {printable(path)!r}"
            yield Remark(remark.grade, f"{where}: {remark.about}", f"{remark.text} ({where})", 0)
    elif text[:1] in _PICKLED:
        yield Nested(f"attribute {printable(name)} of {printable(path)}", span_of(value))


_PICKLED = frozenset({b"\x80", b"(", b"c", b"]", b"}", b"i"})
"""Bytes that pickles begin with; PyTables keeps objects in attributes as pickles."""
