"""Patches: new bytes as copies out of old ones with what is new in between.

A patch is a sequence of ``(skipped, copied, literal)`` numbers, 32 bits each, little-endian,
with the literal's bytes behind them: from where the last copy ended, skip bytes of the old
(back, where the number is negative), copy the next ``copied`` ones, then take the literal.
The whole is compressed. Whoever applies one checks the digest of what it
makes, so a patch is never believed, only bounded.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from hauberk.errors import ArtifactError
from hauberk.trust.versions.chunks import fine_ends

MAX_BYTES: Final = 64 << 20
"""Longest stretch, old or new, that a patch is made for; it is held in memory."""

_STEP = struct.Struct("<iII")
_GROWTH: Final = 1032  # zlib's largest ratio of expansion


def make(old: bytes, new: bytes) -> bytes:
    """A patch that makes ``new`` of ``old``; large where they have little in common."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    steps = [(0, head, b"")]
    steps += _middle(old[head : len(old) - tail], new[head : len(new) - tail], head)
    steps.append((len(old) - tail, tail, b""))
    return zlib.compress(b"".join(_packed(_merged(steps))), 6)


def _merged(steps: Iterable[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, bytes]]:
    """The same steps, with copies that follow each other in the old bytes as one."""
    start, copied, literal = 0, 0, b""
    for offset, length, new in steps:
        if not literal and (offset == start + copied or not length):
            copied += length
            literal = new
        elif length or new:
            yield start, copied, literal
            start, copied, literal = offset, length, new
    yield start, copied, literal


def _packed(steps: Iterable[tuple[int, int, bytes]]) -> Iterator[bytes]:
    place = 0
    for offset, copied, literal in steps:
        yield _STEP.pack(offset - place, copied, len(literal)) + literal
        place = offset + copied


def _common(one: bytes, other: bytes) -> int:
    """Length of the common beginning."""
    import numpy as np

    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    step = 1 << 16
    for at in range(0, length, step):
        a, b = one[at : min(at + step, length)], other[at : min(at + step, length)]
        if a != b:
            different = np.frombuffer(a, np.uint8) != np.frombuffer(b, np.uint8)
            return at + int(different.argmax())
    return length


def _middle(old: bytes, new: bytes, base: int) -> Iterator[tuple[int, int, bytes]]:
    """Steps for what lies between the common beginning and end."""
    places: dict[bytes, list[int]] = {}
    for start, end in pairwise([0, *fine_ends(old)]):
        places.setdefault(old[start:end], []).append(start)
    position, literal = 0, bytearray()
    for start, end in pairwise([0, *fine_ends(new)]):
        piece = new[start:end]
        place = _place(old, places, piece, position)
        if place is None:
            literal += piece
            continue
        yield from _gap(old, position, place, bytes(literal), base)
        literal.clear()
        yield base + place, len(piece), b""
        position = place + len(piece)
    yield from _gap(old, position, len(old), bytes(literal), base)


def _place(old: bytes, places: dict[bytes, list[int]], piece: bytes, position: int) -> int | None:
    """Where ``piece`` lies in the old bytes: right behind the last copy, else nearest to it."""
    if piece and old.startswith(piece, position):
        return position
    found = places.get(piece)
    if not found:
        return None
    at = bisect_left(found, position)
    near = found[max(at - 1, 0) : at + 1]
    return min(near, key=lambda place: abs(place - position))


def _gap(
    old: bytes, start: int, end: int, literal: bytes, base: int
) -> Iterator[tuple[int, int, bytes]]:
    """New bytes between two copies, shortened by what they share with the old gap there."""
    if not literal:
        return
    before = old[start:end] if start < end else b""
    head = _common(before, literal)
    tail = _common(before[head:][::-1], literal[head:][::-1])
    yield base + start, head, literal[head : len(literal) - tail]
    if tail:
        yield base + end - tail, tail, b""


def apply(old: bytes, patch: bytes, size: int) -> bytes:
    """The ``size`` bytes that ``patch`` makes of ``old``.

    Raises:
        ArtifactError: It is malformed, or makes another number of bytes.
    """
    made, total = [], 0
    for offset, copied, literal in _steps(patch, size):
        if not 0 <= offset <= offset + copied <= len(old):
            raise _malformed("copies inside the old bytes")
        total += copied + len(literal)
        if total > size:
            raise _malformed(f"{size} bytes of result")
        made += [old[offset : offset + copied], literal]
    if total != size:
        raise _malformed(f"{size} bytes of result")
    return b"".join(made)


def _steps(patch: bytes, size: int) -> Iterator[tuple[int, int, bytes]]:
    inflater = zlib.decompressobj()
    limit = min(size * 13 + (1 << 16), len(patch) * _GROWTH + 64)  # a step may copy one byte
    try:
        packed = inflater.decompress(patch, limit)
    except zlib.error as error:
        raise _malformed("a compressed stream") from error
    if not inflater.eof or inflater.unused_data:
        raise _malformed("one compressed stream within its bound")
    at = place = 0
    while at < len(packed):
        if len(packed) - at < _STEP.size:
            raise _malformed("whole steps")
        skipped, copied, length = _STEP.unpack_from(packed, at)
        offset = place + skipped
        place = offset + copied
        at += _STEP.size
        if len(packed) - at < length:
            raise _malformed("whole literals")
        yield offset, copied, packed[at : at + length]
        at += length


def _malformed(expected: str) -> ArtifactError:
    return ArtifactError(
        "this is no patch",
        rule="patches copy from the old bytes and add new ones, within bounds",
        expected=expected,
        found="something else",
        hint="restore the store from a backup",
    )
