"""What two servers could read differently in the head of a request, refused before it is read.

HTTP libraries are lenient where standards once were, each in its own way; a request that one
of them cuts elsewhere than the next smuggles a second one. The head of each request is held
against the narrow form that RFC 9112 asks senders to use:

1. Lines end with CR LF; neither stands alone, no line is folded, and no other control character
   stands in one (sections 2.2, 5.2 and 5.5).
2. The version is 1.0 or 1.1, and the target has no bare ``?``.
3. A length stands once and is digits (section 6.3); it does not stand beside a coding.
4. The only transfer coding is ``chunked``, said once; a chunk's size has at most 8 digits and no
   extension where it can be seen with the head.
5. No name of a header ends with blanks (section 5.1).
"""

from __future__ import annotations

import re
from typing import Any

MAX_HEAD = 64 << 10

_ALONE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\r\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FIRST = re.compile(rb"[!-~]+ [!-~]*[!->@-~] HTTP/1\.[01]\r\n")
_BLANK = re.compile(rb"\r\n[^:\r\n]*[ \t]+:")
_LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)\r\n", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:([^\r\n]*)\r\n", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]+")
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,8}(?:\r\n?)?")


_MAX_LINE = 20


def is_ambiguous(head: bytes, body: bytes = b"") -> bool:
    """Whether the head of a request leaves the narrow form.

    Args:
        head: With the empty line that ends it.
        body: What is known of the body so far.
    """
    if _ALONE.search(head) or _BLANK.search(head) or not _FIRST.match(head):
        return True
    # The line that ends one match begins the next; look at the lines one by one.
    lengths = _values(_LENGTH, head)
    codings = _values(_CODING, head)
    if len(lengths) > 1 or any(not _DIGITS.fullmatch(length) for length in lengths):
        return True
    if not codings:
        return False
    if lengths or len(codings) > 1 or codings[0].lower() != b"chunked":
        return True
    line, end, _ = body[:_MAX_LINE].partition(b"\n")
    return bool(line + end) and not _CHUNK.fullmatch(line + end)


def _values(pattern: re.Pattern[bytes], head: bytes) -> list[bytes]:
    found, start = [], 0
    while match := pattern.search(head, start):
        found.append(match[1].strip(b" \t"))
        start = match.end() - 2
    return found


class Framing:
    """Looks at the heads that come in on one connection.

    Heads are looked at where a request begins; what follows a body in the same piece is left
    to the parser, which reads it by the same lengths.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._request: Any = None

    def refuses(self, data: bytes, request: Any) -> bool:
        """Whether a head that ends in ``data`` is ambiguous.

        Args:
            request: The last one on this connection with ``response_complete``, or ``None``.
        """
        if request is not None and not request.response_complete:
            return False
        if request is not self._request:
            self._request = request
            self._held.clear()
        if not self._held and b"\r\n\r\n" in data:  # the usual case, without a copy
            return self._of(data)
        self._held += data
        if b"\r\n\r\n" in self._held or b"\n\n" in self._held:
            whole = bytes(self._held)
            self._held.clear()
            return self._of(whole)
        if len(self._held) > MAX_HEAD:
            self._held.clear()
        return False

    @staticmethod
    def _of(data: bytes) -> bool:
        data = data.lstrip(b"\r\n") if data[:1] in b"\r\n" else data
        head, _, body = data.partition(b"\r\n\r\n")
        return is_ambiguous(head + b"\r\n\r\n", body)
