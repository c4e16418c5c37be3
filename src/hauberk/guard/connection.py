"""One connection of HTTP/1.1: a request at a time to the application, each answer in one piece.

1. A head is read once it is there as a whole, in the narrow form of `guard.framing`; what is no
   head in time, or beyond the bounds, is refused and not read on.
2. A body is handed over as it comes; no more of it is read than the application has asked for.
3. The next request is not looked at before this one is answered, and no more is read meanwhile.
4. Head and body of an answer are one write. What was refused unread is read on for a moment and
   forgotten: a client that sends first and reads later would never see the refusal.
5. What an application of ours can answer without waiting is answered at once; only what waits
   for something becomes a task (`guard.begun`).
6. No request is looked at while the client does not read the answers that it has; one that reads
   nothing for a while is sent away with what it was owed.
7. One timer watches a connection; it is moved, not made again, from request to request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol

from hauberk.errors import ArtifactError
from hauberk.guard.asked import MAX_AHEAD, AnswerHeads, Asgi, Asked, refusal_of
from hauberk.guard.begun import Begun
from hauberk.guard.framing import IN_CHUNKS, Heads
from hauberk.guard.transport import PEER, peer_names

KEEP_ALIVE_S: Final = 5.0
MAX_HEAD: Final = 20 << 10
"""Bytes of a head; more than the application takes of names and values (`app.MAX_HEADER_BYTES`)."""

TICK_S: Final = 0.005
LINGER_S: Final = 0.5
UNREAD_S: Final = 5.0
MIN_READ: Final = 16 << 10
"""A client with an answer to read takes at least so much of it in that time, or is sent away."""

MAX_FORGOTTEN: Final = 1 << 20
"""So long, and so much, of what follows a refusal is read and forgotten."""

_FULL = "the server is full; try again"


class Crowd(Protocol):
    """What the server keeps of all connections; it waits for them when it ends."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]
    total_requests: int


class Idle:
    """Connections on which nothing is asked, the one that has been idle for longest first."""

    def __init__(self) -> None:
        self._known: dict[Any, None] = {}

    def add(self, connection: Any) -> None:
        """It is idle from now on."""
        self._known.pop(connection, None)
        self._known[connection] = None

    def drop(self, connection: Any) -> None:
        """It is not, or no more."""
        self._known.pop(connection, None)

    def make_place(self, connections: set[Any], most: int) -> None:
        """Close idle ones until there are fewer than ``most`` connections."""
        while self._known and len(connections) >= most:
            oldest = next(iter(self._known))
            del self._known[oldest]
            connections.discard(oldest)
            oldest.give_up()


