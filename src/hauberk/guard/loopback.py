"""Doors to an application: called in this process, or over a socket on loopback.

Both implement `formats.http.Door`. The socket door writes HTTP/1.1 by hand, because what
talks to a guard on purpose badly (slow, contradicting itself) cannot use a client library
that forbids it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats.http import Answer, Call
from hauberk.guard.app import Message, Receive, Send

App = Callable[[Message, Receive, Send], Awaitable[None]]

_TIMEOUT_S = 60.0
_MAX_ANSWER = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess:
    """Calls the application without a socket, in an event loop of its own per call."""

    app: App

    def call(self, call: Call) -> Answer:
        """One call."""
        return asyncio.run(ask(self.app, call))

    def together(self, calls: Iterable[Call]) -> tuple[Answer, ...]:
        """Several calls, in flight at the same time."""
        return tuple(asyncio.run(_gather([ask(self.app, call) for call in calls])))


async def _gather(asks: list[Awaitable[Answer]]) -> list[Answer]:
    return list(await asyncio.gather(*asks))


async def ask(app: App, call: Call) -> Answer:
    """What the application answers to a call; a server's own checks are not in the way."""
    sent: list[Mapping[str, Any]] = []
    chunks = iter(call.chunks or (b"",))
    left = max(1, len(call.chunks))

    async def receive() -> dict[str, Any]:
        nonlocal left
        if call.pause_s:
            await asyncio.sleep(call.pause_s)
        left -= 1
        return {"type": "http.request", "body": next(chunks, b""), "more_body": left > 0}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    scope = _scope(call)
    started, processor_started = time.perf_counter(), time.process_time()
    await app(scope, receive, send)
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]
    }
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(
        status=sent[0]["status"],
        headers=headers,
        body=body,
        seconds=time.perf_counter() - started,
        processor_s=time.process_time() - processor_started,
    )


def _scope(call: Call) -> dict[str, Any]:
    path, _, query = call.path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "path": path,
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode("latin-1", "replace"),
        "headers": [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in _completed(call, "localhost")
        ],
    }


def _completed(call: Call, host: str) -> Iterator[tuple[str, str]]:
    """The headers, with host and length where the call does not say otherwise."""
    named = {name.lower() for name, _ in call.headers}
    if "host" not in named:
        yield "host", host
    if call.chunks and not named & {"content-length", "transfer-encoding"}:
        yield "content-length", str(sum(map(len, call.chunks)))
    yield from call.headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """Calls a server on this machine, one connection per call."""

    host: str = "127.0.0.1"
    port: int
    timeout_s: float = _TIMEOUT_S

    def call(self, call: Call) -> Answer:
        """One call."""
        return asyncio.run(self._ask(call))

    def together(self, calls: Iterable[Call]) -> tuple[Answer, ...]:
        """Several calls, each on its own connection at the same time."""
        return tuple(asyncio.run(_gather([self._ask(call) for call in calls])))

    async def _ask(self, call: Call) -> Answer:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_s):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    return await self._exchange(call, reader, writer, started)
                finally:
                    writer.close()
        except (TimeoutError, ConnectionRefusedError) as error:
            raise UnavailableError(
                "the server did not answer", subject=f"{self.host}:{self.port}"
            ) from error

    async def _exchange(
        self,
        call: Call,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        started: float,
    ) -> Answer:
        sending = asyncio.create_task(self._send(call, writer))
        try:
            raw = await _read_all(reader)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending
        return _answer_of(raw, time.perf_counter() - started)

    async def _send(self, call: Call, writer: asyncio.StreamWriter) -> None:
        """Headers and body; a pause lies before each piece, the headers' lines included."""
        lines = [f"{call.method} {call.path} HTTP/1.1\r\n".encode("latin-1", "replace")]
        named = {name.lower() for name, _ in call.headers}
        headers = [*_completed(call, f"{self.host}:{self.port}")]
        headers += [] if "connection" in named else [("connection", "close")]
        lines += [f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in headers]
        pieces = [b"".join(lines) + b"\r\n"] if not call.pause_s else [*lines, b"\r\n"]
        for piece in (*pieces, *call.chunks):
            if call.pause_s:
                await asyncio.sleep(call.pause_s)
            writer.write(piece)
            await writer.drain()


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(1 << 16):
            received += chunk
            if len(received) > _MAX_ANSWER:
                break
    return bytes(received)


def _answer_of(raw: bytes, seconds: float) -> Answer:
    if not raw:
        return Answer(status=0, seconds=seconds)
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[1].isdigit():  # noqa: PLR2004 - version and status
        raise ArtifactError("the server's answer is not HTTP", rule="RFC 9112 section 4")
    if parts[1] == "100":  # the server has only said that it will read
        return _answer_of(body, seconds)
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(status=int(parts[1]), headers=headers, body=body, seconds=seconds)
