"""Schemas of Arrow and Parquet that have the type of a column unpickled.

A column may name a type of its own; under one name, ``arrow.py_extension_type``, what describes
the type is a pickle, which pyarrow before 14.0.1 loads when it opens the file (CVE-2023-47248).
Arrow keeps its schema in front and at the end, Parquet as base64 in its last block.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator

from hauberk.formats.spans import Span, span_of

_NAME = b"arrow.py_extension_type"
_SCHEMA = re.compile(rb"ARROW:schema[^A-Za-z0-9+/]{1,16}([A-Za-z0-9+/=]{64,})")
_LOOKED_AT = 4 << 20
"""Schemas of ten thousand columns are smaller."""


def unpickled_schemas(span: Span) -> Iterator[Span]:
    """The schemas in a file under which a type is unpickled; none of nearly all files."""
    for start in sorted({0, max(0, span.size - _LOOKED_AT)}):
        data = span.read(start, _LOOKED_AT)
        if _NAME in data:
            yield span.part(start, min(_LOOKED_AT, span.size - start))
        for found in _SCHEMA.finditer(data):
            if _NAME in (schema := _decoded(found[1])):
                yield span_of(schema)


def _decoded(data: bytes) -> bytes:
    """What base64 stands for, as far as it is whole: bytes before it may look like it."""
    plain = data.rstrip(b"=")
    return b64decode(plain[: len(plain) // 4 * 4])
