"""Some six hundred hostile requests over real connections: every one of them is refused."""

from __future__ import annotations

import contextlib
import re
import socket
from itertools import groupby

import pytest
from tests.guard.hostile_wire import BODY, cases, sent

from hauberk.guard.app import MAX_HEADER_BYTES, App
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running
from hauberk.guard.service import open_service
from hauberk.range.worlds import served

_OPEN = GuardPolicy(rate_per_s=1e9, burst=1e9, compute_share=1e9, compute_burst_s=1e9)
_CASES = {
    family: list(found)
    for family, found in groupby(cases(), key=lambda case: case[0].partition(":")[0])
}


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    bundle = served.write_classifier(tmp_path_factory.mktemp("served") / "b", _OPEN)
    with running(App(open_service(bundle)), _OPEN) as server:
        yield server.door.port


_RESET = b'HTTP/1.1 431 (reset) {"error":"refused: '


def _answer(port: int, raw: bytes) -> bytes:
    """The first whole answer on a new connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        with contextlib.suppress(OSError):  # it closes over what it leaves unread
            connection.sendall(raw)
        while True:
            try:
                chunk = connection.recv(65536)
            except ConnectionResetError:
                # Closed over what was left unread of a head beyond the bound: refused as well.
                return received or (_RESET if len(raw) > MAX_HEADER_BYTES else b"")
            if not chunk:
                break
            received += chunk
            head, end, body = received.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if end and length and len(body) >= int(length[1]) and b" 100 " not in head[:14]:
                break
    return received


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def test_there_are_hundreds_of_cases_and_none_stands_twice():
    raws = [raw for found in _CASES.values() for _, raw in found]
    assert len(raws) >= 500
    assert len(set(raws)) >= 0.98 * len(raws)


def test_what_they_are_made_from_is_answered(port):
    assert _status(_answer(port, sent(BODY))) == 200


@pytest.mark.parametrize("family", _CASES)
def test_every_hostile_request_is_refused_with_a_reason(port, family):
    passed = []
    for name, raw in _CASES[family]:
        answer = _answer(port, raw)
        if _status(answer) not in range(400, 500) or b'{"error":"refused: ' not in answer:
            passed.append((name, answer[:100]))
    assert not passed
