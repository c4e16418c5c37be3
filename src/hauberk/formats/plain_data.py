"""Formats that belong to models and carry nothing but data: vocabularies and MessagePack.

SentencePiece keeps its vocabulary as a protobuf message (``sentencepiece_model.proto``: pieces with
a text, a score and a type); Flax keeps weights as one MessagePack value whose extensions 1 to 3 are
arrays, complex numbers and scalars. Whole files are walked, strings and arrays skipped by their
lengths: what is not of that form to its end is no such file, and is not taken for harmless.
"""

from __future__ import annotations

import re

from hauberk.errors import ArtifactError
from hauberk.formats.protobuf import Field, Walk, fields
from hauberk.formats.spans import Span

MAX_VALUES = 2_000_000
MAX_DEPTH = 64

_LOOKED_INTO = 100
"""Pieces whose own fields are looked at."""

_VOCABULARY_FIELDS = frozenset({1, 2, 3, 4, 5})
_WINDOW = 1 << 16
_MAP = re.compile(rb"[\x80-\x8f\xde\xdf]")


def data_kind(span: Span) -> str:
    """``SentencePiece``, ``MessagePack``, or empty for anything else."""
    head = span.read(0, 1)
    if head == b"\x0a" and _is_sentencepiece(span):
        return "SentencePiece"
    if _MAP.match(head) and _is_messagepack(span):
        return "MessagePack"
    return ""


def _is_sentencepiece(span: Span) -> bool:
    walk = Walk("SentencePiece model")
    pieces = 0
    try:
        for part in fields(span, walk):
            if part.number not in _VOCABULARY_FIELDS or not part.is_nested:
                return False
            if part.number == 1:
                pieces += 1
                if pieces <= _LOOKED_INTO and not _is_piece(part, walk):
                    return False
    except ArtifactError:
        return False
    return pieces > 0


def _is_piece(part: Field, walk: Walk) -> bool:
    found = {inner.number: inner.is_nested for inner in fields(part.body, walk)}
    return found.get(1) is True and found.get(2) is False and found.get(3, False) is False


class _Cursor:
    """Reads forward in pieces."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._start = 0
        self._data = b""
        self.at = 0

    def number(self, size: int) -> int:
        begin = self.at - self._start
        if begin < 0 or begin + size > len(self._data):
            self._data, self._start, begin = self._span.read(self.at, _WINDOW), self.at, 0
        self.skip(size)
        return int.from_bytes(self._data[begin : begin + size], "big")

    def skip(self, size: int) -> None:
        self.at += size
        if self.at > self._span.size:
            raise EOFError


_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8} | {
    first + step: 1 << step for first in (0xCC, 0xD0) for step in range(4)
}
"""First byte to the bytes behind it: nil, booleans, floats, integers."""

_COUNTED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes and texts: how many bytes their length takes."""

_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXTENSIONS = {0xD4 + step: 1 << step for step in range(5)}
_CODES = frozenset({1, 2, 3, 0xFF})
"""Flax's arrays, complex numbers and scalars, and time stamps."""

_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def _is_messagepack(span: Span) -> bool:
    cursor = _Cursor(span)
    try:
        waiting = [1]
        for _ in range(MAX_VALUES):
            while waiting and not waiting[-1]:
                waiting.pop()
            if not waiting:
                return cursor.at == span.size
            waiting[-1] -= 1
            waiting.append(_value(cursor))
            if len(waiting) > MAX_DEPTH:
                return False
    except (EOFError, ValueError):
        return False
    return False


def _value(cursor: _Cursor) -> int:
    """Pass over one value; the number of values that follow inside of it."""
    first = cursor.number(1)
    if first <= 0x7F or first >= 0xE0:  # noqa: PLR2004 - small integers
        return 0
    if first <= 0x9F:  # noqa: PLR2004 - small maps and lists
        return (first & 0x0F) * (2 if first <= 0x8F else 1)  # noqa: PLR2004
    if first <= 0xBF:  # noqa: PLR2004 - short texts
        cursor.skip(first & 0x1F)
    elif first in _CONTAINERS:
        size, each = _CONTAINERS[first]
        return cursor.number(size) * each
    elif first in _FIXED:
        cursor.skip(_FIXED[first])
    elif first in _COUNTED:
        cursor.skip(cursor.number(_COUNTED[first]))
    else:
        _extension(cursor, first)
    return 0


def _extension(cursor: _Cursor, first: int) -> None:
    if first in _EXTENSIONS:
        size = cursor.number(_EXTENSIONS[first])
    elif first in _FIXED_EXTENSIONS:
        size = _FIXED_EXTENSIONS[first]
    else:
        raise ValueError
    if cursor.number(1) not in _CODES:
        raise ValueError
    cursor.skip(size)
