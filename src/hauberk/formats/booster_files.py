"""Native files of gradient boosting libraries: XGBoost's, CatBoost's and LightGBM's.

They carry no code; what can hurt is a length that no file fills. Types of UBJSON are those of
its draft 12, as XGBoost reads them; its older binary format is read as its C++ writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.remarks import Said, evasive
from hauberk.formats.spans import Span, span_of

MAX_DEPTH = 64
MAX_VALUES = 4_000_000

_MEMORY_BYTES = 64 << 20
_SIZES = {b"Z": 0, b"N": 0, b"T": 0, b"F": 0, b"i": 1, b"U": 1, b"C": 1, b"I": 2, b"l": 4, b"L": 8}
_REALS = {b"d": 4, b"D": 8}
_WIDTHS = _SIZES | _REALS


def judge_booster(span: Span) -> Iterator[Said]:
    """What is wrong with the file; nothing where its lengths fit."""
    magic = span.read(0, 4)
    if magic in _READERS:
        try:
            _READERS[magic](span)
        except ArtifactError as error:
            yield evasive(error.message)
        return
    source = span_of(span.read(0, span.size)) if span.size <= _MEMORY_BYTES else span
    try:
        end = _Walk(source).value(b"{", 1, 0)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    if source.read(end, 64).strip(b"\0N"):
        yield evasive(f"{span.size - end} bytes stand behind the UBJSON value")


# CatBoost


def _catboost(span: Span) -> None:
    """A size, then a flatbuffer whose first field names the format."""
    size = _number(span, 4, 4)
    if size > span.size - 8:
        raise _broken("CatBoost model", f"it claims {size} bytes of {span.size}")
    core = span.part(8, size)
    root = _number(core, 0, 4)
    table = root - _number(core, root, 4, signed=True)
    if _number(core, table, 2) < 6:  # noqa: PLR2004 - two lengths and one field
        return  # an empty model says nothing
    place = root + _number(core, table + 4, 2)
    at = place + _number(core, place, 4)
    name = core.read(at + 4, min(_number(core, at, 4), MAX_NAME_BYTES))
    if not name.isascii() or b"Model" not in name:
        raise _broken("CatBoost model", "its format has no name")


# LightGBM

_LEAVES = re.compile(rb"^num_leaves=(\d{1,20})\r?$", re.MULTILINE)
_CHILDREN = re.compile(rb"^(?:left|right)_child=([-\d ]*)\r?$", re.MULTILINE)


def judge_lightgbm(span: Span) -> Iterator[Said]:
    """Trees whose nodes are not as many as they claim, or lead outside of their tree."""
    if span.size > _MEMORY_BYTES:
        return
    for block in span.read(0, span.size).split(b"\nTree=")[1:]:
        found = _LEAVES.search(block)
        leaves = int(found[1]) if found else 0
        if leaves > span.size:
            yield evasive(f"a tree claims {leaves} leaves in {span.size} bytes")
            return
        for line in _CHILDREN.finditer(block):
            try:
                children = [int(word) for word in line[1].split()]
            except ValueError:
                yield evasive("a tree whose children are no numbers")
                return
            if len(children) != max(leaves - 1, 0) and leaves > 1:
                yield evasive(f"a tree of {leaves} leaves has {len(children)} inner nodes")
                return
            if any(not -leaves <= child < max(leaves - 1, 1) for child in children):
                yield evasive(f"a node leads outside of its tree of {leaves} leaves")
                return


# XGBoost before UBJSON

MAX_NAME_BYTES = 256
MAX_TREES = 10_000_000
_LEARNER_BYTES = 136
_FOREST_BYTES = 160
_TREE_BYTES = 148
_NODE_BYTES = 20 + 16
"""A node and what is known of its gain."""


def _xgboost(span: Span) -> None:
    """Parameters, two names, and for trees their nodes; lengths must lie inside of the file."""
    at = 4 + _LEARNER_BYTES
    names = []
    for _ in range(2):
        size = _number(span, at, 8)
        name = span.read(at + 8, min(size, MAX_NAME_BYTES))
        if not 0 < size <= MAX_NAME_BYTES or len(name) < size or not name.isascii():
            raise _broken("XGBoost binary", f"a name of {size} bytes")
        names.append(name)
        at += 8 + size
    if names[1] not in {b"gbtree", b"dart"}:
        return  # a linear model is its numbers
    count = _number(span, at, 4, signed=True)
    if not 0 <= count <= MAX_TREES:
        raise _broken("XGBoost binary", f"it claims {count} trees")
    at += _FOREST_BYTES
    for _ in range(count):
        nodes, vector = (_number(span, at + place, 4, signed=True) for place in (4, 20))
        if nodes <= 0 or at + _TREE_BYTES + nodes * _NODE_BYTES > span.size:
            raise _broken("XGBoost binary", f"a tree of {nodes} nodes at byte {at}")
        if vector not in {0, 1}:
            return  # vectors in leaves, of versions before 1.0
        at += _TREE_BYTES + nodes * _NODE_BYTES


def _number(span: Span, at: int, size: int, *, signed: bool = False) -> int:
    raw = span.read(at, size) if at >= 0 else b""
    if len(raw) < size:
        raise _broken("file", f"it ends before byte {at + size}")
    return int.from_bytes(raw, "little", signed=signed)


_READERS = {b"CBM1": _catboost, b"binf": _xgboost}


def _broken(what: str, reason: str) -> ArtifactError:
    return ArtifactError(
        f"the {what} is malformed: {reason}",
        rule="lengths lie inside of the file",
        found=reason,
        hint="save the model again, as JSON or UBJSON",
    )


class _Walk:
    def __init__(self, span: Span) -> None:
        self._span = span
        self._values = 0

    def byte(self, at: int) -> bytes:
        found = self._span.read(at, 1)
        if not found:
            raise _malformed("it ends too early")
        return found

    def number(self, at: int) -> tuple[int, int]:
        """A length and the byte behind it."""
        size = _SIZES.get(self.byte(at), 0)
        raw = self._span.read(at + 1, size)
        if not size or len(raw) < size:
            raise _malformed("a length is no number")
        value = int.from_bytes(raw, "big", signed=True) if size > 1 else raw[0]
        if value < 0 or value > self._span.size:
            raise _malformed(f"a length of {value} in {self._span.size} bytes")
        return value, at + 1 + size

    def value(self, kind: bytes, at: int, depth: int) -> int:
        """The byte behind a value of a kind whose content begins at ``at``."""
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise _malformed("it has too many values, or too many inside of each other")
        if kind in _WIDTHS:
            return self._skip(at, _WIDTHS[kind])
        if kind in {b"S", b"H"}:
            size, at = self.number(at)
            return self._skip(at, size)
        if kind in {b"[", b"{"}:
            return self._container(kind, at, depth + 1)
        raise _malformed(f"there is no type {kind!r}")

    def _skip(self, at: int, size: int) -> int:
        if at + size > self._span.size:
            raise _malformed("a value reaches beyond the end")
        return at + size

    def _container(self, kind: bytes, at: int, depth: int) -> int:
        inner, count = b"", -1
        if self.byte(at) == b"$":
            inner, at = self.byte(at + 1), at + 2
        if self.byte(at) == b"#":
            count, at = self.number(at + 1)
        if inner in _WIDTHS and kind == b"[" and count >= 0:
            return self._skip(at, count * _WIDTHS[inner])
        close = b"]" if kind == b"[" else b"}"
        while count != 0 and (count > 0 or self.byte(at) != close):
            if kind == b"{":
                size, at = self.number(at)
                at = self._skip(at, size)
            is_plain = bool(inner)
            at = self.value(inner or self.byte(at), at if is_plain else at + 1, depth)
            count -= count > 0
        return at if count == 0 else at + 1


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the UBJSON is malformed: {reason}",
        rule="one value whose lengths lie inside of the file",
        found=reason,
        hint="save the model again",
    )
