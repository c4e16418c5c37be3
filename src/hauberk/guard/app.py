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
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from hauberk.core.artifact import Exchange, exchange_of
from hauberk.formats.v2_binary import HEADER as BINARY_HEADER
from hauberk.guard.begun import Begun, in_task
from hauberk.guard.desk import METHOD, ROUTE, SINK_HEADER, TRACE_HEADER, Desk
from hauberk.guard.identity import NOBODY, Holder, Keyring, Ways
from hauberk.guard.metrics import OTHER
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.replies import JSON, Reply, refusal
from hauberk.guard.service import Page, Post
from hauberk.guard.transport import PEER

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_PATH = 512
MAX_HEADER_BYTES = 16 << 10
"""Names and values of all headers; servers bound single ones, or none that comes at once."""

MAX_KEPT = 1_000
MAX_KEPT_HEAD = 2_000
"""Heads of requests, and bytes of each, that are known again."""

MAX_HEADERS = 100
"""Lines of headers; clients of the protocol send a dozen."""

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
_JSON = (b"content-type", JSON.encode())
_READ = {
    name.encode(): name
    for name in (
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "transfer-encoding",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        BINARY_HEADER,
        SINK_HEADER,
        TRACE_HEADER,
    )
}
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
_CLOSE = ("connection", "close")
_DRAINED = 16
"""Times the largest body: so much of a refused one is read and forgotten."""

_DRAIN_S = 3.0
_DRAIN_IDLE_S = 0.5
_LENGTH = re.compile("[0-9]{1,18}")


class Served(Protocol):
    """What stands behind the door: a served bundle, a chat, or something else that answers."""

    @property
    def desk(self) -> Desk:
        """Identity, policy, budget, judges and log."""
        ...

    def posts(self) -> Mapping[str, Post]:
        """What is answered, by path."""
        ...

    def pages(self) -> Mapping[str, Page]:
        """What is shown, by path."""
        ...

    def close(self) -> None:
        """Let running work end."""
        ...


@dataclass(frozen=True, slots=True)
class _Routes:
    """What answers where; and heads of requests that passed, with what was read in them.

    Clients send the same head again and again. One that passed rules 1 to 5 passes them again,
    as long as keys, routes and policy are the same; they change with the whole object.
    """

    served: Served
    posts: Mapping[str, Post]
    pages: Mapping[str, Page]
    passed: dict[Any, _Known] | None

    @classmethod
    def of(cls, served: Served) -> _Routes:
        keyring = served.desk.world.keyring
        is_lasting = isinstance(keyring, Keyring) or (
            isinstance(keyring, Ways) and keyring.tokens is None
        )
        return cls(served, served.posts(), served.pages(), {} if is_lasting else None)

    def remember(self, mark: Any, holder: Holder, headers: dict[str, str], post: Post) -> None:
        """Keep a head that passed, if it is small."""
        if self.passed is None or mark is None:
            return
        if sum(len(name) + len(value) for name, value in mark[-1]) > MAX_KEPT_HEAD:
            return
        if len(self.passed) >= MAX_KEPT:
            self.passed.clear()
        self.passed[mark] = (holder, headers, post)


def _mark(scope: Message) -> Any:
    """What a head is told from others by; ``None`` where the server gives no tuples."""
    lines = tuple(scope["headers"])
    if lines and lines[0].__class__ is not tuple:
        return None
    state = scope.get("state")
    peer = state.get(PEER, ()) if state else ()
    return (scope["method"], scope.get("raw_path"), scope.get("query_string"), peer, lines)


