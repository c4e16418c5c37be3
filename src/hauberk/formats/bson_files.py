"""BSON as Julia keeps models: documents that describe types, values and, rarely, code.

BSON.jl writes what JSON cannot say as documents with a ``tag``. Arrays and structures of known
types are data. A method, a lowered function, or a type made on the spot is compiled when the file
is loaded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from hauberk.errors import ArtifactError
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, Said
from hauberk.formats.spans import Span

BSON = "BSON"

MAX_VALUES = 2_000_000
MAX_DEPTH = 200

_FIXED = {1: 8, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 6: 0, 7: 12, 127: 0, 255: 0}
"""Types of one size: doubles, booleans, times, nothing, integers, ids."""

_TEXTS = frozenset({2, 13, 14})
_DOCUMENTS = frozenset({3, 4})
_BYTES, _PATTERN = 5, 11
_CODE_TAGS = frozenset({"methods", "method", "jl_methtable", "jl_anonymous", "anonymous", "expr"})
"""Tags under which code is rebuilt."""

_CODE_NAMES = frozenset(
    {"CodeInfo", "Method", "MethodInstance", "MethodTable", "Expr", "run", "eval", "include", "Cmd"}
    | {
        "ccall",
        "unsafe_load",
        "download",
        "pipeline",
        "Core.CodeInfo",
        "include_string",
        "eval_string",
    }
)


def is_bson(span: Span) -> bool:
    """Whether the bytes are one document to their end."""
    size = int.from_bytes(span.read(0, 4), "little")
    if size != span.size or size < 5 or span.read(size - 1, 1) != b"\0":  # noqa: PLR2004
        return False
    try:
        _Walk(span).document(0, size, 0, "")
    except (ArtifactError, struct.error):
        return False
    return True


def judge_bson(span: Span) -> Iterator[Said]:
    """Code that a document describes.

    Raises:
        ArtifactError: The document is malformed.
    """
    walk = _Walk(span)
    walk.document(0, span.size, 0, "")
    for text in walk.code:
        shown = printable(text)[:80]
        yield Remark(Grade.CODE, shown, f"gives code, described as {shown!r}, and no value", 0)


@dataclass(slots=True)
class _Walk:
    span: Span
    code: dict[str, None] = field(default_factory=dict)
    count: int = 0

    def document(self, at: int, end: int, depth: int, above: str) -> None:
        """Pass over one document; what it says about code is noted."""
        if depth > MAX_DEPTH:
            raise _malformed("documents stand too deep in each other")
        at += 4
        while at < end - 1:
            self.count += 1
            if self.count > MAX_VALUES:
                raise _malformed(f"it has more than {MAX_VALUES} values")
            kind = self.span.read(at, 1)[0]
            name, at = self._name(at + 1)
            at = self._value(kind, name if above != "name" else above, at, depth)
            if at > end - 1:
                raise _malformed("a value reaches beyond its document")

    def _name(self, at: int) -> tuple[str, int]:
        data = self.span.read(at, 256)
        size = data.find(b"\0")
        if size < 0:
            raise _malformed("a name has no end")
        return data[:size].decode("utf-8", "replace"), at + size + 1

    def _value(self, kind: int, name: str, at: int, depth: int) -> int:
        """Where the value ends."""
        if kind in _FIXED:
            return at + _FIXED[kind]
        if kind == _PATTERN:
            return self._name(self._name(at)[1])[1]
        size = int.from_bytes(self.span.read(at, 4), "little", signed=True)
        if size < 0 or size > self.span.size:
            raise _malformed("a length is none")
        if kind in _TEXTS:
            self._text(name, self.span.read(at + 4, min(size, 256)).rstrip(b"\0"))
            return at + 4 + size
        if kind == _BYTES:
            return at + 5 + size
        if kind not in _DOCUMENTS:
            raise _malformed(f"there is no type {kind}")
        self.document(at, at + size, depth + 1, name)
        return at + size

    def _text(self, name: str, value: bytes) -> None:
        text = value.decode("utf-8", "replace")
        if (name == "tag" and text in _CODE_TAGS) or (name == "name" and text in _CODE_NAMES):
            self.code[text] = None


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the BSON is malformed: {reason}",
        rule="one document within bounds",
        found=reason,
        hint="save the model again",
    )
