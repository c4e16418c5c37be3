"""The header of ``.npy`` files: enough to know whether a pickle follows it.

Format: numpy's ``lib/format`` documentation, versions 1.0 to 3.0.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.remarks import Said, evasive
from hauberk.formats.spans import Span

MAGIC = b"\x93NUMPY"

MAX_HEADER_BYTES = 10_000
"""numpy itself refuses longer headers unless it is told to trust the file."""


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What stands before the data.

    Attributes:
        data: First byte of the data.
        has_objects: Whether the data is a pickle.
    """

    data: int
    descr: Any
    has_objects: bool
    shape: tuple[int, ...] = ()


def read_npy_header(span: Span) -> NpyHeader:
    """The header at the beginning of ``span``.

    Raises:
        ArtifactError: It is malformed or too long.
    """
    head = span.read(0, 12)
    if not head.startswith(MAGIC) or len(head) < 12:  # noqa: PLR2004
        raise _malformed("it does not begin with the magic of the format")
    wide = head[6] > 1
    start = 12 if wide else 10
    size = int.from_bytes(head[8:start], "little")
    if size > MAX_HEADER_BYTES:
        raise _malformed(f"its header claims {size} bytes")
    try:
        text = span.read(start, size).decode("latin-1").strip()
        # Python 2 on Windows wrote long integers; numpy drops their letter, too.
        fields = ast.literal_eval(_LONG.sub(r"\1", text))
        descr = fields["descr"]
        shape = tuple(int(size) for size in fields["shape"])
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise _malformed("its header is no dictionary of constants") from error
    return NpyHeader(start + size, descr, _has_objects(descr), shape)


_SIZE = re.compile(r"[<>|=]?([biufcSVUmM?])(\d*)(\[\w+\])?")


def judge_npy(span: Span) -> Iterator[Said]:
    """An array of numbers: its shape against the bytes behind its header.

    Raises:
        ArtifactError: The header is malformed.
    """
    header = read_npy_header(span)
    width = _width(header.descr)
    claimed = width
    for size in header.shape:
        if size < 0:
            yield evasive("a shape is negative")
            return
        claimed *= size
    if width and claimed > span.size - header.data:
        yield evasive(f"the array claims {claimed} bytes of {span.size - header.data}")


def _width(descr: Any) -> int:
    """Bytes of one element of a plain type; 0 for records, which are not judged."""
    match = _SIZE.fullmatch(descr) if isinstance(descr, str) else None
    if match is None:
        return 0
    size = int(match[2] or 1)
    return size * 4 if match[1] == "U" else size


_LONG = re.compile(r"\b(\d+)L\b")


def _has_objects(descr: Any) -> bool:
    """Whether a type description holds objects, anywhere in it."""
    if isinstance(descr, str):
        return "O" in descr
    return isinstance(descr, (list, tuple)) and any(_has_objects(item) for item in descr)


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the npy file is malformed: {reason}",
        rule="a header of constants, at most 10,000 bytes long",
        found=reason,
        hint="write the array again with numpy.save(..., allow_pickle=False)",
    )
