"""Heads of requests that two servers could read differently."""

from __future__ import annotations

import http.client
import socket

import pytest

from hauberk.guard.app import App
from hauberk.guard.framing import Framing, is_ambiguous
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


def test_a_head_in_pieces_is_judged_as_a_whole():
    framing = Framing()
    hostile = AMBIGUOUS["a length twice"]
    assert not framing.refuses(hostile[:40], None)
    assert framing.refuses(hostile[40:], None)


def test_a_body_is_no_head():
    class Request:
        response_complete = False

    assert not Framing().refuses(b"a\nb\n\n", Request())


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
