"""The ASGI application in front of a language model: the chat route and nothing else.

Rules of the door, in the order in which they are applied:

1. A header that matters stands once. The host is one that the door answers to.
2. Whoever asks for anything but liveness is known, before it is said what exists.
3. A path is one of the few there are, plain ASCII and without a query; a method fits it.
4. A form that is named is one that is known, and where policy names one, no other.
5. A body is announced with its length and type, is within the bound, is not compressed, and
   arrives in time.

Streams are judged after the join: the client gets its events once the whole answer has been
judged. What has been sent cannot be taken back, and half an answer cannot be judged.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from hauberk.core.artifact import Exchange
from hauberk.guard import metrics
from hauberk.guard.app import (
    LOOPBACK_HOSTS,
    MAX_PATH,
    SINK_HEADER,
    Message,
    Receive,
    Send,
    _announces_body,
    _body,
    _headers,
    _host,
    _refused_unread,
    _send,
    peer_of,
)
from hauberk.guard.chat_service import PATH, ChatService, refusal, told
from hauberk.guard.identity import NOBODY, Holder
from hauberk.guard.replies import JSON, Reply
from hauberk.methods.forms import Form

LIVE = "/health"
MODELS = "/v1/models"
METRICS = "/metrics"
_PAGES = frozenset({LIVE, MODELS, METRICS})


class ChatApp:
    """The application.

    Args:
        service: What answers.
        hosts: Host names that the door answers to, without ports; ``None`` for any.
    """

    def __init__(self, service: ChatService, hosts: frozenset[str] | None = LOOPBACK_HOSTS) -> None:
        self._service = service
        self._hosts = hosts

    def close(self) -> None:
        """Write what is queued; a server does this at its own end."""
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
        holder = self._service.world.keyring.who(headers.pop("authorization", None), peer_of(scope))
        known = holder or NOBODY
        exchange = Exchange(
            name="chat",
            principal=known.principal,
            at=self._service.world.clock(),
            request=b"",
            content_type=headers.get("content-type", ""),
            headers=headers,
            sink=self._service.policy.form or headers.get(SINK_HEADER) or None,
            role=known.role,
        )
        reply = _told(problem) or self._refused_outside(scope, headers, path, holder)
        if reply is None and path == PATH:
            return await self._take(exchange, receive, started)
        reply = reply or self._page(path)
        return await self._service.conclude(exchange, reply, started) if reply.rule else reply

    def _refused_outside(
        self, scope: Message, headers: dict[str, str], path: str, holder: Holder | None
    ) -> Reply | None:
        """Rules 1 to 3, without the body; who asks comes before what exists."""
        if self._hosts is not None and _host(headers.get("host", "")) not in self._hosts:
            return refusal(421, "refused: this host name is not served here", "host")
        if holder is None and path != LIVE:
            challenge = ("www-authenticate", "Bearer")
            return refusal(401, "refused: no known key", "identity", challenge)
        return self._misrouted(scope, headers, path)

    def _misrouted(self, scope: Message, headers: dict[str, str], path: str) -> Reply | None:
        if len(path) > MAX_PATH or scope.get("query_string"):
            return refusal(400, "refused: the path has a query or is too long", "path")
        if path not in _PAGES and path != PATH:
            return refusal(404, "refused: there is nothing at this path", "path")
        wanted = "POST" if path == PATH else "GET"
        if scope["method"] != wanted:
            return refusal(405, f"refused: use {wanted}", "method", ("allow", wanted))
        if wanted == "GET" and _announces_body(headers):
            return refusal(400, "refused: no body is taken here", "body")
        return None

    def _page(self, path: str) -> Reply:
        if path == METRICS:
            text = self._service.metrics.text()
            return Reply(status=200, body=text.encode(), content_type=metrics.CONTENT_TYPE)
        if path == MODELS:
            return Reply(status=200, body=_models(self._service.policy.models))
        return Reply(status=200, body=b'{"live":true}')

    async def _take(self, exchange: Exchange, receive: Receive, started: float) -> Reply:
        """Rules 4 and 5, then the service."""
        policy = self._service.policy
        reply = self._unknown_form(exchange)
        reply = reply or _told(_refused_unread(exchange.headers, policy.max_body_bytes))
        body = b""
        if reply is None:
            try:
                async with asyncio.timeout(policy.body_timeout_s):
                    body, problem = await _body(receive, policy.max_body_bytes)
                reply = _told(problem)
            except TimeoutError:
                closing = ("connection", "close")
                text = "refused: the body did not arrive in time"
                reply = refusal(408, text, "time of a body", closing)
        if reply is not None:
            return await self._service.conclude(exchange, reply, started)
        return await self._service.answer(replace(exchange, request=body), started)

    def _unknown_form(self, exchange: Exchange) -> Reply | None:
        closing = ("connection", "close")
        asked = exchange.headers.get(SINK_HEADER)
        if exchange.content_type.partition(";")[0].strip().lower() != JSON:
            return refusal(415, f"refused: send {JSON}", "content-type", closing)
        if exchange.sink is not None and exchange.sink not in tuple(Form):
            text = f"refused: {SINK_HEADER} is one of " + ", ".join(Form)
            return refusal(400, text, "sink", closing)
        if asked is not None and asked != exchange.sink:
            text = f"refused: {SINK_HEADER} is set by the operator: {exchange.sink}"
            return refusal(400, text, "sink", closing)
        return None


def _told(problem: Reply | None) -> Reply | None:
    return None if problem is None else told(problem)


def _models(names: frozenset[str]) -> bytes:
    import json

    listed = [{"id": name, "object": "model", "owned_by": "upstream"} for name in sorted(names)]
    return json.dumps({"object": "list", "data": listed}).encode()
