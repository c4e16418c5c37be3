"""MATLAB's files of version 5: which of their variables are more than numbers.

A file is a list of elements, each packed by itself; an array says its class in its first words.
Numbers and characters are passed over. Cells, structures and objects are looked into, for a
function handle holds the text of a function, and an object of Java is unserialised when the file is
loaded. Version 7.3 is HDF5, and read as that.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Literal

from hauberk.errors import ArtifactError
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, Said, evasive, unread
from hauberk.formats.spans import Span, span_of

MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 64
MAX_UNPACKED = 64 << 20
"""Bytes of one packed variable that is a container; of numbers only the first are unpacked."""

_HEADER, _LOOK = 128, 1 << 16
_PACKED, _MATRIX = 15, 14
_OBJECT, _FUNCTION, _OPAQUE = 3, 16, 17
_CONTAINERS = frozenset({1, 2, _OBJECT, _FUNCTION, _OPAQUE})
"""Classes of arrays that hold others: cells, structures, objects, functions."""

_REACHES = re.compile(
    rb"\b(system|unix|dos|eval\w*|feval|perl|python|urlread|urlwrite|webread|websave|delete|rmdir"
    rb"|unlink|py\.\w+|java\.lang\.\w+|javaMethod|javaObject|loadlibrary|mex|setenv|ftp|tcpclient)\b"
    rb"|^\s*!"
)
_CLASS = re.compile(rb"[A-Za-z_][\w.]{2,80}")
_OF_MATLAB = re.compile(
    r"MCOS|FileWrapper__|table|timetable|string|datetime|duration|categorical|containers\.Map|function_handle"
    r"|dlarray|\w*network|\w*Network|nnet\.\w[\w.]*|Classification\w+|Regression\w+|classreg\.[\w.]+"
    r"|(Compact)?(Linear|Generalized)\w*Model|TreeBagger|cvpartition|gmdistribution|prob\.\w+|inline"
)
"""Classes that MATLAB and its toolboxes save models and tables as."""


class _Reader:
    def __init__(self, *, is_little: bool) -> None:
        self.order: Literal["little", "big"] = "little" if is_little else "big"
        self.count = 0

    def elements(self, data: Span, start: int) -> Iterator[tuple[int, Span]]:
        """Types and bytes of the elements that stand behind each other."""
        at = start
        while at + 8 <= data.size:
            self.count += 1
            if self.count > MAX_ELEMENTS:
                raise _malformed(f"it has more than {MAX_ELEMENTS} elements")
            kind, size, start = self._tag(data, at)
            if size > data.size - start:
                raise _malformed("an element reaches beyond its variable")
            yield kind, data.part(start, size)
            is_small = start == at + 4
            at = at + 8 if is_small else start + (size if kind == _PACKED else -(-size // 8) * 8)

    def _tag(self, data: Span, at: int) -> tuple[int, int, int]:
        """Type, size, and where the bytes begin; four bytes at most stand in the tag itself."""
        kind, size = (int.from_bytes(data.read(at + 4 * half, 4), self.order) for half in (0, 1))
        if kind >> 16:
            return kind & 0xFFFF, _small(kind >> 16), at + 4
        return kind, size, at + 8

    def class_of(self, array: Span) -> int:
        return int.from_bytes(array.read(8, 4), self.order) & 0xFF


def _small(size: int) -> int:
    if size > 4:  # noqa: PLR2004 - what is left of the tag
        raise _malformed("an element is longer than its tag")
    return size


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the MATLAB file is malformed: {reason}",
        rule="a list of elements within bounds",
        found=reason,
        hint="save the variables again",
    )


def judge_matlab(span: Span) -> Iterator[Said]:
    """Functions and objects among the variables of a file.

    Raises:
        ArtifactError: The file is malformed.
    """
    mark = span.read(126, 2)
    if mark not in {b"IM", b"MI"}:
        raise _malformed("it does not say the order of its bytes")
    reader = _Reader(is_little=mark == b"IM")
    for kind, body in reader.elements(span, _HEADER):
        if kind == _PACKED:
            yield from _packed(body, reader)
        elif kind == _MATRIX:
            yield from _array(body, reader, MAX_DEPTH)


def _packed(body: Span, reader: _Reader) -> Iterator[Said]:
    """One variable as a stream of zlib; of numbers only the first bytes are unpacked."""
    try:
        head = zlib.decompressobj().decompress(body.read(0, _LOOK), _LOOK)
        if reader.class_of(span_of(head).part(8)) not in _CONTAINERS:
            return
        whole = zlib.decompressobj().decompress(body.read(0, MAX_UNPACKED), MAX_UNPACKED + 1)
    except zlib.error:
        yield evasive("the MATLAB file is malformed: a packed variable is broken")
        return
    if len(whole) > MAX_UNPACKED:
        yield unread(f"a variable of more than {MAX_UNPACKED} bytes")
        whole = whole[:0]
    for kind, inner in reader.elements(span_of(whole), 0):
        if kind == _MATRIX:
            yield from _array(inner, reader, MAX_DEPTH)


def _array(array: Span, reader: _Reader, depth: int) -> Iterator[Said]:
    if not depth:
        raise _malformed(f"arrays stand {MAX_DEPTH} deep in each other")
    kind = reader.class_of(array)
    if kind not in _CONTAINERS:
        return
    if kind == _FUNCTION:
        yield from _function(array)
    elif kind in {_OBJECT, _OPAQUE}:
        yield from _object(array, is_opaque=kind == _OPAQUE)
    for inner, body in reader.elements(array, 0):
        if inner == _MATRIX:
            yield from _array(body, reader, depth - 1)


def _function(array: Span) -> Iterator[Remark]:
    text = array.read(0, _LOOK).replace(b"\0", b"")
    found = _REACHES.search(text)
    if found:
        name = printable(found[0].decode("latin-1"))
        yield Remark(Grade.CODE, name, f"gives a function that calls {name}", 0)
    else:
        yield Remark(Grade.UNKNOWN, "function", "holds a function, which its user may call", 0)


def _object(array: Span, *, is_opaque: bool) -> Iterator[Remark]:
    names = [name.decode("ascii") for name in _CLASS.findall(array.read(0, 512))]
    if is_opaque and "java" in names:
        shown = printable(next((name for name in names if name.startswith("java.")), "java"))
        text = f"makes an object of Java, {shown}, from bytes of its own"
        yield Remark(Grade.CODE, shown, text, 0)
    elif not any(_OF_MATLAB.fullmatch(name) for name in names):
        shown = printable(names[-1] if names else "?")
        text = f"holds an object of the class {shown!r}, whose code runs when it is loaded"
        yield Remark(Grade.UNKNOWN, shown, text, 0)
