"""A real server on loopback, and the smoke test of a bundle."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.formats import v2_schema
from hauberk.formats.http import Call, json_call
from hauberk.guard import server, smoke
from hauberk.guard.app import App
from hauberk.guard.identity import keyring_of
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import open_service
from hauberk.range.worlds import served

INFER = "/v2/models/classifier/infer"
BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
ROWS = [{"a": 1.0, "b": 2.0}, {"a": -1.0, "b": 3.0}]


@pytest.fixture
def running(tmp_path):
    policy = GuardPolicy(body_timeout_s=0.3, header_timeout_s=0.3)
    bundle = served.write_classifier(tmp_path / "b", policy)
    with server.running(App(open_service(bundle)), policy) as found:
        yield found


def test_a_request_over_a_socket_is_answered(running):
    answer = running.door.call(json_call(INFER, BODY))
    assert (answer.status, json.loads(answer.body)["model_name"]) == (200, "classifier")


def test_the_server_does_not_name_its_software(running):
    assert "server" not in running.door.call(Call(method="GET", path="/v2")).headers


def test_a_slow_body_is_given_up(running):
    call = Call(
        path=INFER, headers=(("content-type", "application/json"),), chunks=(BODY[:1],), pause_s=0.0
    )
    call = Call(path=INFER, headers=(*call.headers, ("content-length", "70")), chunks=call.chunks)
    assert running.door.call(call).status == 408


def test_slow_headers_are_given_up(running):
    call = Call(
        path=INFER, headers=(("content-type", "application/json"),), chunks=(BODY,), pause_s=0.2
    )
    assert running.door.call(call).status == 0


def _about(raw: socket.socket) -> bytes:
    """The answer to one request for the page about the server, whole."""
    raw.sendall(b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n\r\n")
    received = b""
    while not received.endswith(b"]}"):
        received += raw.recv(4096)
    return received


def test_slow_headers_of_a_second_request_are_given_up(running):
    with socket.create_connection((running.door.host, running.door.port), timeout=10) as raw:
        assert _about(raw).startswith(b"HTTP/1.1 200")
        raw.sendall(b"GET /v2 HTTP/1.1\r\n")
        assert raw.recv(4096) == b""


def test_several_requests_on_one_connection_are_answered(running):
    with socket.create_connection((running.door.host, running.door.port), timeout=10) as raw:
        assert [_about(raw)[:12] for _ in range(3)] == [b"HTTP/1.1 200"] * 3


def test_huge_headers_are_refused(running):
    call = Call(method="GET", path="/v2", headers=(("x-filler", "a" * 100_000),))
    assert running.door.call(call).status == 431


def test_garbage_on_the_socket_is_refused(running):
    with socket.create_connection((running.door.host, running.door.port)) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")


def test_the_server_still_answers_after_all_that(running):
    for call in (Call(path="/\x00"), json_call(INFER, b"[" * 10000), json_call(INFER, b"")):
        running.door.call(call)
    assert running.door.call(json_call(INFER, BODY)).status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])
def test_without_keys_a_network_address_is_refused(host):
    with pytest.raises(UsageError, match="loopback"):
        server.hosts_for(host, has_keys=False, insecure=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_without_keys_loopback_is_allowed_under_its_own_names_only(host):
    assert server.hosts_for(host, has_keys=False, insecure=False) is not None


def test_with_keys_or_on_demand_any_address_is_allowed():
    assert server.hosts_for("0.0.0.0", has_keys=True, insecure=False) is None
    assert server.hosts_for("0.0.0.0", has_keys=False, insecure=True) is None


def test_a_taken_port_is_unavailable():
    with server.listen("127.0.0.1", 0) as taken, pytest.raises(UnavailableError):
        server.listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    "text", ["alice", "alice sha256:xyz", "a sha256:" + "0" * 64 + "\nb sha256:" + "0" * 64]
)
def test_a_broken_key_file_is_refused(text):
    with pytest.raises(UsageError):
        keyring_of(text)


@pytest.mark.parametrize("over_socket", [False, True])
def test_a_smoke_test_agrees_with_the_model_itself(classifier, over_socket):
    result = smoke.smoke(classifier, ROWS, [0, 1], over_socket=over_socket)
    assert (result.passed, result.n_rows) == (True, 2)


def test_a_smoke_test_tells_where_answers_differ(classifier):
    result = smoke.smoke(classifier, ROWS, [1, 1])
    assert (result.passed, result.agreed, result.worst) == (False, 1, 1.0)


def test_a_smoke_test_compares_vectors_too(classifier):
    scores = [[0.5, 0.5]]
    assert smoke.smoke(classifier, [{"a": 0, "b": 0}], scores, output="scores").passed


def test_a_smoke_test_with_rows_outside_the_schema_says_so(classifier):
    with pytest.raises(ArtifactError, match="declared range"):
        smoke.smoke(classifier, [{"a": 1e6, "b": 0}], [0])


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{"a": 1, "b": "x"}]])
def test_rows_that_do_not_fit_the_schema_make_no_request(rows):
    with pytest.raises(ArtifactError):
        v2_schema.request_for(served.CLASSIFIER_SCHEMA, rows)


def test_probes_may_ask_for_the_head_of_a_page_alone(running):
    answer = running.door.call(Call(method="HEAD", path="/v2/health/live"))
    assert (answer.status, answer.body) == (200, b"")
    assert running.door.call(Call(method="HEAD", path=INFER)).status == 405


def test_an_answer_is_not_held_back_until_the_client_acknowledges_its_first_piece():
    with (
        server.listen("127.0.0.1", 0) as door,
        socket.create_connection(door.getsockname()),
        door.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


HEAD = b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"


def _until_closed(raw: socket.socket) -> bytes:
    received = b""
    while piece := raw.recv(4096):
        received += piece
    return received


def test_a_body_that_follows_a_refusal_is_not_taken_for_a_request(running):
    """Clients that send head and body apart would find the refusal of a request they never sent."""
    head = HEAD % (b"/v2/models/nobody/infer", len(BODY)) + b"\r\n"
    with socket.create_connection((running.door.host, running.door.port), timeout=10) as raw:
        raw.sendall(head)
        received = raw.recv(4096)
        raw.sendall(BODY)
        received += _until_closed(raw)
    assert received.startswith(b"HTTP/1.1 404")
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in received


def test_a_request_that_arrives_as_the_server_ends_is_answered_and_is_the_last(tmp_path):
    bundle = served.write_classifier(tmp_path / "b")
    request = HEAD % (INFER.encode(), len(BODY)) + b"\r\n" + BODY
    with server.running(App(open_service(bundle)), bundle.policy) as found:
        raw = socket.create_connection((found.door.host, found.door.port), timeout=10)
        assert _about(raw).startswith(b"HTTP/1.1 200")
        sent = threading.Timer(0.1, raw.sendall, (request,))
        ended = time.monotonic()
        sent.start()
    took = time.monotonic() - ended
    with raw:
        received = _until_closed(raw)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in received
    assert took < 5
