"""The ASGI application: HTTP in front of a `Service`, without a framework.

Rules of the door, in the order in which they are applied:

1. A path is one of the protocol's, plain ASCII and without a query; a method fits it.
2. A header that matters stands once. The host is one that the door answers to.
3. Whoever asks for anything but liveness is known, before it is said what exists.
4. A sink that is named is one that is known.
5. A body is announced with its length and type, is within the bound, is not compressed, and
   arrives in time.

Answers carry headers that keep browsers from making more of them than they are. Every
refusal closes the connection if a body was left unread.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hauberk import __version__
from hauberk.core.artifact import Exchange
from hauberk.formats import v2
from hauberk.formats.v2_binary import HEADER as BINARY_HEADER
from hauberk.formats.v2_schema import TensorSchema
from hauberk.guard import metrics
from hauberk.guard.service import Reply, Service, refusal
from hauberk.methods.sinks import Sink

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_PATH = 512
MAX_HEADER_BYTES = 16 << 10
"""Names and values of all headers; servers bound single ones, or none that comes at once."""

SINK_HEADER = "x-hauberk-sink"

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of a door without keys. Checking them keeps a web page whose name was pointed at
loopback (DNS rebinding) from using the visitor's browser to ask."""

_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_READ = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        BINARY_HEADER.encode(),
        SINK_HEADER.encode(),
    }
)
_LENGTH = re.compile("[0-9]{1,18}")
_OPEN = frozenset({"/v2/health/live", "/v2/health/ready"})


class App:
    """The application.

    Args:
        service: What answers.
        hosts: Host names that the door answers to, without ports; ``None`` for any.
    """

    def __init__(self, service: Service, hosts: frozenset[str] | None = LOOPBACK_HOSTS) -> None:
        self._service = service
        self._hosts = hosts
        self._pages = _pages(service)
        model = f"/v2/models/{service.bundle.name}"
        self._infer = {f"{model}/infer", f"{model}/versions/{service.bundle.version}/infer"}

    def close(self) -> None:
        """Let running work end; a server does this at its own end."""
        self._service.close()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI 3."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            started = time.perf_counter()
            await _send(send, await self._reply(scope, receive, started))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self._service.close()
                return

    async def _reply(self, scope: Message, receive: Receive, started: float) -> Reply:
        headers, problem = _headers(scope)
        path = scope.get("raw_path", b"")[: MAX_PATH + 1].decode("latin-1")
        principal = self._service.world.keyring.principal(headers.pop("authorization", None))
        exchange = Exchange(
            name=self._service.bundle.name,
            principal=principal or "unknown",
            at=self._service.world.clock(),
            request=b"",
            content_type=headers.get("content-type", ""),
            headers=headers,
            sink=self._service.bundle.policy.sink or headers.get(SINK_HEADER),
        )
        reply = problem or self._refused_outside(scope, headers, path, principal)
        if reply is None and path in self._infer:
            return await self._take(exchange, receive, started)
        reply = reply or self._page(path)
        return await self._service.conclude(exchange, reply, started) if reply.rule else reply

    def _refused_outside(
        self, scope: Message, headers: dict[str, str], path: str, principal: str | None
    ) -> Reply | None:
        """Rules 1 to 3, without the body; who asks comes before what exists."""
        if self._hosts is not None and _host(headers.get("host", "")) not in self._hosts:
            return refusal(421, "refused: this host name is not served here", "host")
        if principal is None and path not in _OPEN:
            challenge = ("www-authenticate", "Bearer")
            return refusal(401, "refused: no known key", "identity", challenge)
        return self._misrouted(scope, headers, path)

    def _misrouted(self, scope: Message, headers: dict[str, str], path: str) -> Reply | None:
        if len(path) > MAX_PATH or scope.get("query_string"):
            return refusal(400, "refused: the path has a query or is too long", "path")
        if path not in self._pages and path not in self._infer:
            return refusal(404, "refused: there is nothing at this path", "path")
        wanted = "POST" if path in self._infer else "GET"
        if scope["method"] != wanted:
            return refusal(405, f"refused: use {wanted}", "method", ("allow", wanted))
        if wanted == "GET" and _announces_body(headers):
            return refusal(400, "refused: no body is taken here", "body")
        return None

    def _page(self, path: str) -> Reply:
        return self._pages[path]()

    async def _take(self, exchange: Exchange, receive: Receive, started: float) -> Reply:
        """Rules 4 and 5, then the service."""
        policy = self._service.bundle.policy
        reply = _unknown_sink(exchange.sink)
        reply = reply or _refused_unread(exchange.headers, policy.max_body_bytes)
        body = b""
        if reply is None:
            try:
                async with asyncio.timeout(policy.body_timeout_s):
                    body, reply = await _body(receive, policy.max_body_bytes)
            except TimeoutError:
                reply = _closing(408, "refused: the body did not arrive in time", "time of a body")
        if reply is not None:
            return await self._service.conclude(exchange, reply, started)
        return await self._service.infer(_with_body(exchange, body), started)