class Incoming:
    """Connections whose request lacks a part of its body, which is most likely on its way.

    Most clients send a head and a body one after the other. To begin with the head, and to wait
    for the body with all that waiting takes, costs more than the request; a moment later it is
    whole. What is not whole within two ticks of one timer for all is begun as it is.
    """

    def __init__(self) -> None:
        self._ages: dict[Connection, int] = {}
        self._is_ticking = False

    def add(self, connection: Connection) -> None:
        """Begin its request once it is whole, or soon."""
        self._ages[connection] = 0
        if not self._is_ticking:
            self._is_ticking = True
            connection.loop.call_later(TICK_S, self._tick, connection.loop)

    def drop(self, connection: Connection) -> bool:
        """Whether it was waited for; it is no more."""
        return self._ages.pop(connection, None) is not None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        for connection, age in list(self._ages.items()):
            if age:
                del self._ages[connection]
                connection.begin()
            else:
                self._ages[connection] = age + 1
        self._is_ticking = bool(self._ages)
        if self._is_ticking:
            loop.call_later(TICK_S, self._tick, loop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What all connections of a server share.

    Attributes:
        header_timeout_s: Time for the head of a request to arrive.
        max_connections: The next takes the place of an idle one, or is answered with 503.
        begins_without_task: Whether the application does (`app.App`).
    """

    app: Asgi
    crowd: Crowd
    header_timeout_s: float
    max_connections: int
    begins_without_task: bool = False
    heads: Heads = field(default_factory=Heads)
    idle: Idle = field(default_factory=Idle)
    incoming: Incoming = field(default_factory=Incoming)
    answers: AnswerHeads = field(default_factory=AnswerHeads)


class Connection(asyncio.Protocol):
    """One client; see the rules above.

    Args:
        door: Shared with all others.
        state: Of the application; each request gets a copy.
    """

    transport: Any

    def __init__(self, door: Door, state: dict[str, Any]) -> None:
        self._door = door
        self._state = state
        self.loop = asyncio.get_running_loop()
        self._base: dict[str, Any] = {}
        self._held = bytearray()
        self._asked: Asked | None = None
        self._forgotten = 0
        self._is_closing = self._is_ending = False
        self._is_reading = True
        self._owed: int | None = None
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable: asyncio.Future[None] | None = None

    # The connection itself ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, and wait for a head."""
        door = self._door
        self.transport = transport
        door.idle.make_place(door.crowd.connections, door.max_connections - 1)
        door.crowd.connections.add(self)
        door.idle.add(self)
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self._state = {**self._state, PEER: peer_names(secured.getpeercert())}
        self._base = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "http" if secured is None else "https",
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "root_path": "",
        }
        self._close_in(door.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody hears an answer any more."""
        del exc
        self._door.crowd.connections.discard(self)
        self._door.idle.drop(self)
        self._door.incoming.drop(self)
        self._until = None
        if self._timer is not None:
            self._timer.cancel()
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.leave()
        self.resume_writing()

    def end_after_next(self) -> None:
        """Answer what is on its way, and say that it is the last on this connection."""
        self._is_ending = True
        if self._asked is not None:
            self._asked.is_last = True

    def shutdown(self) -> None:
        """The server ends: at once where nothing is asked, else after the answer."""
        if self._asked is None:
            self._end()
        else:
            self._asked.is_last = True

    def give_up(self) -> None:
        """Make place for another one, at once."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        self._writable = self.loop.create_future()
        self._owed = None
        self._close_in(UNREAD_S)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._writable is None:
            return
        waiting, self._writable = self._writable, None
        if not waiting.done():  # whoever waited may have been called off
            waiting.set_result(None)
        self._until = self._owed = None
        if self._asked is not None and self._asked.is_answered:
            self._finish(self._asked)

    async def writable(self) -> None:
        """Wait until the client has read."""
        if self._writable is not None:
            await self._writable

    def _close_in(self, seconds: float) -> None:
        self._until = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._until:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._until, self._look)

    def _look(self) -> None:
        """Close what has run out of time; the timer may have been set for an earlier moment."""
        self._timer = None
        if self._until is None:
            return
        if self.loop.time() < self._until:
            self._timer = self.loop.call_at(self._until, self._look)
            return
        left = self.transport.get_write_buffer_size()
        if left and (self._owed is None or left + MIN_READ <= self._owed):
            self._owed = left  # it is read, however slowly
            self._close_in(UNREAD_S)
        else:
            self.give_up()

    def _end(self) -> None:
        """Close once the client has read what was written, or reads no more."""
        self._owed = None
        self.transport.close()
        self._close_in(UNREAD_S)

    def read_on(self) -> None:
        """The application has taken what was there."""
        if not self._is_reading and not self.transport.is_closing():
            self._is_reading = True
            self.transport.resume_reading()

    def _read_no_more(self) -> None:
        if self._is_reading and not self.transport.is_closing():
            self._is_reading = False
            self.transport.pause_reading()

    # What comes in --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """A piece of a head or a body, or more than was asked for."""
        asked = self._asked
        if self._is_closing:
            self._forget(len(data))
        elif asked is None:
            self._begin(data)
        elif asked.is_whole:
            self._held += data
            self._read_no_more()
        else:
            try:
                self._held += asked.take(data)
            except ArtifactError as error:
                asked.leave()
                if asked.is_begun:
                    self.transport.close()
                else:
                    self._refuse(error.message)
                return
            if asked.is_ahead:
                self._read_no_more()
            if asked.is_whole and self._door.incoming.drop(self):
                self.begin()

    def _begin(self, data: bytes) -> None:
        """The head of a request, or a piece of it."""
        held = self._held
        if held:
            known = max(0, len(held) - 3)
            held += data
            end = held.find(b"\r\n\r\n", known)
            data = bytes(held) if end >= 0 or len(held) > MAX_HEAD else b""
        else:
            end = data.find(b"\r\n\r\n")
        if end < 0:
            self._wait_for_more(data)
            return
        held.clear()
        first = 0
        while data[first : first + 2] == b"\r\n" and first < end:
            first += 2
        self._ask(data[first : end + 4], data[end + 4 :])

    def _wait_for_more(self, data: bytes) -> None:
        held = self._held
        if not held:
            held += data
            self._door.idle.drop(self)
            self._close_in(self._door.header_timeout_s)
        if b"\n\n" in held:
            self._refuse("the head of the request has several meanings")
        elif len(held) > MAX_HEAD:
            too_large = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse("the headers are too large", too_large)

    def _ask(self, raw: bytes, rest: bytes) -> None:
        """Hand a request to the application."""
        door = self._door
        if len(raw) > MAX_HEAD:
            too_large = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse("the headers are too large", too_large)
            return
        try:
            head = door.heads.read(raw, rest)
            asked = Asked(self, door.answers, head, raw if head.length == IN_CHUNKS else b"")
            self._held += asked.take(rest)
        except ArtifactError as error:
            self._refuse(error.message)
            return
        crowd = door.crowd
        if max(len(crowd.connections), len(crowd.tasks)) >= door.max_connections:
            self._refuse(_FULL, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._asked = asked
        asked.is_last = asked.is_last or self._is_ending
        self._until = None
        door.idle.drop(self)
        if asked.is_ahead or self._held:
            self._read_no_more()
        if asked.is_whole or head.is_asking or not 0 < head.length <= MAX_AHEAD:
            self.begin()
        else:
            door.incoming.add(self)

    def begin(self) -> None:
        """Let the application answer what is asked."""
        door, asked = self._door, self._asked
        if asked is None:
            return
        crowd = door.crowd
        scope = {**self._base, **asked.head.scope, "state": self._state.copy()}
        work = asked.run(door.app, scope)
        if door.begins_without_task:
            begun = Begun(work)
            if begun.is_done:
                return
            work = begun.rest()
        task = self.loop.create_task(work)
        crowd.tasks.add(task)
        task.add_done_callback(crowd.tasks.discard)

    # What goes out --------------------------------------------------------------------

    def _refuse(self, why: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        """Answer without the application, and read on for a moment only."""
        self.transport.write(refusal_of(why, status))
        self._linger()

    def fail(self) -> None:
        """Say that there is no answer, and no more than that."""
        failed = HTTPStatus.INTERNAL_SERVER_ERROR
        self._refuse("the server has failed; try again", failed)

    def _linger(self) -> None:
        self._is_closing = True
        self._held.clear()
        self._asked = None
        self._door.idle.drop(self)
        self.read_on()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._close_in(LINGER_S)

    def _forget(self, n_bytes: int) -> None:
        self._forgotten += n_bytes
        if self._forgotten > MAX_FORGOTTEN:
            self.transport.abort()

    def answered(self, asked: Asked) -> None:
        """An answer was written; the next request may come."""
        self._door.crowd.total_requests += 1
        if self._asked is not asked:
            return
        if self._writable is None:
            self._finish(asked)
        else:
            self._read_no_more()  # until it has read: see `resume_writing`

    def _finish(self, asked: Asked) -> None:
        self._asked = None
        if not asked.is_whole:
            self._linger()
        elif asked.is_last:
            self._end()
        elif self._held:
            self.loop.call_soon(self._go_on)
        else:
            self._rest()

    def _rest(self) -> None:
        self._door.idle.add(self)
        self._close_in(KEEP_ALIVE_S)
        self.read_on()

    def _go_on(self) -> None:
        """With what came while the last request was answered."""
        if self._asked is None and not self._is_closing and not self.transport.is_closing():
            data = bytes(self._held)
            self._held.clear()
            self._rest()
            self._begin(data)


def _address(found: Any) -> tuple[str, int] | None:
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None
