"""Reports as the text that people and programs read in them."""

from __future__ import annotations

import html
import re
from pathlib import Path

from hauberk.core.artifact import Dataset, Report
from hauberk.errors import ArtifactError

MAX_REPORT_BYTES = 64 << 20

_BLOB = re.compile(r"[A-Za-z0-9+/=]{200,}|(?<=base64,)[A-Za-z0-9+/=]+")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\([nrtbf])")


def open_report(path: Path, train: Dataset) -> Report:
    """The HTML, Markdown, JSON, notebook, CSV or plain text at ``path``, to hold against ``train``.

    Raises:
        ArtifactError: It is too large, or no text.
    """
    with path.open("rb") as file:
        data = file.read(MAX_REPORT_BYTES + 1)
    if len(data) > MAX_REPORT_BYTES:
        raise ArtifactError(
            "the report is too large",
            subject=str(path),
            rule=f"at most {MAX_REPORT_BYTES} bytes",
            hint="split it, and scan its parts",
        )
    wide = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise ArtifactError("the report is not a text", subject=str(path), rule="no zero bytes")
    return Report(name=str(path), text=readable(text), train=train)


def readable(text: str) -> str:
    r"""``text`` without the escapes of JSON and HTML, and without packed pictures.

    >>> readable(r"ann&#64;post.example\n3.5")
    'ann@post.example 3.5'
    """
    plain = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else " ", _BLOB.sub(" ", text))
    return html.unescape(plain)