def _with_body(exchange: Exchange, body: bytes) -> Exchange:
    return Exchange(
        name=exchange.name,
        principal=exchange.principal,
        at=exchange.at,
        request=body,
        content_type=exchange.content_type,
        headers=exchange.headers,
        sink=exchange.sink,
    )


def _headers(scope: Message) -> tuple[dict[str, str], Reply | None]:
    """The headers that matter, by lower-case name."""
    found: dict[str, str] = {}
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        return found, _closing(431, "refused: the headers are too large", "headers")
    for raw_name, raw_value in scope["headers"]:
        if raw_name in _READ:
            name = raw_name.decode("latin-1")
            if name in found:
                return found, refusal(400, f"refused: the header {name} stands twice", "headers")
            found[name] = raw_value.decode("latin-1")
    return found, None


def _host(value: str) -> str:
    """The host without its port, lower case."""
    name, _, port = value.lower().rpartition(":")
    return name if name and port.isdigit() and not name.endswith(":") else value.lower()


def _announces_body(headers: dict[str, str]) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _unknown_sink(sink: str | None) -> Reply | None:
    if sink is None or sink in tuple(Sink):
        return None
    return _closing(400, f"refused: {SINK_HEADER} is one of " + ", ".join(Sink), "sink")


def _refused_unread(headers: Any, max_bytes: int) -> Reply | None:
    length = headers.get("content-length")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return _closing(415, "refused: compressed bodies are not taken", "content-encoding")
    if length is None and "transfer-encoding" not in headers:
        return _closing(411, "refused: a body with its length is needed", "content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        return _closing(400, "refused: the length is no number", "content-length")
    if length is not None and int(length) > max_bytes:
        text = f"refused: size in bytes; expected: at most {max_bytes}"
        return _closing(413, text, "size in bytes")
    return None


def _closing(status: int, message: str, rule: str) -> Reply:
    return refusal(status, message, rule, ("connection", "close"))


async def _body(receive: Receive, max_bytes: int) -> tuple[bytes, Reply | None]:
    message = await receive()
    first: bytes = message.get("body", b"")
    if not message.get("more_body") and message["type"] == "http.request":
        return (first, None) if len(first) <= max_bytes else (b"", _too_large(max_bytes))
    chunks, size = [first], len(first)
    while message["type"] == "http.request" and size <= max_bytes and message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
    if message["type"] != "http.request":
        return b"", _closing(400, "refused: the client went away", "disconnect")
    return (b"".join(chunks), None) if size <= max_bytes else (b"", _too_large(max_bytes))


def _too_large(max_bytes: int) -> Reply:
    return _closing(413, f"refused: size in bytes; expected: at most {max_bytes}", "size in bytes")


async def _send(send: Send, reply: Reply) -> None:
    head = [
        (b"content-type", reply.content_type.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode("ascii")),
        *_SECURITY,
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": head})
    await send({"type": "http.response.body", "body": reply.body})


# Pages without a body ------------------------------------------------------------------


def _pages(service: Service) -> dict[str, Callable[[], Reply]]:
    bundle = service.bundle
    model = f"/v2/models/{bundle.name}"
    version = f"{model}/versions/{bundle.version}"
    about = _constant({"name": "hauberk", "version": __version__, "extensions": [_EXTENSION]})
    described = _constant(_metadata(service))
    ready = _constant({"name": bundle.name, "ready": True})
    return {
        "/v2": about,
        "/v2/health/live": _constant({"live": True}),
        "/v2/health/ready": _constant({"ready": True}),
        model: described,
        version: described,
        f"{model}/ready": ready,
        f"{version}/ready": ready,
        "/metrics": lambda: _counted(service),
    }


def _counted(service: Service) -> Reply:
    text = service.metrics.text() + service.world.more_metrics()
    return Reply(status=200, body=text.encode(), content_type=metrics.CONTENT_TYPE)


_EXTENSION = "binary_tensor_data"


def _constant(value: Any) -> Callable[[], Reply]:
    reply = Reply(status=200, body=v2.encode(value))
    return lambda: reply


def _metadata(service: Service) -> dict[str, Any]:
    return {
        "name": service.bundle.name,
        "versions": [service.bundle.version],
        "platform": "onnx",
        "inputs": [_described(tensor) for tensor in service.bundle.schema.inputs],
        "outputs": [_described(tensor) for tensor in service.model.signature.outputs],
    }


def _described(tensor: TensorSchema) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in tensor.shape]
    return {"name": tensor.name, "datatype": tensor.datatype.value, "shape": shape}
