"""Bytes that were hidden in the cells of a table or in the lowest bits of its numbers.

A message leaves two traces. As text it is a long cell of letters and digits without words; in
numbers it makes the lowest bits of consecutive cells spell printable text, or the magic bytes
of a file, which measurements do with a chance of nearly nothing.

References:
    Westfeld and Pfitzmann (2000), Attacks on steganographic systems, for the lowest bits. Song,
    Ristenpart and Shmatikov (2017), Machine learning models that remember too much.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

MAX_BITS = 1 << 20
"""Cells of one column that are looked at; a message starts somewhere, mostly at the start."""

MIN_ENCODED = 128
"""Shorter runs of letters and digits are keys, hashes and names of files."""

MIN_SPELT = 48
"""Printable characters in a row: by chance once in 10^20 columns of random bits."""

MIN_ENTROPY = 4.0
"""Bits per character: prose has 4.1 with blanks in it, hexadecimal digits have 4.0."""

_RUN = re.compile(r"[A-Za-z0-9+/=_-]{128,}")
_SPELT = re.compile(rb"[\x20-\x7e\t\r\n]{48,}")
_MAGICS = (
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"\x89PNG\r\n\x1a\n",
    b"%PDF-1.",
    b"\x7fELF\x02",
    b"SQLite f",
)
_MIN_DIFFERENT = 12
_RISES, _FALLS = 0.85, 0.15
"""Bounds of the share of letters that do not come before their predecessor: about half."""

_MIN_ABOVE = 64
_MIN_LETTERS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Where hidden bytes are.

    Attributes:
        how: In words.
        n_bytes: At least so many.
        first_row: Row that they start in.
    """

    column: str
    how: str
    n_bytes: int
    first_row: int


def entropy(text: str) -> float:
    """Bits per character by the frequency of characters.

    >>> entropy("abab")
    1.0
    """
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) + 0.0


def in_text(column: str, cell: str, row: int) -> Payload | None:
    """A long run of encoded bytes in a cell."""
    found = _RUN.search(cell)
    if found is None or entropy(found.group()) < MIN_ENTROPY:
        return None
    return Payload(
        column=column, how="encoded bytes in a text", n_bytes=len(found.group()), first_row=row
    )


def in_numbers(column: str, values: Any) -> Payload | None:
    """Text or a file spelt by the lowest bits of consecutive numbers.

    Args:
        values: ``(n,)`` integers, or floats, whose mantissa then counts.
    """
    whole = _integers(values[:MAX_BITS])
    if whole is None:
        return None
    for name, stream, rows_per_byte in _streams(whole):
        found = _spelt(stream)
        if found is not None:
            start, length = found
            return Payload(
                column=column, how=name, n_bytes=length, first_row=int(start * rows_per_byte)
            )
    return None


def _integers(values: Any) -> Any | None:
    """The bits of each number, missing ones as 0."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64).view(np.uint64)
    if values.dtype.kind != "f":
        return None
    clean = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if values.dtype.itemsize == 4:  # noqa: PLR2004 - single precision
        return clean.astype(np.float32).view(np.uint32).astype(np.uint64)
    return clean.view(np.uint64)


def _streams(whole: Any) -> list[tuple[str, bytes, float]]:
    low = (whole & np.uint64(1)).astype(np.uint8)
    streams = [
        ("text in the lowest bit of each number", np.packbits(low).tobytes(), 8.0),
        (
            "text in the lowest bit of each number",
            np.packbits(low, bitorder="little").tobytes(),
            8.0,
        ),
    ]
    # Small numbers are their own lowest byte, and ages are printable.
    if np.unique(whole >> np.uint64(8)).size >= _MIN_ABOVE:
        last = (whole & np.uint64(0xFF)).astype(np.uint8).tobytes()
        streams.append(("text in the lowest byte of each number", last, 1.0))
    return streams


def _spelt(stream: bytes) -> tuple[int, int] | None:
    for found in _SPELT.finditer(stream):
        text = found.group()
        letters = sum(65 <= (byte & 0xDF) <= 90 for byte in text) / len(text)  # noqa: PLR2004 - A to Z
        if len(set(text)) >= _MIN_DIFFERENT and letters >= _MIN_LETTERS and not _is_counted(text):
            return found.start(), len(text)
    magic = next((m for m in _MAGICS if stream.startswith(m)), None)
    return (0, len(stream)) if magic else None


def _is_counted(text: bytes) -> bool:
    """Whether the letters follow the order of their codes, as the last bytes of ids in order do."""
    rises = sum(one <= other for one, other in pairwise(text)) / max(len(text) - 1, 1)
    return not _FALLS < rises < _RISES
