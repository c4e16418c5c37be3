"""UBJSON as XGBoost writes it: one value whose lengths lie inside of the file.

Types are those of draft 12, with the typed arrays of XGBoost.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.spans import Span

MAX_DEPTH = 64
MAX_VALUES = 4_000_000
MAX_KEPT = 500_000
"""Values that are given back; a model of ten thousand trees has some 300,000."""

MAX_TEXT_BYTES = 1 << 20

_SIZES = {b"Z": 0, b"N": 0, b"T": 0, b"F": 0, b"i": 1, b"U": 1, b"C": 1, b"I": 2, b"l": 4, b"L": 8}
_REALS = {b"d": 4, b"D": 8}
_WIDTHS = _SIZES | _REALS
_CODES = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}
_CONSTANTS = {b"T": True, b"F": False}


def read_ubjson(span: Span, *, keeps: bool) -> tuple[Any, int]:
    """The value and the byte behind it; ``None`` for one that was only walked through.

    Args:
        keeps: Whether the value is wanted. One with too many parts is not given back.

    Raises:
        ArtifactError: It is malformed.
    """
    walk = _Walk(span, keeps=keeps)
    value, end = walk.value(b"{", 1, 0)
    return (value if walk.keeps else None), end


class _Walk:
    def __init__(self, span: Span, *, keeps: bool) -> None:
        self._span = span
        self._values = 0
        self.keeps = keeps

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

    def value(self, kind: bytes, at: int, depth: int) -> tuple[Any, int]:
        """A value of a kind whose content begins at ``at``, and the byte behind it."""
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise _malformed("it has too many values, or too many inside of each other")
        self.keeps = self.keeps and self._values <= MAX_KEPT
        if kind in _WIDTHS:
            return self._plain(kind, at)
        if kind in {b"S", b"H"}:
            size, at = self.number(at)
            return self._text(at, size)
        if kind == b"[":
            return self._list(at, depth + 1)
        if kind == b"{":
            return self._object(at, depth + 1)
        raise _malformed(f"there is no type {kind!r}")

    def _plain(self, kind: bytes, at: int) -> tuple[Any, int]:
        end = self._skip(at, _WIDTHS[kind])
        if not self.keeps or kind not in _CODES:
            return _CONSTANTS.get(kind), end
        return _numbers(kind, self._span.read(at, end - at))[0], end

    def _text(self, at: int, size: int) -> tuple[Any, int]:
        end = self._skip(at, size)
        is_kept = self.keeps and size <= MAX_TEXT_BYTES
        return (self._span.read(at, size).decode("utf-8", "replace") if is_kept else None), end

    def _skip(self, at: int, size: int) -> int:
        if at + size > self._span.size:
            raise _malformed("a value reaches beyond the end")
        return at + size

    def _begin(self, at: int) -> tuple[bytes, int, int]:
        """Type of all members, their number, and where they begin; empty and -1 if unsaid."""
        inner, count = b"", -1
        if self.byte(at) == b"$":
            inner, at = self.byte(at + 1), at + 2
        if self.byte(at) == b"#":
            count, at = self.number(at + 1)
        return inner, count, at

    def _list(self, at: int, depth: int) -> tuple[Any, int]:
        inner, count, at = self._begin(at)
        if inner in _WIDTHS and count >= 0:
            end = self._skip(at, count * _WIDTHS[inner])
            is_kept = self.keeps and inner in _CODES
            return (_numbers(inner, self._span.read(at, end - at)) if is_kept else None), end
        found: list[Any] = []
        while count != 0 and (count > 0 or self.byte(at) != b"]"):
            item, at = self._member(inner, at, depth)
            if self.keeps:
                found.append(item)
            count -= count > 0
        return found, at if count == 0 else at + 1

    def _object(self, at: int, depth: int) -> tuple[Any, int]:
        inner, count, at = self._begin(at)
        found: dict[str, Any] = {}
        while count != 0 and (count > 0 or self.byte(at) != b"}"):
            size, at = self.number(at)
            key, at = self._text(at, size)
            item, at = self._member(inner, at, depth)
            if self.keeps:
                found[str(key)] = item
            count -= count > 0
        return found, at if count == 0 else at + 1

    def _member(self, inner: bytes, at: int, depth: int) -> tuple[Any, int]:
        return self.value(inner or self.byte(at), at if inner else at + 1, depth)


def _numbers(kind: bytes, raw: bytes) -> array[Any]:
    found: array[Any] = array(_CODES[kind], raw)
    if sys.byteorder == "little":
        found.byteswap()
    return found


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the UBJSON is malformed: {reason}",
        rule="one value whose lengths lie inside of the file",
        found=reason,
        hint="save the model again",
    )