class App:
    """The application.

    Args:
        served: What answers.
        hosts: Host names that the door answers to, without ports; ``None`` for any.

    Attributes:
        begins_without_task: Told to the server: its first step may be made outside of a task.
    """

    begins_without_task: Final = True

    def __init__(self, served: Served, hosts: frozenset[str] | None = LOOPBACK_HOSTS) -> None:
        self._hosts = hosts
        self._served = _Routes.of(served)

    @property
    def served(self) -> Served:
        """What answers now."""
        return self._served.served

    def swap(self, served: Served) -> Served:
        """Let another answer from the next request on; requests that run end as they began.

        Returns:
            Whoever answered before.
        """
        old, self._served = self._served, _Routes.of(served)
        return old.served

    def close(self) -> None:
        """Let running work end; a server does this at its own end."""
        self.served.close()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI 3."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            started = time.perf_counter()
            reply = await self._reply(scope, receive, started)
            if not reply.headers or _CLOSE not in reply.headers:
                await _send(send, reply)
                return
            await _send(send, reply, is_last=False)
            await _drain(receive, _DRAINED * self.served.desk.policy.max_body_bytes)
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self.close()
                return

    async def _reply(self, scope: Message, receive: Receive, started: float) -> Reply:
        routes = self._served
        mark = None if routes.passed is None else _mark(scope)
        known = routes.passed.get(mark) if routes.passed and mark is not None else None
        if known is not None:
            return await _known(routes.served.desk, known, receive, started)
        await in_task()
        return await self._first(scope, mark, receive, started)

    async def _first(self, scope: Message, mark: Any, receive: Receive, started: float) -> Reply:
        """To a request with a head that has not passed yet."""
        routes = self._served
        desk = routes.served.desk
        headers, problem = _headers(scope)
        path = scope.get("raw_path", b"")[: MAX_PATH + 1].decode("latin-1")
        headers[METHOD] = scope["method"] if scope["method"] in _METHODS else OTHER
        if path in routes.posts:
            headers[ROUTE] = path
        holder = desk.world.keyring.who(headers.pop("authorization", None), peer_of(scope))
        caller = _Caller(holder or NOBODY, headers, desk.world.clock())
        reply = problem or self._refused_outside(scope, headers, path, holder)
        if reply is not None and _announces_body(headers):
            reply = _without_body(reply)
        if reply is not None:
            return await _refused(desk, caller, reply, started)
        post = routes.posts.get(path)
        if post is None:
            return await routes.pages[path]()
        reply = _unknown_sink(caller.sink(desk), desk.manners.sinks)
        reply = reply or _refused_unread(headers, desk.max_body_bytes)  # 4 and 5
        if reply is not None:
            return await _refused(desk, caller, reply, started)
        if "expect" not in headers and TRACE_HEADER not in headers:  # else it does not come again
            routes.remember(mark, holder or NOBODY, headers, post)
        return await _answer(desk, post, caller, (Begun(receive()), receive), started)

    def _refused_outside(
        self, scope: Message, headers: dict[str, str], path: str, holder: Holder | None
    ) -> Reply | None:
        """Rules 1 to 3, without the body; who asks comes before what exists."""
        if self._hosts is not None and _host(headers.get("host", "")) not in self._hosts:
            return refusal(421, "refused: this host name is not served here", "host")
        if holder is None and path not in self._served.served.desk.manners.open_paths:
            challenge = ("www-authenticate", "Bearer")
            return refusal(401, "refused: no known key", "identity", challenge)
        return self._misrouted(scope, headers, path)

    def _misrouted(self, scope: Message, headers: dict[str, str], path: str) -> Reply | None:
        routes = self._served
        if len(path) > MAX_PATH or scope.get("query_string"):
            return refusal(400, "refused: the path has a query or is too long", "path")
        if path not in routes.pages and path not in routes.posts:
            return refusal(404, "refused: there is nothing at this path", "path")
        wanted = "POST" if path in routes.posts else "GET"
        asked = "GET" if scope["method"] == "HEAD" else scope["method"]  # RFC 9110, section 9.3.2
        if asked != wanted:
            return refusal(405, f"refused: use {wanted}", "method", ("allow", wanted))
        if wanted == "GET" and _announces_body(headers):
            return refusal(400, "refused: no body is taken here", "body")
        return None


