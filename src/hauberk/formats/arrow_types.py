"""Schemas of Arrow and Parquet that have the type of a column unpickled.

A column may name a type of its own; under one name, ``arrow.py_extension_type``, what describes
the type is a pickle, which pyarrow before 14.0.1 loads when it opens the file (CVE-2023-47248).
Other libraries register names of their own: Ray unpickles the values of a column, and in some
versions what describes its tensors; Petastorm the description of a whole data set.
Arrow keeps its schema in front and at the end, Parquet as base64 in its last block.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import NamedTuple

from hauberk.formats.spans import Span, span_of

UNPICKLED = {
    b"arrow.py_extension_type": "has the type of a column unpickled, as pyarrow before 14.0.1 does",
    b"ray.data.arrow_pickled_object": "has the values of a column unpickled by Ray",
    b"dataset-toolkit.unischema": "has its description unpickled by Petastorm",
}
"""What stands in a schema to who unpickles what."""

_TENSOR = re.compile(rb"ray\.data\.arrow_(?:variable_shaped_)?tensor")
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95c}\](X\x8c]")
_SCHEMA = re.compile(rb"ARROW:schema[^A-Za-z0-9+/]{1,16}([A-Za-z0-9+/=]{64,})")
_LOOKED_AT = 4 << 20
"""Schemas of ten thousand columns are smaller."""


class Unpickled(NamedTuple):
    """A part of a file that is unpickled, and by whom."""

    span: Span
    text: str


def unpickled_parts(span: Span) -> Iterator[Unpickled]:
    """What is unpickled of a file of columns; nothing of nearly all of them."""
    for start in sorted({0, max(0, span.size - _LOOKED_AT)}):
        data = span.read(start, _LOOKED_AT)
        for text in _unpickled(data):
            yield Unpickled(span.part(start, min(_LOOKED_AT, span.size - start)), text)
        for found in _SCHEMA.finditer(data):
            schema = _decoded(found[1])
            for text in _unpickled(schema):
                yield Unpickled(span_of(schema), text)
                # Values lie elsewhere than the schema that says what they are.
                yield Unpickled(span.part(0, _LOOKED_AT), text)


def _unpickled(data: bytes) -> Iterator[str]:
    for name, text in UNPICKLED.items():
        if name in data:
            yield text
    for found in _TENSOR.finditer(data):
        if _PICKLE.search(data, found.end(), found.end() + _NEAR):
            yield "has the type of a column of tensors unpickled by Ray"
            return


_NEAR = 512
"""Bytes between the name of a type and what describes it."""


def _decoded(data: bytes) -> bytes:
    """What base64 stands for, as far as it is whole: bytes before it may look like it."""
    plain = data.rstrip(b"=")
    return b64decode(plain[: len(plain) // 4 * 4])
