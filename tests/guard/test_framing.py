"""Heads of requests that two servers could read differently."""

from __future__ import annotations

import http.client
import socket

import pytest

from hauberk.guard.app import App
from hauberk.guard.framing import MAX_CHUNKS, MAX_KEPT, Heads, is_ambiguous, read_head
from hauberk.guard.server import running
from hauberk.guard.service import open_service
from hauberk.range.worlds import guarded

_BODY = guarded.SAMPLE
_FIRST = f"POST {guarded.CLASSIFIER_PATH} HTTP/1.1"
_PLAIN = ("Host: 127.0.0.1", "Content-Type: application/json")
_LENGTH = f"Content-Length: {len(_BODY)}"


def _head(*lines: str, first: str = _FIRST, end: str = "\r\n") -> bytes:
    return (end.join((first, *_PLAIN, *lines)) + end + end).encode("latin-1")


AMBIGUOUS = {
    "bare line feeds": _head(_LENGTH, end="\n") + _BODY,
    "a bare carriage return": _head(_LENGTH, "X-A: b\rc") + _BODY,
    "a folded line": _head(_LENGTH, "X-A: b\r\n c") + _BODY,
    "a blank before the colon": _head("Content-Length : 5") + _BODY,
    "a version of the future": _head(_LENGTH, first=_FIRST.replace("1.1", "9.9")) + _BODY,
    "a bare question mark": _head(_LENGTH, first=_FIRST.replace(" HTTP", "? HTTP")) + _BODY,
    "a length twice": _head(_LENGTH, _LENGTH) + _BODY,
    "a list of lengths": _head(f"{_LENGTH}, {len(_BODY)}") + _BODY,
    "a signed length": _head(f"Content-Length: +{len(_BODY)}") + _BODY,
    "no length in a length": _head("Content-Length:") + _BODY,
    "a length and a coding": _head(_LENGTH, "Transfer-Encoding: chunked") + _BODY,
    "a coding twice": _head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "another coding": _head("Transfer-Encoding: identity") + _BODY,
    "two codings": _head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "a coding with a vertical tab": _head("Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
    "a chunk of nearly all memory": _head("Transfer-Encoding: chunked") + b"ffffffffffffffff\r\n",
    "an extension of a chunk": _head("Transfer-Encoding: chunked") + b"5;a=b\r\n",
    "chunks in an old version": _head(
        "Transfer-Encoding: chunked", first=_FIRST.replace("1.1", "1.0")
    )
    + b"0\r\n\r\n",
    "no host": _head(_LENGTH).replace(b"Host: 127.0.0.1\r\n", b"") + _BODY,
    "two hosts": _head(_LENGTH, "Host: 127.0.0.1") + _BODY,
    "a negative chunk": _head("Transfer-Encoding: chunked") + b"-1\r\n",
}
_CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(_BODY), _BODY)
PLAIN = {
    "a length": _head(_LENGTH) + _BODY,
    "chunks": _head("Transfer-Encoding: chunked") + _CHUNKED,
    "an old version": _head(_LENGTH, first=_FIRST.replace("1.1", "1.0")) + _BODY,
    "lower case": _head(_LENGTH.lower()) + _BODY,
    "text in other letters": _head(_LENGTH, "X-A: \xe9\t;") + _BODY,
}


@pytest.fixture(scope="module")
def port():
    bundle = guarded.classifier().service.bundle
    with running(App(open_service(bundle)), bundle.policy) as server:
        yield server.door.port


def _status(port: int, *pieces: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        for piece in pieces:
            connection.sendall(piece)
        return int(connection.recv(65536).split(b" ")[1])


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_head_with_several_meanings_is_refused_at_once(port, name):
    assert _status(port, AMBIGUOUS[name]) == 400


@pytest.mark.parametrize("name", PLAIN)
def test_a_head_with_one_meaning_is_read(port, name):
    assert _status(port, PLAIN[name]) == 200


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_head_in_pieces_is_judged_as_a_whole(port, name):
    raw = AMBIGUOUS[name]
    assert _status(port, raw[:40], raw[40:90], raw[90:]) == 400


@pytest.mark.parametrize("name", PLAIN)
def test_a_head_that_comes_byte_by_byte_is_read_as_one_that_comes_at_once(port, name):
    raw = PLAIN[name]
    assert _status(port, *(raw[i : i + 1] for i in range(len(raw)))) == 200


def test_a_body_is_no_head(port):
    body = b'{"a":\n\n "b\rc"}'
    answer = _status(port, _head(f"Content-Length: {len(body)}"), body)
    assert answer == 400


def _whole(connection: socket.socket) -> bytes:
    """What is sent until the connection ends."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


@pytest.mark.parametrize("name", ["a length", "chunks"])
def test_a_request_behind_another_is_held_against_the_same_rules(port, name):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(PLAIN[name] + AMBIGUOUS["a length and a coding"])
        answers = _whole(connection)
    assert answers.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 200" not in answers[20:]


def test_requests_in_a_row_are_answered_in_a_row(port):
    last = _head(_LENGTH, "Connection: close") + _BODY
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(PLAIN["a length"] * 20 + last)
        assert _whole(connection).count(b"HTTP/1.1 200") == 21


def test_a_body_of_a_thousand_pieces_is_one(port):
    pieces = [_BODY[i : i + 1] for i in range(len(_BODY))]
    assert _status(port, _head(_LENGTH), *pieces) == 200


def test_more_chunks_than_a_body_can_need_are_refused(port):
    chunks = b"1\r\n \r\n" * (MAX_CHUNKS + 1)
    assert _status(port, _head("Transfer-Encoding: chunked") + chunks) == 400


def test_chunks_that_go_wrong_later_are_refused(port):
    head = _head("Transfer-Encoding: chunked")
    assert _status(port, head, b"1\r\n{\r\n", b"zz\r\n") == 400


def test_a_head_that_is_known_is_read_once():
    heads = Heads()
    assert heads.read(_head(_LENGTH)) is heads.read(_head(_LENGTH))
    assert heads.read(_head(_LENGTH)) == read_head(_head(_LENGTH))


def test_heads_that_are_known_are_bounded():
    heads = Heads()
    for number in range(MAX_KEPT + 10):
        heads.read(_head(_LENGTH, f"X-A: {number}"))
    assert len(heads) <= MAX_KEPT


def test_the_head_alone_decides():
    assert not is_ambiguous(_head(_LENGTH), b"\n\n ;")


def test_a_client_that_sends_all_before_it_reads_sees_the_refusal_of_a_large_body(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", guarded.CLASSIFIER_PATH, b" " * (6 << 20), headers)
    answer = connection.getresponse()
    assert (answer.status, b"size in bytes" in answer.read()) == (413, True)
    connection.close()


def test_a_length_that_never_comes_is_refused_at_once(port):
    head = _head("Content-Length: 1000000000000")
    assert _status(port, head) == 413
