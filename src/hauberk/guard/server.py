"""Run the application with uvicorn, within bounds that uvicorn alone does not have.

uvicorn waits forever for the headers of a request; here a connection that has not sent them
in time is closed. Without keys the server listens on loopback only, unless it is told to be
insecure in so many words.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any, Protocol

from hauberk.errors import UnavailableError, UsageError
from hauberk.guard.app import LOOPBACK_HOSTS, Message, Receive, Send
from hauberk.guard.loopback import Socket

SWITCH_S = 0.0002
"""How long a thread that reads a large body or counts rows may keep the event loop waiting."""

DRAIN_S = 10
LINGER_S = 0.5
"""At the end, idle connections stay open so long: what is on its way on them is answered still."""

_START_S = 20.0
_LOOK_S = 0.02


Asgi = Callable[[Message, Receive, Send], Awaitable[None]]
"""An application: of served models, or of a language model."""


class Bounds(Protocol):
    """What a policy says of connections."""

    @property
    def header_timeout_s(self) -> float:
        """Time for the headers of a request to arrive."""
        ...

    @property
    def max_connections(self) -> int:
        """Open connections; the next takes the place of an idle one, or is answered with 503."""
        ...


def hosts_for(host: str, *, has_keys: bool, insecure: bool) -> frozenset[str] | None:
    """The host names that the application answers to when it listens on ``host``.

    Returns:
        ``None`` for any name.

    Raises:
        UsageError: The door would stand open to a network without keys.
    """
    if has_keys or insecure:
        return None
    if not is_loopback(host):
        raise UsageError(
            "without API keys the server listens on loopback only",
            subject=f"--host {host}",
            rule="a door to a network needs keys",
            expected="127.0.0.1, ::1 or localhost",
            found=host,
            hint="give --keys FILE, or --insecure if somebody else keeps the door",
        )
    return LOOPBACK_HOSTS


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address; names but ``localhost`` do not count."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        UnavailableError: The address is taken or does not exist.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.create_server((host, port), family=family, backlog=1024)
        # asyncio sets this only for sockets that were made with the number of their protocol.
        # Without it the second piece of an answer waits 40 ms for the client's word on the first.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise UnavailableError(
            "the server cannot listen",
            subject=f"{host}:{port}",
            found=error.strerror or type(error).__name__,
            hint="choose another --port or --host",
        ) from error
    return found


def serve(
    app: Asgi,
    sock: socket.socket,
    policy: Bounds,
    say_open: Callable[[], None] = lambda: None,
    tls: ssl.SSLContext | None = None,
) -> bool:
    """Serve until SIGTERM or SIGINT; running requests may end within `DRAIN_S`.

    Args:
        say_open: Called once signals are heeded and every door takes connections.
        tls: The door's side of TLS; ``None`` leaves it to somebody in front.

    Returns:
        Whether a signal ended it.
    """
    server = _server(app, policy, tls, say_open)
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        server.handle_exit(number, frame)

    gc.collect()
    gc.freeze()  # what start-up made stays; looking through it again would hold up a request
    sys.setswitchinterval(SWITCH_S)
    old = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _run(server, sock)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    return stopped.is_set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server in a thread of this process."""

    door: Socket
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{self.scheme}://{self.door.host}:{self.door.port}"


@contextlib.contextmanager
def running(
    app: Asgi, policy: Bounds, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Running]:
    """The application on a free port of loopback, for as long as the block lasts.

    Raises:
        UnavailableError: It does not start.
    """
    sock = listen(host, 0)
    server = _server(app, policy, tls)
    thread = threading.Thread(target=_run, args=(server, sock), name="hauberk-server")
    thread.start()
    try:
        _await_start(server, thread)
        door = Socket(host=host, port=sock.getsockname()[1])
        yield Running(door=door, scheme="http" if tls is None else "https")
    finally:
        server.should_exit = True
        thread.join()


def _await_start(server: Any, thread: threading.Thread) -> None:
    for _ in range(int(_START_S / 0.01)):
        if server.started:
            return
        thread.join(0.01)
        if not thread.is_alive():
            break
    raise UnavailableError("the server did not start", hint="see the log above for the reason")


def _run(server: Any, sock: socket.socket) -> None:
    with sock:
        server.run(sockets=[sock])


def _server(
    app: Asgi,
    policy: Bounds,
    tls: ssl.SSLContext | None,
    say_open: Callable[[], None] = lambda: None,
) -> Any:
    try:
        import httptools  # noqa: F401 - `guard.framing` reads with it
        import uvicorn
    except ImportError as error:
        raise UnavailableError(
            "serving needs uvicorn and httptools",
            hint="pip install 'hauberk[serve]'",
            found="not installed",
        ) from error
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=_protocol(policy),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
    )

    class QuietServer(uvicorn.Server):
        """Leaves signals to `serve`; uvicorn would raise them once more at the end."""

        def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]  # the base is a decorated generator
            return contextlib.nullcontext()

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Give a handshake no more time than headers; asyncio would wait for a minute."""
            if tls is not None:
                loop = asyncio.get_running_loop()
                loop.create_server = partial(  # type: ignore[method-assign]  # of this server's own loop
                    loop.create_server, ssl_handshake_timeout=policy.header_timeout_s
                )
            await super().startup(sockets)
            if self.started:
                say_open()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Answer what is on its way, and say that it is the last on its connection.

            A connection that looks idle may have a request that was not read yet; closed over
            it, the connection is reset, and a client cannot tell whether it was answered.
            """
            await _linger(self)
            await super().shutdown(sockets)

    config.load()
    config.ssl = tls
    return QuietServer(config)


async def _linger(server: Any) -> None:
    """Take no more connections; each answer is the last on the one that it leaves by."""
    for listening in server.servers:
        listening.close()
    connections = server.server_state.connections
    for connection in connections:
        connection.end_after_next()
    for _ in range(int(LINGER_S / _LOOK_S)):
        if not connections or server.force_exit:
            break
        await asyncio.sleep(_LOOK_S)


def _protocol(policy: Bounds) -> Any:
    """What uvicorn makes of each connection: ours, with what all of them share."""
    from hauberk.guard.connection import Connection, Door

    door: Door | None = None

    def made(config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any) -> Connection:
        nonlocal door
        del _loop  # the running one
        if door is None:
            door = Door(
                app=config.loaded_app,
                crowd=server_state,
                header_timeout_s=policy.header_timeout_s,
                max_connections=policy.max_connections,
                begins_without_task=getattr(config.loaded_app, "begins_without_task", False),
            )
        return Connection(door, app_state)

    return made