_Known = tuple[Holder, dict[str, str], Post]
"""Who sent a head that passed, what was read in it, and who answers."""


class _Caller:
    """Who asks, when, and with which headers."""

    __slots__ = ("_at", "_holder", "headers")

    def __init__(self, holder: Holder, headers: dict[str, str], at: float) -> None:
        self._holder = holder
        self._at = at
        self.headers = headers

    def sink(self, desk: Desk) -> str | None:
        """Where the answer goes: as the operator has it, or as the client says."""
        return desk.policy.sink or self.headers.get(SINK_HEADER)

    def asks(self, desk: Desk, body: bytes = b"") -> Exchange:
        """The exchange with its body."""
        holder, headers = self._holder, self.headers
        return exchange_of(
            desk.name,
            None,
            holder.principal,
            self._at,
            body,
            headers.get("content-type", ""),
            headers,
            None,
            desk.policy.sink or headers.get(SINK_HEADER),
            holder.role,
            None,
            (),
            None,
        )


async def _known(desk: Desk, known: _Known, receive: Receive, started: float) -> Reply:
    """To a request with a head that has passed before."""
    holder, headers, post = known
    caller = _Caller(holder, headers, desk.world.clock())
    first = Begun(receive())
    if first.is_done and first.value is not None and _is_whole(first.value):
        body: bytes = first.value.get("body", b"")  # the usual case, without a timer
        if len(body) <= desk.max_body_bytes:
            return await post(caller.asks(desk, body), started)
    return await _answer(desk, post, caller, (first, receive), started)


async def _answer(
    desk: Desk, post: Post, caller: _Caller, arriving: tuple[Begun, Receive], started: float
) -> Reply:
    """The body, which has begun to arrive, then whoever answers at this path."""
    reply = None
    first, receive = arriving
    if first.is_done and first.value is not None and _is_whole(first.value):
        body: bytes = first.value.get("body", b"")
        reply = _too_large(desk.max_body_bytes) if len(body) > desk.max_body_bytes else None
    else:
        body, reply = await _body_in_time(first, receive, desk)
    if reply is not None:
        return await _refused(desk, caller, reply, started)
    return await post(caller.asks(desk, body), started)


async def _refused(desk: Desk, caller: _Caller, reply: Reply, started: float) -> Reply:
    return await desk.conclude(caller.asks(desk), desk.manners.words(reply), started)


def _is_whole(message: Message) -> bool:
    return message["type"] == "http.request" and not message.get("more_body")


async def _body_in_time(first: Begun, receive: Receive, desk: Desk) -> tuple[bytes, Reply | None]:
    """A body that comes in pieces, each of them in time."""
    await in_task()
    policy = desk.policy
    try:
        async with asyncio.timeout(min(policy.body_timeout_s, policy.body_idle_s)) as limit:
            message = first.value if first.is_done else await first
            return await _body(message, receive, desk.max_body_bytes, _Moving(limit, policy))
    except TimeoutError:
        return b"", _closing(408, "refused: the body did not arrive in time", "time of a body")


def peer_of(scope: Message) -> tuple[str, ...]:
    """Names in the certificate of the client; empty where none was asked for."""
    state = scope.get("state")
    return state.get(PEER, ()) if state else ()


def _headers(scope: Message) -> tuple[dict[str, str], Reply | None]:
    """The headers that matter, by lower-case name."""
    found: dict[str, str] = {}
    lines = scope["headers"]
    size = 0
    for raw_name, raw_value in lines:
        size += len(raw_name) + len(raw_value)
        name = _READ.get(raw_name)
        if name is None:
            continue
        if name in found:
            return found, refusal(400, f"refused: the header {name} stands twice", "headers")
        found[name] = raw_value.decode("latin-1")
    if size > MAX_HEADER_BYTES or len(lines) > MAX_HEADERS:
        return found, _closing(431, "refused: the headers are too large", "headers")
    return found, None


