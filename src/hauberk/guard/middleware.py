"""The guard around an ASGI application of one's own that answers requests of V2.

The application keeps its routes; the path of inference is taken over: identity, role, budget,
the closed schema, controls on exchanges, output detail and the log stand before and after it,
as in `hauberk serve`. The application is called with the canonical request and with no header
of the client's, and its answer is believed as far as its form goes (`guard.upstream`). Paths
that are not named are not there; ``open_paths`` are passed through untouched, and unguarded.

    app = Guard(
        app,
        name="loans",
        path="/v2/models/loans/infer",
        schema=v2_schema.from_bytes(Path("schema.json").read_bytes()),
        keyring=keyring_of(Path("keys").read_text()),
    )

With Starlette or FastAPI: ``app.add_middleware(Guard, name=..., path=..., schema=...)``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from hauberk.core.ports import ClientState
from hauberk.formats.v2 import Request, Tensor
from hauberk.formats.v2_schema import InputSchema
from hauberk.guard.answering import Meter
from hauberk.guard.app import LOOPBACK_HOSTS, App, Message, Receive, Send
from hauberk.guard.audit import Log
from hauberk.guard.chat_upstream import Spoken
from hauberk.guard.desk import Surroundings
from hauberk.guard.identity import Identity, Keyring
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import Page, Post, Service, further_watches
from hauberk.guard.upstream import Described, believed, bundle_for, canonical, failed
from hauberk.trust.client_state import MemoryClientState

Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_ANSWER = 64 << 20


class Guard:
    """ASGI middleware.

    Args:
        app: The application that answers.
        name: Of the model, in the log and in answers.
        path: Of inference, in the application as for clients.
        schema: What the model takes; ``schema.json`` of a bundle brings ranges.
        hosts: Names that the door answers to; by default those of loopback while there are no
            keys, and any with keys.
        open_paths: Passed through without the guard (pages, health checks of one's own).
    """

    def __init__(
        self,
        app: Asgi,
        *,
        name: str,
        path: str,
        schema: InputSchema,
        policy: GuardPolicy | None = None,
        keyring: Identity | None = None,
        hosts: frozenset[str] | None = None,
        log: Log | None = None,
        state: ClientState | None = None,
        open_paths: frozenset[str] = frozenset(),
    ) -> None:
        policy = policy or GuardPolicy()
        described = Described(name=name, version="1", platform="asgi", signature=schema)
        world = Surroundings(
            keyring=keyring or Keyring(),
            log=log,
            state=state or MemoryClientState(),
            watches=further_watches(),
        )
        service = Service(
            bundle_for(described, schema, policy), _Inner(app, path, schema, policy), world
        )
        self._inner = app
        self._open = open_paths
        known = LOOPBACK_HOSTS if keyring is None and hosts is None else hosts
        self._guarded = App(_At(service, path), known)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI 3."""
        is_open = scope["type"] == "http" and scope["path"] in self._open
        if scope["type"] == "lifespan" or is_open:
            await self._inner(scope, receive, send)
        else:
            await self._guarded(scope, receive, send)

    def close(self) -> None:
        """Write what is queued for the log; call it when the application ends."""
        self._guarded.close()


class _At:
    """A service whose only path of inference is the application's own."""

    def __init__(self, service: Service, path: str) -> None:
        self._service = service
        self._path = path
        self.desk = service.desk

    def posts(self) -> Mapping[str, Post]:
        return {self._path: self._service.infer}

    def pages(self) -> Mapping[str, Page]:
        return {} if self._path in self._service.pages() else self._service.pages()

    def close(self) -> None:
        self._service.close()


class _Inner:
    """The application, asked in this process."""

    platform = "asgi"

    def __init__(self, app: Asgi, path: str, schema: InputSchema, policy: GuardPolicy) -> None:
        self._app = app
        self._path = path
        self._policy = policy
        self.signature = schema
        self._outputs = {tensor.name: tensor for tensor in schema.outputs}

    def within(self, policy: GuardPolicy) -> _Inner:
        return _Inner(self._app, self._path, self.signature, policy)

    def close(self) -> None:
        pass

    async def ready(self) -> bool:
        return True

    def at_once(self, request: Request, n_rows: int, meter: Meter) -> None:
        del request, n_rows, meter

    async def outputs(self, request: Request, n_rows: int, meter: Meter) -> tuple[Tensor, ...]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._policy.deadline_s):
                said = await _called(self._app, self._path, canonical(request))
        except TimeoutError as error:
            raise failed(HTTPStatus.GATEWAY_TIMEOUT, "application: deadline") from error
        except Exception as error:  # whatever a foreign application raises is its fault
            raise failed(HTTPStatus.BAD_GATEWAY, "application: error") from error
        finally:
            meter.seconds = time.monotonic() - started
        return believed(said, request, n_rows, self._outputs)


async def _called(app: Asgi, path: str, body: bytes) -> Spoken:
    """What the application answers to one post."""
    status, chunks, size = 0, [], 0
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, size
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > MAX_ANSWER:
                raise ValueError("the answer is too large")

    await app(_scope(path, len(body)), receive, send)
    return Spoken(status=status, content_type="application/json", body=b"".join(chunks))


def _scope(path: str, length: int) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("ascii"),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode("ascii")),
        ],
        "client": None,
        "server": ("localhost", 80),
    }
