"""One request on a connection, as ASGI has it, and the bytes of its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, Protocol

from hauberk.guard.framing import MAX_KEPT, Chunks, Head

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_AHEAD: Final = 64 << 10
"""Bytes of a body, or of a next request, that are held before they are asked for."""

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_CLOSE = (b"connection", b"close")
_IN_CHUNKS = (b"transfer-encoding", b"chunked")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Line(Protocol):
    """The connection that a request came on."""

    transport: Any
    loop: asyncio.AbstractEventLoop

    def read_on(self) -> None:
        """The application has taken what was there."""
        ...

    async def writable(self) -> None:
        """Wait until the client has read."""
        ...

    def answered(self, asked: Asked) -> None:
        """An answer was written; the next request may come."""
        ...

    def fail(self) -> None:
        """Say that there is no answer."""
        ...


def refusal_of(why: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> bytes:
    """The whole answer to a request that the application never sees."""
    body = b'{"error":"refused: %s"}' % why.encode("ascii")
    head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    return _LINES[status.value] + head % len(body) + body


class AnswerHeads:
    """Heads of answers as bytes. Most answers have one of a few, which are made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[tuple[bytes, bytes], ...]], bytes] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, status: int, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
        """Status and headers, with the empty line that ends them.

        Raises:
            ValueError: A header has more than one line.
        """
        key = (status, headers)
        found = self._known.get(key)
        if found is None:
            found = _LINES[status] + b"".join(b"%b: %b\r\n" % header for header in headers)
            if found.count(b"\n") != 1 + len(headers) or found.count(b"\r") != 1 + len(headers):
                raise ValueError("a header of the answer has more than one line")
            found += b"\r\n"
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[key] = found
        return found


class Asked:
    """One request, as ASGI has it: what `Connection` takes in and gives out for it.

    Attributes:
        head: What its head says.
        is_whole: Whether its body has come to its end.
        is_begun: Whether something of the answer was written.
        is_last: Whether the connection ends with it.
    """

    __slots__ = (
        "_chunks",
        "_heads",
        "_is_answered",
        "_is_asking",
        "_is_chunked",
        "_is_given",
        "_is_gone",
        "_left",
        "_on",
        "_pieces",
        "_size",
        "_start",
        "_waiting",
        "head",
        "is_begun",
        "is_last",
        "is_whole",
    )

    def __init__(self, on: Line, heads: AnswerHeads, head: Head, raw: bytes) -> None:
        self._on = on
        self._heads = heads
        self.head = head
        self._chunks = Chunks(raw) if raw else None
        self._left = head.length
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None
        self._start: Message | None = None
        self._is_given = self._is_gone = self._is_answered = self._is_chunked = False
        self._is_asking = head.is_asking
        self.is_begun = False
        self.is_whole = head.length == 0
        self.is_last = head.is_last

    @property
    def is_answered(self) -> bool:
        """Whether the end of the answer was written."""
        return self._is_answered

    @property
    def is_ahead(self) -> bool:
        """Whether more of the body has come than was asked for."""
        return self._size > MAX_AHEAD

    def take(self, data: bytes) -> bytes:
        """The next bytes on the connection.

        Returns:
            What is behind the body.

        Raises:
            ArtifactError: They are no body.
        """
        rest = b""
        if self._chunks is not None:
            data = self._chunks.take(data)
            self.is_whole = self._chunks.is_whole
            self.is_last = self.is_last or self._chunks.is_over  # where it ends is not known
        elif len(data) >= self._left:
            data, rest = data[: self._left], data[self._left :]
            self.is_whole = True
        self._left -= len(data)
        if data:
            self._pieces.append(data)
            self._size += len(data)
        self._wake()
        return rest

    def leave(self) -> None:
        """The client is gone, or was sent away."""
        self._is_gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            if not waiting.done():
                waiting.set_result(None)

    async def run(self, app: Asgi, scope: Message) -> None:
        """Let the application answer; where it does not, say so and close."""
        try:
            await app(scope, self._receive, self._send)
        except Exception:  # the boundary: whatever an application raises is its own fault
            logging.getLogger("hauberk.guard").exception("the application failed")
        if not self._is_answered and not self._is_gone:
            self._is_gone = True
            if self.is_begun:
                self._on.transport.close()
            else:
                self._on.fail()

    async def _receive(self) -> Message:
        while not (self._pieces or self._is_gone or self._is_answered):
            if self.is_whole and not self._is_given:
                break
            if self._is_asking and not self.is_whole and not self.is_begun:
                self._is_asking = False
                self._on.transport.write(_CONTINUE)
            self._on.read_on()
            self._waiting = self._on.loop.create_future()
            await self._waiting
        if self._is_gone or self._is_answered:
            return {"type": "http.disconnect"}
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._size = 0
        self._is_given = self.is_whole
        return {"type": "http.request", "body": body, "more_body": not self.is_whole}

    async def _send(self, message: Message) -> None:
        if self._is_gone:
            return
        if message["type"] == "http.response.start":
            if self._start is not None or self.is_begun:
                raise RuntimeError("an answer begins twice")
            self._start = message
            return
        if self._is_answered or (self._start is None and not self.is_begun):
            raise RuntimeError("an answer has no beginning, or more than an end")
        body, has_more = message.get("body", b""), message.get("more_body", False)
        data = (
            self._body(body, has_more=has_more)
            if self.is_begun
            else self._opened(body, has_more=has_more)
        )
        self.is_begun = True
        on = self._on
        if data:
            on.transport.write(data)
        if has_more:
            await on.writable()
        else:
            self._is_answered = True
            on.answered(self)

    def _opened(self, body: bytes, *, has_more: bool) -> bytes:
        """The head of the answer, and the first piece of its body."""
        start: Message = self._start or {}
        headers = tuple(start.get("headers", ()))
        if _CLOSE in headers:
            self.is_last = True
        elif self.is_last:
            headers = (*headers, _CLOSE)
        if not any(name == b"content-length" for name, _ in headers):
            self._is_chunked = has_more
            length = (b"content-length", b"%d" % len(body))
            headers = (*headers, _IN_CHUNKS if has_more else length)
        head = self._heads.of(start["status"], headers)
        return head if self.head.method == "HEAD" else head + self._body(body, has_more=has_more)

    def _body(self, body: bytes, *, has_more: bool) -> bytes:
        if self.head.method == "HEAD" or not self._is_chunked:
            return b"" if self.head.method == "HEAD" else body
        chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        return chunk if has_more else chunk + b"0\r\n\r\n"
