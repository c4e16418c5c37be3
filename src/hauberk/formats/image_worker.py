"""The worker's side of reading pictures: decoders of foreign bytes run here and nowhere else.

Both tasks take JSON and give one JSON line followed by raw pixels. A file that breaks a
rule is named with the rule; it never ends the others.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 64 << 20
"""Pictures that people train on have some megabytes at most."""

MAX_PIXELS = 50_000_000
"""Declared width times height; decoded in colour this takes 150 MB."""

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_GREY = {"1", "L", "LA", "I", "I;16", "F"}
_GPS = 0x8825


def survey(payload: bytes) -> bytes:
    """Size and mode of each file from its header.

    Args:
        payload: JSON with ``files``, a list of paths.

    Returns:
        JSON: for each file ``[width, height, is_grey, notes, carried]`` or a text, the rule it
        breaks; ``carried`` says what the file is besides a picture.
    """
    files = json.loads(payload)["files"]
    return json.dumps([_surveyed(Path(file)) for file in files]).encode()


def _surveyed(path: Path) -> Any:
    from hauberk.formats.picture_tails import carried

    found = _guarded(path, _described)
    return found if isinstance(found, str) else [*found, carried(path.read_bytes())]


def decode(payload: bytes) -> bytes:
    """Pixels of each file at one size.

    Args:
        payload: JSON with ``files``, ``width``, ``height`` and ``grey``.

    Returns:
        A line of JSON, for each file ``null`` or the rule it breaks, then the pixels of the
        others in their order, height by width by channels, uint8.
    """
    request = json.loads(payload)
    size, mode = (request["width"], request["height"]), "L" if request["grey"] else "RGB"
    pixels: list[bytes] = []
    troubles: list[str | None] = []
    for file in request["files"]:
        found = _guarded(Path(file), lambda image: _pixels(image, size, mode))
        troubles.append(found if isinstance(found, str) else None)
        if isinstance(found, bytes):
            pixels.append(found)
    return json.dumps(troubles).encode() + b"\n" + b"".join(pixels)


def _guarded(path: Path, work: Any) -> Any:
    """What ``work`` makes of the picture, or a text with the rule that the file breaks."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return f"larger than {MAX_FILE_BYTES} bytes"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    return f"declares {image.width} x {image.height} pixels"
                return work(image)
    except Image.DecompressionBombError:
        return f"declares more than {MAX_PIXELS} pixels"
    except UnidentifiedImageError:
        return "no picture of a known format"
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
        return f"cannot be decoded ({type(error).__name__})"


def _described(image: Any) -> list[Any]:
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("several frames, of which the first is used")
    if image.mode == "CMYK":
        notes.append("CMYK, read as RGB")
    if _GPS in image.getexif():
        notes.append("carries a position (EXIF GPS)")
    return [image.width, image.height, image.mode in _GREY, notes]


def _pixels(image: Any, size: tuple[int, int], mode: str) -> bytes:
    from PIL import Image

    image.load()
    plain = _eight_bits(image)
    shown = plain if plain.mode == mode else plain.convert(mode)
    if shown.size != size:
        shown = shown.resize(size, Image.Resampling.BOX)
    raw: bytes = shown.tobytes()
    return raw


def _eight_bits(image: Any) -> Any:
    """Sixteen-bit and floating-point greys scaled; Pillow would cut them off at 255."""
    if image.mode not in {"I", "I;16", "F"}:
        return image
    wide = image.convert("F")
    low, high = wide.getextrema()
    top = 65_535 if high > 255 else 255  # noqa: PLR2004 - eight bits
    if image.mode == "F" and low >= 0 and high <= 1:
        top = 1
    return wide.point(lambda value: value * (255 / top)).convert("L")
