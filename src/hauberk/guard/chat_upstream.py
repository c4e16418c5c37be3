"""The one call that the guard makes: to the model server behind it.

A fresh connection per request, one request on it, everything bounded: time to connect, time as
a whole, size of headers and body. Whatever the upstream does wrong becomes a fault with a
status that says who must act (502 for nonsense, 504 for silence); nothing it says of itself
is passed on. Redirects are not followed and compressed bodies not taken.

Where the upstream listens on a socket file that only the guard may open, no client can go
around the guard; where it listens on an address, somebody else must see to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hauberk.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    import h11

MAX_HEADERS = 64 << 10
_CHUNK = 64 << 10


class UpstreamError(Exception):
    """The upstream did not answer as it must.

    Attributes:
        status: For the client.
        rule: For the operator: which of our expectations was broken.
    """

    def __init__(self, status: HTTPStatus, rule: str) -> None:
        super().__init__(rule)
        self.status = status
        self.rule = rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where the model server is.

    Attributes:
        host: Name or address; of no meaning where there is a socket file.
        prefix: What stands before the path of the protocol.
        socket: A socket file in place of an address.
        authorization: Header that the upstream wants; never the client's own.
        tls: For https.
    """

    host: str
    port: int = 80
    prefix: str = ""
    socket: str = ""
    authorization: str = ""
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the upstream said."""

    status: int
    content_type: str
    body: bytes


def upstream_of(
    url: str, *, authorization: str = "", ca: str | None = None, cert: str | None = None
) -> Upstream:
    """The upstream that a URL names: ``http://``, ``https://`` or ``unix:/path/to.sock``.

    Args:
        ca: Certificates that are believed instead of the system's.
        cert: Certificate and key that the guard shows.

    Raises:
        UsageError: It is no such URL.
    """
    if url.startswith("unix:"):
        return Upstream(host="localhost", socket=url[5:], authorization=authorization)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    is_plain = not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise UsageError(
            "this is no upstream",
            subject="--upstream",
            expected="http://HOST:PORT, https://HOST:PORT or unix:/path/to.sock",
            found=re.sub(r"//[^/@]*@", "//...@", url)[:200],
            hint="give a key for the upstream in a file, never in its URL",
        )
    is_https = parts.scheme == "https"
    return Upstream(
        host=parts.hostname,
        port=port or (443 if is_https else 80),
        prefix=parts.path.rstrip("/"),
        authorization=authorization,
        tls=_tls(ca, cert) if is_https else None,
    )


def _tls(ca: str | None, cert: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert)
    except (OSError, ssl.SSLError) as error:
        raise UsageError("the certificates cannot be read", found=type(error).__name__) from error
    return context


async def ask(
    upstream: Upstream,
    path: str,
    body: bytes | None,
    *,
    max_bytes: int,
    connect_s: float,
    deadline_s: float,
) -> Spoken:
    """Post ``body``, or get what stands at the path without one, and read the whole answer.

    Raises:
        UpstreamError: There was none, or none that keeps the bounds.
    """
    try:
        async with asyncio.timeout(deadline_s), _connected(upstream, connect_s) as (reader, writer):
            connection = _client()
            for event in _request(upstream, path, body):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            return await _read(connection, reader, max_bytes)
    except TimeoutError as error:
        raise UpstreamError(HTTPStatus.GATEWAY_TIMEOUT, "upstream: deadline") from error
    except OSError as error:
        raise UpstreamError(HTTPStatus.BAD_GATEWAY, "upstream: connection") from error


@contextlib.asynccontextmanager
async def _connected(
    upstream: Upstream, connect_s: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(connect_s):
        if upstream.socket:
            reader, writer = await asyncio.open_unix_connection(upstream.socket)
        else:
            name = upstream.host if upstream.tls else None
            reader, writer = await asyncio.open_connection(
                upstream.host, upstream.port, ssl=upstream.tls, server_hostname=name
            )
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _client() -> h11.Connection:
    try:
        import h11
    except ImportError as error:
        raise UnavailableError(
            "the guard of an upstream needs h11", hint="pip install 'hauberk[serve]'"
        ) from error
    return h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=MAX_HEADERS)


def _request(upstream: Upstream, path: str, body: bytes | None) -> list[Any]:
    import h11

    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    headers = [
        ("host", host if upstream.socket else f"{host}:{upstream.port}"),
        ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
    ]
    if upstream.authorization:
        headers.append(("authorization", upstream.authorization))
    target = upstream.prefix + path
    if body is None:
        return [h11.Request(method="GET", target=target, headers=headers), h11.EndOfMessage()]
    headers.append(("content-type", "application/json"))
    headers.append(("content-length", str(len(body))))
    request = h11.Request(method="POST", target=target, headers=headers)
    return [request, h11.Data(data=body), h11.EndOfMessage()]


async def _read(connection: h11.Connection, reader: asyncio.StreamReader, most: int) -> Spoken:
    import h11

    status, content_type, body = 0, "", bytearray()
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                status, content_type = event.status_code, _content_type(event)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > most:
                    raise UpstreamError(HTTPStatus.BAD_GATEWAY, "upstream: size of the answer")
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                break
    except h11.RemoteProtocolError as error:
        raise UpstreamError(HTTPStatus.BAD_GATEWAY, "upstream: HTTP") from error
    return Spoken(status=status, content_type=content_type, body=bytes(body))


def _content_type(response: h11.Response) -> str:
    """The type in lower case.

    Raises:
        UpstreamError: The body is compressed.
    """
    found = dict(response.headers)
    if found.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise UpstreamError(HTTPStatus.BAD_GATEWAY, "upstream: content-encoding")
    return found.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
