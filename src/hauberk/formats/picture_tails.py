"""What stands behind the end of a picture: a file that is a picture and something else, too.

Decoders stop at a picture's end and take no notice of what follows; whoever opens the same file as
an archive, or as a program, finds that. Cameras append previews, depth maps and films, so bytes
behind the end are told only where they are an archive, a program or a pickle.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

MAX_STEPS: Final = 200_000
"""Chunks, blocks and segments of one picture that are walked."""

_LOOKED_AT = 4_096
_CARRIED = (
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x8b\x08", "a gzip stream"),
    (b"BZh", "a bzip2 stream"),
    (b"\xfd7zXZ\x00", "an xz stream"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a program (PE)"),
    (b"#!", "a script"),
    (b"<?php", "a script (PHP)"),
    (b"<script", "a script (HTML)"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04\x95", "a pickle"),
    (b"\x80\x05\x95", "a pickle"),
)
_ENTRY, _DIRECTORY = b"PK\x01\x02", b"PK\x05\x06"
_BLANK = b" \t\r\n\0"


def carried(data: bytes) -> str:
    """What a picture is besides, in words; empty where nothing is known of that kind.

    Args:
        data: The whole file.
    """
    end = _end(data)
    if end is not None:
        tail = data[end : end + _LOOKED_AT].lstrip(_BLANK)
        lower = tail[:16].lower()
        for magic, what in _CARRIED:
            if tail.startswith(magic) or (magic.startswith(b"<") and lower.startswith(magic)):
                return f"{what} behind its end, {len(data) - end} bytes"
    return "a zip archive, whose directory ends the file" if _is_zip(data) else ""


def _is_zip(data: bytes) -> bool:
    """Whether the file ends with a directory of an archive that has an entry."""
    place = data.rfind(_DIRECTORY, max(0, len(data) - 66_000))
    if place < 0 or len(data) < place + 22:
        return False
    count, size = struct.unpack_from("<HI", data, place + 10)
    start = place - size
    return count > 0 and start >= 0 and data[start : start + 4] == _ENTRY


def _end(data: bytes) -> int | None:
    """Where a picture ends that tells so itself."""
    try:
        for magic, walk in _WALKS:
            if data.startswith(magic):
                return walk(data)
    except (IndexError, ValueError, struct.error):
        return None  # it breaks off; its decoder says so
    return None


def _png(data: bytes) -> int | None:
    place = 8
    for _ in range(MAX_STEPS):
        length: int = struct.unpack_from(">I", data, place)[0]
        name = data[place + 4 : place + 8]
        place += 12 + length
        if name == b"IEND":
            return place
    return None


def _gif(data: bytes) -> int | None:
    place = 13 + _palette(data[10])
    for _ in range(MAX_STEPS):
        kind = data[place]
        if kind == 0x3B:  # noqa: PLR2004 - the trailer
            return place + 1
        if kind == 0x21:  # noqa: PLR2004 - an extension
            place += 2
        elif kind == 0x2C:  # noqa: PLR2004 - a picture
            place += 11 + _palette(data[place + 9])
        else:
            return None
        while data[place]:
            place += data[place] + 1
        place += 1
    return None


def _palette(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _jpeg(data: bytes) -> int | None:
    place = 2
    for _ in range(MAX_STEPS):
        if data[place] != 0xFF:  # noqa: PLR2004 - every marker begins so
            return None
        kind = data[place + 1]
        if kind == 0xD9:  # noqa: PLR2004 - the end
            return place + 2
        if kind == 0xFF:  # noqa: PLR2004 - filling
            place += 1
            continue
        length: int = struct.unpack_from(">H", data, place + 2)[0]
        place += 2 + length
        if kind == 0xDA:  # noqa: PLR2004 - pixels, up to the next marker that is none of theirs
            place = _after_pixels(data, place)
    return None


def _after_pixels(data: bytes, place: int) -> int:
    while True:
        place = data.index(b"\xff", place)
        if data[place + 1] != 0 and not 0xD0 <= data[place + 1] <= 0xD7:  # noqa: PLR2004
            return place
        place += 2


def _riff(data: bytes) -> int | None:
    size: int = struct.unpack_from("<I", data, 4)[0]
    return 8 + size + size % 2 if data[8:12] == b"WEBP" else None


def _bmp(data: bytes) -> int | None:
    size: int = struct.unpack_from("<I", data, 2)[0]
    return size or None


_WALKS: tuple[tuple[bytes, Callable[[bytes], int | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"\xff\xd8", _jpeg),
    (b"RIFF", _riff),
    (b"BM", _bmp),
)
