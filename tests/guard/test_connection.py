"""Connections over real sockets, in front of applications that are not ours."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from hauberk.guard.asked import AnswerHeads
from hauberk.guard.connection import MAX_HEAD, UNREAD_S, Idle
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running

GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"

LARGE = "x" * (1 << 20)
asked: list[str] = []
"""Large answers that were made."""


async def _application(scope, receive, send):
    """Does what the path says."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    act = scope["path"].strip("/")
    if act == "fails":
        raise ValueError("on purpose")
    if act == "silent":
        return
    if act == "slow":
        await asyncio.sleep(0.2)
    if act == "large":
        asked.append(act)
        act = LARGE
    if act == "two-lines":
        headers = [(b"x-a", b"b\r\nx-c: d")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"never"})
        return
    if act == "all":
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body, has_more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for start in range(0, len(body), 100_000):
            piece = body[start : start + 100_000]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = (await receive())["body"] if scope["method"] == "POST" else act.encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if act == "pieces":
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        body = b""
    if act == "half":
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        return
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port():
    with running(_application, GuardPolicy(header_timeout_s=0.5)) as server:
        yield server.door.port


def _said(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """All that is answered until the connection ends."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_s)
        while chunk := connection.recv(65536):
            received += chunk
    return received


def _closing(act: bytes, method: bytes = b"GET") -> bytes:
    return b"%b /%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (method, act)


def test_an_answer_without_a_length_gets_one(port):
    said = _said(port, _closing(b"abc"))
    assert (b"content-length: 3\r\n" in said, said.endswith(b"\r\n\r\nabc")) == (True, True)


def test_an_answer_in_pieces_is_sent_in_chunks(port):
    said = _said(port, _closing(b"pieces"))
    assert said.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_the_head_of_an_answer_comes_alone_where_only_it_is_asked_for(port):
    said = _said(port, _closing(b"abc", b"HEAD"))
    assert (b"content-length: 3" in said, said.endswith(b"\r\n\r\n")) == (True, True)


@pytest.mark.parametrize("act", [b"fails", b"silent", b"two-lines"])
def test_an_application_that_gives_no_answer_is_a_failure_that_tells_nothing(port, act, caplog):
    said = _said(port, GET % act)
    assert said.startswith(b"HTTP/1.1 500")
    assert said.endswith(b'{"error":"refused: the server has failed; try again"}')


def test_half_an_answer_ends_the_connection(port):
    assert _said(port, GET % b"half").endswith(b"3\r\none\r\n")


def test_answers_come_in_the_order_of_requests(port):
    said = _said(port, GET % b"slow" + GET % b"second" + _closing(b"third"))
    places = [said.index(word) for word in (b"slow", b"second", b"third")]
    assert places == sorted(places)


def test_a_body_that_follows_its_head_is_whole_for_the_application(port):
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nConnection: close\r\n\r\n"
    assert _said(port, head, b"abcdef").endswith(b"abcdef")


def test_a_body_that_does_not_come_is_begun_without_it(port):
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nConnection: close\r\n\r\n"
    assert _said(port, head, b"abc", pause_s=0.1).endswith(b"abc")


def _large_ones(port: int, seed: int) -> list[int]:
    """How much is echoed of bodies that come in odd pieces, one after the other."""
    rng, found = Random(seed), []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for _ in range(15):
        size = rng.choice((0, 1, 100, 65_535, 65_536, 65_537, 200_000, 900_000))
        ends = sorted(rng.randrange(size + 1) for _ in range(rng.randrange(5)))
        body = b"x" * size
        pieces = [body[a:b] for a, b in itertools.pairwise((0, *ends, size))]
        if rng.random() < 0.5:
            connection.request("POST", "/all", iter(pieces), {"content-length": str(size)})
        else:
            connection.request("POST", "/all", iter(pieces), encode_chunked=True)
        found.append(len(connection.getresponse().read()) - size)
    connection.close()
    return found


def test_large_bodies_on_many_connections_are_all_read_whatever_their_pieces(port):
    with ThreadPoolExecutor(12) as pool:
        differences = list(pool.map(lambda seed: _large_ones(port, seed), range(24)))
    assert differences == [[0] * 15] * 24


def test_a_client_that_asks_first_is_told_to_go_on(port):
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    said = _said(
        port, head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n", b"abc", pause_s=0.1
    )
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


def test_a_head_beyond_the_bound_is_refused_before_its_end(port):
    said = _said(port, b"GET / HTTP/1.1\r\nx-a: " + b"a" * (MAX_HEAD + 1))
    assert said.startswith(b"HTTP/1.1 431")


def test_a_connection_on_which_nothing_comes_is_closed(port):
    started = time.monotonic()
    assert _said(port) == b""
    assert time.monotonic() - started < 10


def test_an_old_client_is_answered_and_left(port):
    assert _said(port, b"GET /abc HTTP/1.0\r\n\r\n").endswith(b"abc")


def test_heads_of_answers_are_made_once_and_bounded():
    heads = AnswerHeads()
    first = heads.of(200, ((b"a", b"b"),))
    assert heads.of(200, ((b"a", b"b"),)) is first
    for number in range(2000):
        heads.of(200, ((b"a", b"%d" % number),))
    assert len(heads) <= 1000


def test_the_longest_idle_connection_gives_its_place():
    closed = []

    class Open:
        def __init__(self, name):
            self.name = name

        def give_up(self):
            closed.append(self.name)

    idle, connections = Idle(), {Open("a"), Open("b")}
    for connection in sorted(connections, key=lambda one: one.name):
        idle.add(connection)
    idle.make_place(connections, 2)
    assert (closed, len(connections)) == (["a"], 1)


def _who_reads_nothing(port: int, requests: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    asked.clear()
    connection.sendall(GET % b"large" * requests)
    time.sleep(0.5)
    return connection


def test_no_answers_are_made_ahead_for_a_client_that_does_not_read(port):
    with _who_reads_nothing(port, 100) as connection:
        made = len(asked)
        received = 0
        while received < 100 * len(LARGE):
            received += len(connection.recv(1 << 20))
    assert made < 50
    assert len(asked) == 100


@pytest.mark.slow
def test_a_client_that_never_reads_is_sent_away_with_what_it_was_owed(port):
    with _who_reads_nothing(port, 100) as connection:
        time.sleep(2 * UNREAD_S + 1)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                received += len(piece)
    assert received < 50 * len(LARGE)
    assert len(asked) < 50


def test_a_client_that_reads_slowly_is_answered_to_the_end(port):
    with _who_reads_nothing(port, 1) as connection:
        received = 0
        for _ in range(4):
            time.sleep(0.5)
            received += len(connection.recv(4096))
        while received < len(LARGE):
            received += len(connection.recv(1 << 20))
    assert received >= len(LARGE)
