"""The guard in front of a model server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading

import pytest
from tests.worlds.model_servers import METADATA, classified, http, model_server

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats import v2
from hauberk.formats.http import Call, json_call
from hauberk.guard.app import App
from hauberk.guard.chat_upstream import upstream_of
from hauberk.guard.loopback import InProcess
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import Service, Surroundings
from hauberk.guard.shaping import Detail, Level
from hauberk.guard.upstream import (
    UNTOLD,
    Remote,
    bundle_for,
    describe,
    described,
    has_way_around,
    path_of,
)

INFER = "/v2/models/classifier/infer"


@pytest.fixture
def server():
    with model_server() as running:
        yield running


@pytest.fixture
def door(server):
    return _door(server)


def _door(server, **policy):
    upstream = upstream_of(server.url)
    found = asyncio.run(describe(upstream, "classifier"))
    options = GuardPolicy(**{"deadline_s": 2.0, **policy})
    answers = Remote(upstream, found, path=path_of("classifier"), deadline_s=options.deadline_s)
    return InProcess(app=App(Service(bundle_for(found, None, options), answers, Surroundings())))


def _ask(door, *rows, **fields):
    rows = rows or ((1.0, 2.0),)
    data = [value for row in rows for value in row]
    tensor = {"name": "x", "shape": [len(rows), 2], "datatype": "FP32", "data": data}
    body = json.dumps({"inputs": [tensor], **fields}).encode()
    return door.call(json_call(INFER, body, {"x-secret": "of the client", "cookie": "a=b"}))


def test_an_admitted_request_is_answered_by_the_server(door):
    answer = _ask(door, (1.0, 2.0), (0.0, 0.0))
    scores = v2.parse_response(answer.body).outputs[0]
    assert (answer.status, scores.shape, scores.values[2:]) == (200, (2, 2), [0.5, 0.5])


def test_the_server_is_asked_in_canonical_form_and_sees_nothing_else(server, door):
    _ask(door, id="mine", parameters={"content_type": "pd"})
    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}]
    }
    assert b"secret" not in head
    assert b"cookie" not in head


def test_a_smuggled_field_never_reaches_the_server(server, door):
    assert _ask(door, command="id").status == 400
    assert server.heard == []


def test_roles_shape_the_server_s_answers(server):
    door = _door(server, roles={"default": Detail(detail=Level.LABEL)})
    assert v2.parse_response(_ask(door).body).outputs[0].values == [1.0, 0.0]


def test_raw_outputs_are_made_by_the_guard(door):
    answer = _ask(door, parameters={"binary_data_output": True})
    assert answer.headers["content-type"] == "application/octet-stream"


_TENSOR = json.loads(classified({"inputs": [{"data": [1.0, 2.0]}]}))["outputs"][0]


def _answers(**fields) -> bytes:
    return json.dumps({"model_name": "m", "outputs": [_TENSOR | fields]}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff garbage",
        b"HTTP/1.1 200 OK\r\n\r\n",
        http(b"not json"),
        http(b"{}"),
        http(b"[1]"),
        http(b'{"outputs": [1]}'),
        http(b'{"outputs": []}'),
        http(b"{}", "500 Internal Server Error"),
        http(b"{}", "302 Found", more="location: http://169.254.169.254/\r\n"),
        http(_answers(), length=100_000),
        http(_answers(), length=10),
        http(_answers(), more="content-length: 7\r\n"),
        http(_answers(), more="transfer-encoding: chunked\r\n"),
        http(_answers(), more="content-encoding: gzip\r\n"),
        http(_answers(data=[0.5])),
        http(_answers(data=[0.5, 0.5, 0.5, 0.5], shape=[2, 2])),
        http(_answers(data=["a", "b"])),
        http(_answers(datatype="FP64")),
        http(_answers(name="other")),
        http(_answers().replace(b"0.", b"NaN,0.", 1)),
        http(b'{"outputs": [], ' + _answers()[1:]),
        http(b"[" * 100_000),
    ],
)
def test_what_is_no_answer_is_the_server_s_fault(server, door, raw):
    server.answer = lambda body: raw
    answer = _ask(door)
    assert (answer.status, json.loads(answer.body)) == (
        502,
        {"error": "the model server gave no answer"},
    )


def test_a_server_that_refuses_an_input_makes_no_fault(server, door):
    server.answer = lambda body: http(b'{"error": "secret path /srv"}', "400 Bad Request")
    answer = _ask(door)
    assert (answer.status, b"/srv" in answer.body) == (422, False)


def test_a_slow_server_ends_in_a_timeout(server):
    server.pause_s = 1.0
    answer = _ask(_door(server, deadline_s=0.1))
    assert (answer.status, b"in time" in answer.body) == (504, True)


def test_an_answer_without_end_is_cut(server, door, monkeypatch):
    monkeypatch.setattr("hauberk.guard.upstream.MAX_ANSWER", 10_000)
    server.answer = lambda body: http(b" " * 20_000)
    assert _ask(door).status == 502


def test_a_server_that_is_gone_is_said_to_be(server):
    door = _door(server)
    server_url = server.url
    with model_server() as other:
        gone = _door(other)
    assert (_ask(gone).status, _ask(door).status) == (502, 200)
    assert server_url != other.url


def test_readiness_is_the_server_s_own(server):
    door = _door(server)
    with model_server() as other:
        gone = _door(other)
    ready = Call(method="GET", path="/v2/health/ready")
    assert (door.call(ready).status, gone.call(ready).status) == (200, 503)
    assert gone.call(Call(method="GET", path="/v2/health/live")).status == 200


def test_a_server_behind_a_socket_file_is_reached(tmp_path):
    with model_server(str(tmp_path / "sock")) as server:
        assert _ask(_door(server)).status == 200


# What the server says of itself --------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": []},
        {"inputs": 1},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": []}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [0]}]},
        {"inputs": [{"name": "x", "datatype": "BF16", "shape": [-1]}]},
        {"inputs": [{"name": 1, "datatype": "FP32", "shape": [-1]}]},
        {"inputs": [[]]},
    ],
)
def test_metadata_that_make_no_schema_are_refused_with_the_way_out(changes):
    with pytest.raises(ArtifactError) as caught:
        described(json.dumps(METADATA | changes).encode(), "classifier")
    assert "--schema" in caught.value.hint


def test_a_model_that_the_server_lacks_is_named(server):
    with pytest.raises(UnavailableError, match="describe"):
        asyncio.run(describe(upstream_of(server.url + "/nowhere"), "other"))


def test_a_server_that_answers_strangers_is_a_way_around(server):
    assert "whoever" in asyncio.run(has_way_around(upstream_of(server.url)))


def test_a_server_that_turns_strangers_away_is_none():
    with answering(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n") as url:
        assert not asyncio.run(has_way_around(upstream_of(url)))


def test_a_server_that_is_silent_is_not_called_closed():
    with answering(b"") as url:
        assert asyncio.run(has_way_around(upstream_of(url), ("/v2",), probe_s=0.2)) == UNTOLD


@contextlib.contextmanager
def answering(answer: bytes):
    """A server that says the same to everybody, or nothing for as long as it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        over = threading.Event()

        def run():
            held = []
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    door.settimeout(0.05)
                    found, _ = door.accept()
                    held.append(found)
                    if answer:
                        found.settimeout(10)
                        found.recv(4096)
                        found.sendall(answer)
                        found.close()
            for one in held:
                one.close()

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        over.set()
        thread.join()


def test_a_socket_file_of_the_guard_s_own_is_none(tmp_path):
    place = tmp_path / "sock"
    with model_server(str(place)) as server:
        place.chmod(0o600)
        closed = asyncio.run(has_way_around(upstream_of(server.url)))
        place.chmod(0o666)
        opened = asyncio.run(has_way_around(upstream_of(server.url)))
    assert (closed, "every user" in opened) == ("", True)
