"""A second door to the same guard: the Open Inference Protocol over gRPC.

`GrpcDoor` wraps the application of the HTTP door and lives as long as it does, in its event loop.
A call becomes the exchange that a client of HTTP would have made (`formats.v2_grpc`), so that
identity, budgets, schema, controls, output detail and log are those of one guard:

1. Whoever asks for anything but whether the server lives is known by its metadata, the same
   ``authorization`` as in HTTP, before it is said what exists.
2. Messages are bounded by the policy before they are read, and are never compressed.
3. Names of methods, models and versions are those that are served.

There is no reflection and no stream of requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from hauberk import __version__
from hauberk.core.artifact import Exchange
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats import v2_grpc
from hauberk.formats.v2_binary import HEADER
from hauberk.guard.app import MAX_HEADER_BYTES, App, Message, Receive, Send
from hauberk.guard.desk import ROUTE, SINK_HEADER
from hauberk.guard.identity import NOBODY, Holder
from hauberk.guard.replies import OCTETS, Reply, refusal
from hauberk.guard.service import Service

_STATUS: Final = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
_GRACE_S = 10.0
_PLAIN_ONLY = 1
"""Bit 0 of the algorithms that a server takes: no compression."""

_MIN_PING_MS = 10_000

Method = Callable[[bytes, Any], Awaitable[bytes]]


class _Ended(Exception):  # noqa: N818 - how a call ends, no error of ours
    """A call that is answered with a refusal."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.rule)
        self.reply = reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the door is.

    Attributes:
        port: 0 for any free one.
        is_shared: Whether other processes of this server listen there too.
        pair: Private key and certificate in PEM; ``None`` speaks without TLS.
    """

    host: str
    port: int
    is_shared: bool = False
    pair: tuple[bytes, bytes] | None = None


class GrpcDoor:
    """The HTTP application ``app`` with a gRPC server beside it.

    Attributes:
        port: Where it listens, once it has started.
        problem: Why it did not start.
    """

    def __init__(self, app: App, place: Place) -> None:
        _grpc()
        self._app = app
        self._place = place
        self._server: Any = None
        self.port = 0
        self.problem: Exception | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI 3."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._open()
                except RuntimeError as error:  # of grpc, where it cannot listen
                    self.problem = error
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
            else:
                await self._server.stop(_GRACE_S)
                self._app.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _open(self) -> None:
        grpc = _grpc()
        policy = self._app.served.desk.policy
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", policy.max_body_bytes),
                ("grpc.max_metadata_size", MAX_HEADER_BYTES),
                ("grpc.absolute_max_metadata_size", MAX_HEADER_BYTES),
                ("grpc.max_concurrent_streams", policy.per_principal),
                ("grpc.compression_enabled_algorithms_bitset", _PLAIN_ONLY),
                ("grpc.http2.min_ping_interval_without_data_ms", _MIN_PING_MS),
                ("grpc.so_reuseport", int(self._place.is_shared)),
            ),
            maximum_concurrent_rpcs=policy.max_connections,
        )
        calls = {name: _handler(grpc, self._guarded(call)) for name, call in self._calls().items()}
        handler = grpc.method_handlers_generic_handler(v2_grpc.SERVICE, calls)
        self._server.add_generic_rpc_handlers((handler,))
        host = f"[{self._place.host}]" if ":" in self._place.host else self._place.host
        address = f"{host}:{self._place.port}"
        if self._place.pair is None:
            self.port = self._server.add_insecure_port(address)
        else:
            credentials = grpc.ssl_server_credentials((self._place.pair,))
            self.port = self._server.add_secure_port(address, credentials)
        await self._server.start()

    def _calls(self) -> Mapping[str, Method]:
        return {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._about,
            "ModelMetadata": self._described,
            "ModelInfer": self._infer,
        }

    def _guarded(self, call: Method) -> Method:
        """The call, whose refusals end it with a status of gRPC."""

        async def guarded(data: bytes, context: Any) -> bytes:
            try:
                return await call(data, context)
            except _Ended as ended:
                status, said = _status(ended.reply)
            await context.abort(status, said)
            raise AssertionError  # abort raises

        return guarded

    # Calls ----------------------------------------------------------------------------

    async def _live(self, data: bytes, context: Any) -> bytes:
        del context
        await self._read(v2_grpc.read_nothing, data)
        return v2_grpc.write_truth(is_so=True)

    async def _ready(self, data: bytes, context: Any) -> bytes:
        del context
        await self._read(v2_grpc.read_nothing, data)
        return v2_grpc.write_truth(is_so=await self._service().answers.ready())

    async def _model_ready(self, data: bytes, context: Any) -> bytes:
        await self._named(data, await self._holder(context))
        return v2_grpc.write_truth(is_so=await self._service().answers.ready())

    async def _about(self, data: bytes, context: Any) -> bytes:
        await self._holder(context)
        await self._read(v2_grpc.read_nothing, data)
        return v2_grpc.write_about("hauberk", __version__)

    async def _described(self, data: bytes, context: Any) -> bytes:
        await self._named(data, await self._holder(context))
        return v2_grpc.write_metadata(self._service().metadata())

    async def _infer(self, data: bytes, context: Any) -> bytes:
        started = time.perf_counter()
        holder = await self._holder(context)
        service = self._service()
        asked = await self._read(
            lambda body: v2_grpc.read_request(body, service.schema.limits), data, holder
        )
        await self._known(asked.model, asked.version, holder)
        exchange = self._exchange(holder, asked.body, _sink(context))
        if exchange.sink is not None and exchange.sink not in service.desk.manners.sinks:
            text = f"refused: {SINK_HEADER} is one of " + ", ".join(service.desk.manners.sinks)
            await self._end(refusal(HTTPStatus.BAD_REQUEST, text, "sink"), holder)
        exchange = _with_headers(exchange, asked)
        reply = await service.infer(exchange, started)
        if reply.status != HTTPStatus.OK:
            raise _Ended(reply)
        return v2_grpc.write_response(reply.body, int(dict(reply.headers)[HEADER]))

    # What they share ------------------------------------------------------------------

    def _service(self) -> Service:
        served = self._app.served
        if not isinstance(served, Service):  # pragma: no cover - the command line sees to it
            raise TypeError(type(served).__name__)
        return served

    async def _holder(self, context: Any) -> Holder:
        """Who asks."""
        given = [value for name, value in context.invocation_metadata() if name == "authorization"]
        holder = None
        if len(given) <= 1 and all(isinstance(value, str) for value in given):
            keyring = self._app.served.desk.world.keyring
            holder = keyring.who(given[0] if given else None, ())
        if holder is None:
            reply = refusal(HTTPStatus.UNAUTHORIZED, "refused: no known key", "identity")
            await self._end(reply, NOBODY)
            raise AssertionError  # it has ended
        return holder

    async def _read(self, reader: Callable[[bytes], Any], data: bytes, who: Holder = NOBODY) -> Any:
        try:
            return reader(data)
        except ArtifactError as error:
            await self._end(
                refusal(HTTPStatus.BAD_REQUEST, str(error), error.rule or "message"), who
            )

    async def _named(self, data: bytes, holder: Holder) -> None:
        name, version = await self._read(v2_grpc.read_named, data, holder)
        await self._known(name, version, holder)

    async def _known(self, name: str, version: str, holder: Holder) -> None:
        desk = self._app.served.desk
        if name != desk.name or version not in ("", desk.version):
            text = "refused: no such model or version"
            await self._end(refusal(HTTPStatus.NOT_FOUND, text, "path"), holder)

    async def _end(self, reply: Reply, holder: Holder) -> None:
        """Write a refusal down and end the call.

        Raises:
            _Ended: Always.
        """
        exchange = self._exchange(holder, b"", None)
        raise _Ended(await self._app.served.desk.conclude(exchange, reply, time.perf_counter()))

    def _exchange(self, holder: Holder, body: bytes, sink: str | None) -> Exchange:
        desk = self._app.served.desk
        return Exchange(
            name=desk.name,
            principal=holder.principal,
            at=desk.world.clock(),
            request=body,
            content_type=OCTETS,
            headers={ROUTE: v2_grpc.SERVICE},
            sink=desk.policy.sink or sink,
            role=holder.role,
        )


def _with_headers(exchange: Exchange, asked: v2_grpc.Asked) -> Exchange:
    headers = {
        HEADER: str(asked.header_length),
        "content-length": str(len(asked.body)),
        ROUTE: f"{v2_grpc.SERVICE}/ModelInfer",
    }
    return replace(exchange, headers=headers)


def _sink(context: Any) -> str | None:
    """Where the client says that the answer is read."""
    for name, value in context.invocation_metadata():
        if name == SINK_HEADER:
            return str(value)
    return None


def _status(reply: Reply) -> tuple[Any, str]:
    """A refusal in the words of gRPC."""
    name = _STATUS.get(reply.status, "INTERNAL")
    return getattr(_grpc().StatusCode, name), str(json.loads(reply.body)["error"])


def _handler(grpc: Any, call: Method) -> Any:
    return grpc.unary_unary_rpc_method_handler(call)


def _grpc() -> Any:
    """The library.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        import grpc
        import grpc.aio
    except ImportError as error:
        raise UnavailableError(
            "a gRPC door needs grpcio", hint="pip install 'hauberk[grpc]'", found="not installed"
        ) from error
    return grpc
