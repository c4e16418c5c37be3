"""The protobuf wire format, walked by offsets and without a schema.

Readers of ONNX, SavedModel and Keras metadata share it: they know which numbers matter and
skip the rest, so that tensors are never loaded. A `Walk` counts the fields that were looked
at; the sender decides how many there are, the reader how many it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hauberk.errors import ArtifactError
from hauberk.formats.spans import Span, span_of

MAX_FIELDS = 2_000_000
"""Fields visited in one message; graphs of a hundred thousand nodes have about as many."""

MAX_NAME_BYTES = 4096

LENGTH = 2
"""Wire type of strings, bytes and messages."""

_MEMORY_BYTES = 8 << 20
"""Messages up to this size are read at once: one call instead of one for each field."""

_RUN_BYTES = 1 << 18
_VARINT, _FIXED64, _FIXED32 = 0, 1, 5


@dataclass(slots=True)
class Walk:
    """What one message has cost so far.

    Attributes:
        format: Name of the format, for messages.
    """

    format: str
    visited: int = 0

    def step(self) -> None:
        """Count one field.

        Raises:
            ArtifactError: There are too many.
        """
        self.visited += 1
        if self.visited > MAX_FIELDS:
            raise self.malformed(f"it has more than {MAX_FIELDS} fields")

    def malformed(self, reason: str) -> ArtifactError:
        """The error for a message that breaks the wire format or a bound."""
        return ArtifactError(
            f"the {self.format} is malformed: {reason}",
            rule="one protobuf message within bounds",
            found=reason,
            hint="export the model again",
        )


@dataclass(frozen=True, slots=True)
class Field:
    """One field; ``value`` of a number, ``body`` of everything else."""

    number: int
    wire: int
    value: int
    body: Span

    @property
    def is_nested(self) -> bool:
        """Whether it holds bytes: a string or a message."""
        return self.wire == LENGTH

    def text(self) -> str:
        """The bytes as text; cut after `MAX_NAME_BYTES`."""
        return self.body.read(0, MAX_NAME_BYTES).decode("utf-8", "replace")


def fields(span: Span, walk: Walk, *, passing: frozenset[int] = frozenset()) -> Iterator[Field]:
    """The fields of a message, in file order.

    Args:
        passing: Fields of numbers, floats and names of which only the first two of a list are
            given; those behind are passed over at once, and count as one.

    Raises:
        ArtifactError: The message is malformed or too large.
    """
    source = span_of(span.read(0, span.size)) if span.size <= _MEMORY_BYTES else span
    at, last = 0, -1
    while at < source.size:
        walk.step()
        start = at
        tag, at = varint(source, at, walk)
        is_list = tag == last and tag >> 3 in passing
        if is_list and (passed := run_of(source.read(start, _RUN_BYTES))):
            at = start + passed
            continue
        last = tag
        found, at = _field(source, tag, at, walk)
        yield found


def field_at(span: Span, at: int, walk: Walk) -> tuple[Field, int]:
    """The field that begins at ``at``, and where the next one does.

    Raises:
        ArtifactError: It is malformed.
    """
    tag, at = varint(span, at, walk)
    return _field(span, tag, at, walk)


def _field(span: Span, tag: int, at: int, walk: Walk) -> tuple[Field, int]:
    number, wire = tag >> 3, tag & 7
    if wire == _VARINT:
        value, at = varint(span, at, walk)
        return Field(number, wire, value, span.part(at, 0)), at
    size, at = _size(span, at, wire, walk)
    return Field(number, wire, 0, span.part(at, size)), at + size


_NUMBERS = re.compile(
    rb"([\x08-\x78])[\x80-\xff]{0,9}[\x00-\x7f](?:\1[\x80-\xff]{0,9}[\x00-\x7f])*+"
)
_FLOATS = re.compile(rb"([\x0d-\x7d])[\s\S]{4}(?:\1[\s\S]{4})*+")


def run_of(data: bytes | memoryview) -> int:
    """Bytes of the whole fields of one kind that ``data`` begins with: a list, element by element.

    Numbers, floats and strings of less than 128 bytes, in fields below 16; else nothing.
    """
    tag = data[0] if data else 0xFF
    if tag < 0x80 and tag & 7 in {_VARINT, _FIXED32}:  # noqa: PLR2004 - one byte
        found = (_FLOATS if tag & 7 else _NUMBERS).match(data)
        return found.end() if found else 0
    at = 0
    if tag < 0x80 and tag & 7 == LENGTH:  # noqa: PLR2004 - one byte
        while at + 1 < len(data) and data[at] == tag and data[at + 1] < 0x80:  # noqa: PLR2004
            after = at + 2 + data[at + 1]
            if after > len(data):
                break
            at = after
    return at


def _size(span: Span, at: int, wire: int, walk: Walk) -> tuple[int, int]:
    if wire == LENGTH:
        size, at = varint(span, at, walk)
    elif wire in {_FIXED64, _FIXED32}:
        size = 8 if wire == _FIXED64 else 4
    else:
        raise walk.malformed(f"wire type {wire} does not exist")
    if size > span.size - at:
        raise walk.malformed("a field reaches beyond the message")
    return size, at


def varint(span: Span, at: int, walk: Walk) -> tuple[int, int]:
    """The number at ``at`` and the byte behind it.

    Raises:
        ArtifactError: It never ends.
    """
    value = 0
    for position, byte in enumerate(span.read(at, 10)):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at + position + 1
    raise walk.malformed("a number never ends")


def numbers(field: Field, walk: Walk) -> Iterator[int]:
    """A repeated number, packed or one by one, as signed 64-bit integers."""
    if not field.is_nested:
        yield _signed(field.value)
        return
    at = 0
    while at < field.body.size:
        walk.step()
        value, at = varint(field.body, at, walk)
        yield _signed(value)


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value