def _host(value: str) -> str:
    """The host without its port, lower case."""
    name, _, port = value.lower().rpartition(":")
    return name if name and port.isdigit() and not name.endswith(":") else value.lower()


def _announces_body(headers: dict[str, str]) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _unknown_sink(sink: str | None, sinks: frozenset[str]) -> Reply | None:
    if sink is None or sink in sinks:
        return None
    return _closing(400, f"refused: {SINK_HEADER} is one of " + ", ".join(sorted(sinks)), "sink")


def _refused_unread(headers: Any, max_bytes: int) -> Reply | None:
    if headers.get("expect", "100-continue").lower() != "100-continue":
        return _closing(417, "refused: nothing but 100-continue is expected here", "expect")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return _closing(415, "refused: compressed bodies are not taken", "content-encoding")
    return _refused_length(headers, max_bytes)


def _refused_length(headers: Any, max_bytes: int) -> Reply | None:
    length = headers.get("content-length")
    if length is not None and "transfer-encoding" in headers:
        return _closing(400, "refused: the length is given in two ways", "content-length")
    if length is None and "transfer-encoding" not in headers:
        return _closing(411, "refused: a body with its length is needed", "content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        return _closing(400, "refused: the length is no number", "content-length")
    if length is not None and int(length) > max_bytes:
        text = f"refused: size in bytes; expected: at most {max_bytes}"
        return _closing(413, text, "size in bytes")
    return None


def _without_body(reply: Reply) -> Reply:
    """The same as the last on its connection: what follows is a body, and no request."""
    others = tuple(header for header in reply.headers if header != _CLOSE)
    return replace(reply, headers=(*others, _CLOSE))


def _closing(status: int, message: str, rule: str) -> Reply:
    return refusal(status, message, rule, _CLOSE)


class _Moving:
    """The moment until which the next piece of a body must be there."""

    def __init__(self, limit: asyncio.Timeout, policy: GuardPolicy) -> None:
        self._limit = limit
        self._idle_s = policy.body_idle_s
        self._end = asyncio.get_running_loop().time() + policy.body_timeout_s

    def on(self) -> None:
        """A piece came."""
        next_s = asyncio.get_running_loop().time() + self._idle_s
        self._limit.reschedule(min(self._end, next_s))


async def _body(
    message: Message, receive: Receive, max_bytes: int, moving: _Moving
) -> tuple[bytes, Reply | None]:
    """The whole body from its first message on, or why it is not taken."""
    chunks: list[bytes] = [message.get("body", b"")]
    size = len(chunks[0])
    while message["type"] == "http.request" and size <= max_bytes and message.get("more_body"):
        moving.on()
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
    if message["type"] != "http.request":
        return b"", _closing(400, "refused: the client went away", "disconnect")
    return (b"".join(chunks), None) if size <= max_bytes else (b"", _too_large(max_bytes))


def _too_large(max_bytes: int) -> Reply:
    return _closing(413, f"refused: size in bytes; expected: at most {max_bytes}", "size in bytes")


async def _drain(receive: Receive, max_bytes: int) -> None:
    """Read what the client still sends, within bounds, and forget it.

    A connection that is closed over unread bytes is reset, and a client that sends first and
    reads later would never see the refusal.
    """
    left = max_bytes
    await in_task()
    try:
        async with asyncio.timeout(_DRAIN_S):
            while left > 0:
                message = await asyncio.wait_for(receive(), _DRAIN_IDLE_S)
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


async def _send(send: Send, reply: Reply, *, is_last: bool = True) -> None:
    kind = reply.content_type
    head = [
        _JSON if kind is JSON else (b"content-type", kind.encode("latin-1")),
        (b"content-length", b"%d" % len(reply.body)),
        *_SECURITY,
    ]
    if reply.headers:
        head += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": head})
    await send({"type": "http.response.body", "body": reply.body, "more_body": not is_last})
