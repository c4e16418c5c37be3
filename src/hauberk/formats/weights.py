"""Bytes that are the weights of a model or a data set, whatever they are called.

Formats are told by their content. Bytes without a format are told by their layout: numbers of
floating point have a sign and an exponent that hardly vary and a mantissa that looks random, in
a rhythm of two, four or eight bytes; text, pictures and compressed bytes have no such rhythm.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from hauberk.formats.archives import Ledger, Trouble
from hauberk.formats.contents import contents
from hauberk.formats.parts import Kind, Part
from hauberk.formats.spans import Span

MIN_BYTES = 16 << 10
"""Smaller files are fixtures of tests; what they could teach a thief is little."""

SAMPLE_BYTES = 1 << 16

MAX_PARTS = 200
"""Members of one archive that are looked at."""

_FORMATS = {
    Kind.SAFETENSORS: "safetensors",
    Kind.ONNX: "an ONNX model",
    Kind.GGUF: "GGUF",
    Kind.HDF5: "HDF5",
    Kind.TFLITE: "a TensorFlow Lite model",
    Kind.GRAPH: "a TensorFlow graph",
    Kind.BOOSTER: "a model of trees",
    Kind.PICKLE: "a pickle",
    Kind.NPY: "an array",
}
_DATA = {"Parquet", "Arrow"}
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:[0-9a-f]{64}\nsize (\d+)"
)
_WEIGHT_NAMES = re.compile(
    r"\.(safetensors|pt|pth|ckpt|bin|onnx|gguf|ggml|h5|hdf5|keras|pkl|joblib|npz|npy|tflite|pb|dat"
    r"|msgpack|model|weights|params|tar|zip|parquet)$",
    re.IGNORECASE,
)


def weights_in(span: Span, name: str) -> str:
    """What a file holds of a model or a data set, in words; empty where it holds none."""
    pointer = _POINTER.match(span.read(0, 1024)) if span.size < 1024 else None  # noqa: PLR2004
    if pointer:
        is_large = int(pointer[1][:18]) >= MIN_BYTES
        return "a pointer to weights" if is_large and _WEIGHT_NAMES.search(name) else ""
    if span.size < MIN_BYTES:
        return ""
    parts = contents(span, name, (), Ledger(max_bytes=256 << 20))
    found = (
        _of_part(part)
        for _, part in zip(range(MAX_PARTS), parts, strict=False)
        if not isinstance(part, Trouble)
    )
    return next(filter(None, found), "")


def _of_part(part: Part) -> str:
    is_large = part.span.size >= MIN_BYTES
    if part.kind in _FORMATS and is_large:
        return _FORMATS[part.kind]
    if part.kind is Kind.FOREIGN and part.detail in _DATA:
        return f"a data set ({part.detail})"
    is_bare = part.kind in {Kind.UNKNOWN, Kind.STORAGE}
    return "numbers laid out as tensors" if is_bare and looks_like_numbers(part.span) else ""


def looks_like_numbers(span: Span) -> bool:
    """Whether the middle of some bytes has the rhythm of floating point numbers.

    >>> import random, struct
    >>> rng = random.Random(1)
    >>> from hauberk.formats.spans import span_of
    >>> weights = (struct.pack("<f", rng.gauss(0, 1)) for _ in range(9999))
    >>> looks_like_numbers(span_of(b"".join(weights)))
    True
    >>> looks_like_numbers(span_of(rng.randbytes(40_000)))
    False
    """
    start = max(0, span.size // 2 - SAMPLE_BYTES // 2) // 8 * 8
    data = span.read(start, SAMPLE_BYTES)
    return any(
        _has_rhythm([_entropy(data[(shift + at) % width :: width]) for at in range(width)])
        for width in (2, 4, 8)
        for shift in range(width)
    )


_RANDOM = 7.2
"""Bits of one byte of a mantissa; of random bytes 8, of a short sample a little less."""

_STEADY = 5.0
"""Bits of the byte with sign and exponent; weights have some 3 to 4."""

_STEADY_HALF = 6.0
"""The same where two bits of the mantissa share the byte, as in half precision: some 5.4."""


def _has_rhythm(bits: list[float]) -> bool:
    """One steady byte, the last, and random ones before it; wide numbers have two steady ones."""
    head = bits[: max(len(bits) * 3 // 4 - (len(bits) == 4), 1)]  # noqa: PLR2004
    limit = _STEADY_HALF if len(bits) == 2 else _STEADY  # noqa: PLR2004
    return 0.5 < bits[-1] < limit and min(head) > _RANDOM  # noqa: PLR2004


def _entropy(data: bytes) -> float:
    if not data:
        return 0.0
    total = len(data)
    counts: Iterator[int] = iter(Counter(data).values())
    return -sum(n / total * math.log2(n / total) for n in counts)
