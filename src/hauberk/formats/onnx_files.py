"""A light reader of ONNX models: which operators from whom, which files beside them.

It walks the protobuf wire format by offsets and never loads a tensor. Field numbers are
those of ``onnx.proto`` (ONNX 1.16).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hauberk.errors import ArtifactError
from hauberk.formats.spans import Span

MAX_FIELDS = 5_000_000
"""Fields visited in one model; graphs of a hundred thousand nodes have about two million."""

MAX_DEPTH = 32
"""Graphs inside attributes of nodes inside graphs; ``Loop`` in ``If`` needs four."""

MAX_NAME_BYTES = 4096

_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


@dataclass(slots=True)
class OnnxSummary:
    """What a model refers to.

    Attributes:
        operators: ``(domain, operator)`` of all nodes; the default domain is empty.
        functions: ``(domain, name)`` of functions that the model brings along.
        external: Locations of files that hold tensors.
    """

    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    external: set[str] = field(default_factory=set)
    visited: int = 0


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    wire: int
    value: int
    body: Span


def is_onnx(span: Span) -> bool:
    """Whether the bytes are one whole protobuf message with the fields of an ONNX model."""
    if span.read(0, 1) != b"\x08":
        return False
    try:
        numbers = {field.number for field in _fields(span, OnnxSummary())}
    except ArtifactError:
        return False
    return 7 in numbers and numbers <= _MODEL_FIELDS  # noqa: PLR2004 - the graph


def read_onnx(span: Span) -> OnnxSummary:
    """What the model refers to.

    Raises:
        ArtifactError: The message is malformed or too large.
    """
    summary = OnnxSummary()
    for part in _fields(span, summary):
        if part.number == 7 and part.wire == _LENGTH:  # noqa: PLR2004 - the graph
            _graph(part.body, summary, 1)
        elif part.number == 25 and part.wire == _LENGTH:  # noqa: PLR2004 - functions
            _function(part.body, summary)
        elif part.number == 20 and part.wire == _LENGTH:  # noqa: PLR2004 - training
            for inner in _fields(part.body, summary):
                if inner.wire == _LENGTH and inner.number in {1, 2}:
                    _graph(inner.body, summary, 1)
    return summary


def _graph(span: Span, summary: OnnxSummary, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _malformed(f"graphs are nested more than {MAX_DEPTH} deep")
    for part in _fields(span, summary):
        if part.wire != _LENGTH:
            continue
        if part.number == 1:
            _node(part.body, summary, depth)
        elif part.number in {5, 15}:
            _tensor(part.body, summary)


def _node(span: Span, summary: OnnxSummary, depth: int) -> None:
    domain = operator = ""
    for part in _fields(span, summary):
        if part.number == 4:  # noqa: PLR2004
            operator = _text(part)
        elif part.number == 7:  # noqa: PLR2004
            domain = _text(part)
        elif part.number == 5 and part.wire == _LENGTH:  # noqa: PLR2004
            _attribute(part.body, summary, depth)
    summary.operators.add((domain, operator))


def _attribute(span: Span, summary: OnnxSummary, depth: int) -> None:
    for part in _fields(span, summary):
        if part.wire != _LENGTH:
            continue
        if part.number in {6, 11}:
            _graph(part.body, summary, depth + 1)
        elif part.number in {5, 10}:
            _tensor(part.body, summary)


def _tensor(span: Span, summary: OnnxSummary) -> None:
    """A tensor, or a sparse one whose parts are tensors again."""
    for part in _fields(span, summary):
        if part.number == 13 and part.wire == _LENGTH:  # noqa: PLR2004 - external data
            entry = {inner.number: _text(inner) for inner in _fields(part.body, summary)}
            if entry.get(1) == "location":
                summary.external.add(entry.get(2, ""))


def _function(span: Span, summary: OnnxSummary) -> None:
    name = domain = ""
    for part in _fields(span, summary):
        if part.number == 1:
            name = _text(part)
        elif part.number == 10:  # noqa: PLR2004
            domain = _text(part)
        elif part.number == 7 and part.wire == _LENGTH:  # noqa: PLR2004
            _node(part.body, summary, 1)
    summary.functions.add((domain, name))


def _text(part: _Field) -> str:
    return part.body.read(0, MAX_NAME_BYTES).decode("utf-8", "replace")


def _fields(span: Span, summary: OnnxSummary) -> Iterator[_Field]:
    at = 0
    while at < span.size:
        summary.visited += 1
        if summary.visited > MAX_FIELDS:
            raise _malformed(f"it has more than {MAX_FIELDS} fields")
        tag, at = _varint(span, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(span, at)
            yield _Field(number, wire, value, span.part(at, 0))
            continue
        if wire == _LENGTH:
            size, at = _varint(span, at)
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
        else:
            raise _malformed(f"wire type {wire} does not exist")
        if size > span.size - at:
            raise _malformed("a field reaches beyond the message")
        yield _Field(number, wire, 0, span.part(at, size))
        at += size


def _varint(span: Span, at: int) -> tuple[int, int]:
    raw = span.read(at, 10)
    value = 0
    for position, byte in enumerate(raw):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at + position + 1
    raise _malformed("a number never ends")


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the ONNX model is malformed: {reason}",
        rule="one protobuf message as onnx.proto describes it",
        found=reason,
        hint="export the model again",
    )
