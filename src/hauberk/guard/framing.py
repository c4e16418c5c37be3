"""What two servers could read differently in the head of a request, refused before it is read.

HTTP libraries are lenient where standards once were, each in its own way; a request that one
of them cuts elsewhere than the next smuggles a second one. The head of each request is held
against the narrow form that RFC 9112 asks senders to use:

1. Lines end with CR LF; neither stands alone, no line is folded, and no other control character
   stands in one (sections 2.2, 5.2 and 5.5).
2. The version is 1.0 or 1.1, and the target has no bare ``?``.
3. A length stands once and is digits (section 6.3); it does not stand beside a coding.
4. The only transfer coding is ``chunked``, said once, in version 1.1; a chunk's size
   has at most 8 digits and no extension where it can be seen with the head.
5. No name of a header ends with blanks (section 5.1).
6. A request of version 1.1 names its host, and no request does so twice (section 3.2).

What passes is read by a parser in C (httptools, which is llhttp), and nothing is left to a second
reading: the same head gives length, coding and headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from hauberk.errors import ArtifactError

MAX_KEPT: Final = 1_000
MAX_KEPT_HEAD: Final = 2_000
"""Heads, and bytes of each, that are known again."""

MAX_CHUNKS: Final = 20_000
"""Of one body: 4 MiB in pieces of 200 bytes. Smaller ones cost more to read than they hold."""

_ALONE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\r\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FIRST = re.compile(rb"[!-~]+ [!-~]*[!->@-~] HTTP/1\.[01]\r\n")
_BLANK = re.compile(rb"\r\n[^:\r\n]*[ \t]+:")
_LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)\r\n", re.IGNORECASE)
_HOST = re.compile(rb"\r\nhost:", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:([^\r\n]*)\r\n", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]+")
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,8}(?:\r\n?)?")
_CURRENT = re.compile(rb"[^\r]* HTTP/1\.1\r\n")
_MAX_LINE = 20
_MAX_DIGITS = 18


def is_ambiguous(head: bytes, body: bytes = b"") -> bool:
    """Whether the head of a request leaves the narrow form.

    Args:
        head: With the empty line that ends it.
        body: What is known of the body so far.
    """
    if _ALONE.search(head) or _BLANK.search(head) or not _FIRST.match(head):
        return True
    if len(_HOST.findall(head)) > 1 or (_CURRENT.match(head) and not _HOST.search(head)):
        return True
    # The line that ends one match begins the next; look at the lines one by one.
    lengths = _values(_LENGTH, head)
    codings = _values(_CODING, head)
    if len(lengths) > 1 or any(not _DIGITS.fullmatch(length) for length in lengths):
        return True
    if not codings:
        return False
    if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
        return True
    line, end, _ = body[:_MAX_LINE].partition(b"\n")
    is_odd = bool(line + end) and not _CHUNK.fullmatch(line + end)
    return is_odd or not _CURRENT.match(head)


def _values(pattern: re.Pattern[bytes], head: bytes) -> list[bytes]:
    found, start = [], 0
    while match := pattern.search(head, start):
        found.append(match[1].strip(b" \t"))
        start = match.end() - 2
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a request that has one meaning.

    Attributes:
        method: In capitals.
        scope: What ASGI says of it; made once, not to be changed.
        length: Bytes of the body; `IN_CHUNKS` where the body says it.
        is_last: Whether the connection ends with this request.
        is_asking: Whether the client waits to hear that its body is wanted.
    """

    method: str
    scope: Mapping[str, Any]
    length: int
    is_last: bool
    is_asking: bool


IN_CHUNKS: Final = -1


class Heads:
    """Reads heads. Clients send the same one again and again; those are known again."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def __len__(self) -> int:
        return len(self._known)

    def read(self, head: bytes, body: bytes = b"") -> Head:
        """What a head says.

        Args:
            head: With the empty line that ends it.
            body: What is known of the body so far.

        Raises:
            ArtifactError: It is none, or has several meanings.
        """
        known = self._known.get(head)
        if known is not None:
            return known
        found = read_head(head, body)
        if len(head) <= MAX_KEPT_HEAD and found.length != IN_CHUNKS:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[head] = found
        return found


def read_head(head: bytes, body: bytes = b"") -> Head:
    """What a head says; see `Heads.read`."""
    if is_ambiguous(head, body):
        raise ArtifactError("the head of the request has several meanings", rule="RFC 9112")
    import httptools

    lines = _Lines()
    parser = httptools.HttpRequestParser(lines)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:  # nothing is upgraded to; the request is one as others
        pass
    except httptools.HttpParserError as error:
        raise ArtifactError("this is no request of HTTP/1.1", rule="RFC 9112") from error
    found = dict(lines.found)
    target, _, query = lines.target.partition(b"?")
    is_chunked = b"transfer-encoding" in found
    if not lines.is_complete or (is_chunked and parser.should_upgrade()):
        raise ArtifactError("this is no request of HTTP/1.1", rule="RFC 9112")
    version = parser.get_http_version()
    method = parser.get_method().decode("ascii")
    scope = {
        "http_version": version,
        "method": method,
        "path": unquote(target.decode("ascii")),
        "raw_path": target,
        "query_string": query,
        "headers": tuple(lines.found),
    }
    return Head(
        method=method,
        scope=scope,
        length=IN_CHUNKS if is_chunked else _length(found.get(b"content-length", b"0")),
        is_last=version == "1.0" or _closes(found.get(b"connection", b"")),
        is_asking=version == "1.1" and found.get(b"expect", b"").lower() == b"100-continue",
    )


def _length(digits: bytes) -> int:
    """A length as a number; one beyond any is as good as infinite, and costs nothing to read."""
    return int(digits) if len(digits) <= _MAX_DIGITS else 1 << 62


def _closes(connection: bytes) -> bool:
    return any(word.strip().lower() == b"close" for word in connection.split(b","))


class _Lines:
    """Takes what the parser finds in a head."""

    def __init__(self) -> None:
        self.target = b""
        self.found: list[tuple[bytes, bytes]] = []
        self.is_complete = False

    def on_url(self, piece: bytes) -> None:
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_complete = True


class Chunks:
    """A body in chunks, as it comes.

    Attributes:
        is_whole: Whether its last chunk has come.
        is_over: Whether something came behind it.
    """

    __slots__ = ("_errors", "_n", "_parser", "_pieces", "is_over", "is_whole")

    def __init__(self, head: bytes) -> None:
        import httptools

        self.is_whole = self.is_over = False
        self._errors = (httptools.HttpParserError, httptools.HttpParserUpgrade)
        self._pieces: list[bytes] = []
        self._n = 0
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(head)

    def take(self, data: bytes) -> bytes:
        """What is in the next bytes of the connection.

        Raises:
            ArtifactError: They are no chunks, or too many of them.
        """
        try:
            self._parser.feed_data(data)
        except self._errors as error:
            if self._n > MAX_CHUNKS:
                raise ArtifactError("the body has too many chunks", rule="RFC 9112") from error
            if not self.is_whole:
                raise ArtifactError("the chunks of the body are none", rule="RFC 9112") from error
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def on_chunk_header(self) -> None:
        """Count it."""
        self._n += 1
        if self._n > MAX_CHUNKS:
            raise ValueError(f"more than {MAX_CHUNKS} chunks")  # the parser ends with it

    def on_body(self, piece: bytes) -> None:
        """A piece of it."""
        if not self.is_whole:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The end of it."""
        self.is_whole = True

    def on_message_begin(self) -> None:
        """Of this request, or of one behind it."""
        self.is_over = self.is_whole
