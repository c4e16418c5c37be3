"""Credentials in what a program leaves behind: logs, settings, notebooks, models, pickles.

The forms are those of `hauberk.methods.secrets`. Bytes are read as letters one by one, so that a
text inside a binary file is found as well; nothing is unpacked or loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hauberk.methods.secrets import Secret, find_secrets

PIECE = 1 << 20
_OVERLAP = 8 << 10
"""Longer than every credential; private keys fit too."""
MAX_TOLD = 100
_TEXTUAL = 0.02
"""Share of control letters up to which bytes count as a text."""
_STRING = re.compile(r"[\x20-\x7e]{4,4096}")
_NAME = re.compile(r"[A-Za-z_][\w.-]{2,60}")
_MIN_VALUE = 8
_CELL = re.compile(r"</t([dh])>\s*<t[dh][^>]{0,80}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Leak:
    """One credential.

    Attributes:
        offset: About where it begins, in bytes.
        text: The credential; not to be shown.
    """

    offset: int
    secret: Secret
    text: str


def leaks(file: BinaryIO) -> Iterator[Leak]:
    r"""The credentials in a file, each once, at most `MAX_TOLD`.

    >>> import io
    >>> [leak.secret.provider for leak in leaks(io.BytesIO(b"k\x00AKIA" + b"QZ7LWX2N" * 2))]
    ['AWS']
    """
    seen: set[str] = set()
    kept, start = b"", 0
    while piece := file.read(PIECE):
        data = kept + piece
        for text, settings in _readings(data):
            for secret in find_secrets(text, settings=settings):
                found = text[secret.start : secret.end]
                if found not in seen and len(seen) < MAX_TOLD:
                    seen.add(found)
                    at = max(data.find(found.encode("latin-1")), 0)
                    yield Leak(start + at, secret, found)
        kept = data[-_OVERLAP:]
        start += len(data) - len(kept)


def _readings(data: bytes) -> Iterator[tuple[str, bool]]:
    """Texts that a reader of the bytes could see, and whether they are settings."""
    text = data.decode("latin-1")
    if not _is_text(data):
        yield text, False
        yield _paired(text), True
        return
    yield text.replace("\\n", "  ").replace("\\r", "  "), True
    if _CELL.search(text):
        yield _CELL.sub(" = ", text), True


def _paired(text: str) -> str:
    """Each string of a binary file behind the one before, as a setting.

    A string that begins with the letter of its own length begins behind that letter: so do
    pickles and protocol buffers write them.
    """
    lines, before = [], ""
    for match in _STRING.finditer(text):
        run = match[0]
        length = ord(run[0])
        value = run[1 : 1 + length] if length < len(run) else run
        if len(value) >= _MIN_VALUE:
            name = before if _NAME.fullmatch(before) else "text"
            lines.append(f"{name} = {value}")
        before = value
    return "\n".join(lines)


def _is_text(data: bytes) -> bool:
    head = data[:4096]
    odd = sum(byte < 32 and byte not in b"\t\r\n\f\x1b" for byte in head)  # noqa: PLR2004 - control letters
    return odd <= _TEXTUAL * len(head)
