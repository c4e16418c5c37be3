"""The gRPC door over real sockets, with grpcio's own client."""

from __future__ import annotations

import pytest

from hauberk.errors import UsageError
from hauberk.guard import server
from hauberk.guard.app import App
from hauberk.guard.identity import keyring_of, new_key
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import Surroundings, open_service
from hauberk.range.worlds import served

grpc = pytest.importorskip("grpc")
messages = pytest.importorskip("tests.worlds.v2_messages", exc_type=ImportError)

from hauberk.guard.grpc_door import GrpcDoor, Place  # noqa: E402

SERVICE = "/inference.GRPCInferenceService/"


class Client:
    """One channel to a door."""

    def __init__(self, port, key="") -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.metadata = (("authorization", f"Bearer {key}"),) if key else ()

    def call(self, name, data=b"", **options):
        options = {"timeout": 20, "metadata": self.metadata} | options
        return self.channel.unary_unary(SERVICE + name)(data, **options)

    def refusal(self, name, data=b"", **options):
        with pytest.raises(grpc.RpcError) as caught:
            self.call(name, data, **options)
        return caught.value.code().name, caught.value.details()


def infer(values=(1.0, 2.0), **more):
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2]}
    tensor["contents"] = {"fp32_contents": list(values)}
    message = messages.Request(**{"model_name": "classifier", "inputs": [tensor]} | more)
    return message.SerializeToString()


@pytest.fixture
def open_door(tmp_path):
    import contextlib

    with contextlib.ExitStack() as stack:

        def open_one(policy=None, key="", **world):
            policy = policy or GuardPolicy()
            bundle = served.write_classifier(tmp_path / "b", policy)
            service = open_service(bundle, Surroundings(**world))
            door = GrpcDoor(App(service), Place(host="127.0.0.1", port=0))
            http = stack.enter_context(server.running(door, policy))
            client = Client(door.port, key)
            stack.callback(client.channel.close)
            client.service, client.http = service, http
            return client

        yield open_one


def test_an_honest_request_is_answered_as_over_http(open_door):
    from hauberk.formats import v2
    from hauberk.formats.http import json_call

    client = open_door()
    found = messages.Response.FromString(client.call("ModelInfer", infer(id="a-1")))
    body = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
    over_http = client.http.door.call(json_call("/v2/models/classifier/infer", body))
    wanted = v2.parse_response(over_http.body)

    assert (found.model_name, found.id) == ("classifier", "a-1")
    assert [tensor.name for tensor in found.outputs] == [tensor.name for tensor in wanted.outputs]
    assert list(found.raw_output_contents) == [t.array().tobytes() for t in wanted.outputs]


def test_the_pages_of_the_protocol_are_there(open_door):
    client = open_door()
    named = messages.Named(name="classifier").SerializeToString()
    metadata = messages.Metadata.FromString(client.call("ModelMetadata", named))

    assert (metadata.name, metadata.inputs[0].name) == ("classifier", "x")
    assert list(metadata.inputs[0].shape) == [-1, 2]
    for name, data in (("ServerLive", b""), ("ServerReady", b""), ("ModelReady", named)):
        assert messages.Truth.FromString(client.call(name, data)).live
    assert messages.Named.FromString(client.call("ServerMetadata")).name == "hauberk"


def test_strangers_are_told_nothing_but_that_it_lives(open_door):
    key, line = new_key("alice")
    client = open_door(keyring=keyring_of(line), key=key)
    stranger = {"metadata": (("authorization", "Bearer nobody"),)}
    named = messages.Named(name="other").SerializeToString()

    assert client.call("ModelInfer", infer())
    assert client.call("ServerLive", metadata=())
    for options in (stranger, {"metadata": ()}, {"metadata": client.metadata * 2}):
        for name, data in (
            ("ModelInfer", infer()),
            ("ModelMetadata", named),
            ("ModelReady", named),
        ):
            assert client.refusal(name, data, **options)[0] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (infer([1.0]), "INVALID_ARGUMENT", "size of a raw tensor"),
        (infer([1.0, float("nan")]), "INVALID_ARGUMENT", "range of the datatype"),
        (infer(model_name="other"), "NOT_FOUND", "no such model"),
        (infer(model_version="9"), "NOT_FOUND", "no such model"),
        (infer() + b"\x42\x00", "INVALID_ARGUMENT", "no field but"),
        (b"\xff" * 50, "INVALID_ARGUMENT", "never ends"),
        (b"", "NOT_FOUND", "no such model"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason_and_counted(open_door, data, status, words):
    client = open_door()
    code, said = client.refusal("ModelInfer", data)

    assert code == status
    assert words in said
    assert sum(client.service.metrics.refused.values()) == 1


def test_a_message_beyond_the_bound_is_not_read(open_door):
    client = open_door(GuardPolicy(max_body_bytes=1000))

    assert client.refusal("ModelInfer", b"\0" * 2000)[0] == "RESOURCE_EXHAUSTED"
    assert client.call("ModelInfer", infer())


def test_compressed_messages_are_not_taken(open_door):
    client = open_door()

    code, _ = client.refusal("ModelInfer", infer(), compression=grpc.Compression.Gzip)
    assert code == "UNIMPLEMENTED"


def test_other_methods_do_not_exist(open_door):
    client = open_door()

    for name in ("ModelStreamInfer", "RepositoryModelLoad", "../ModelInfer"):
        assert client.refusal(name, infer())[0] == "UNIMPLEMENTED"


def test_a_spent_budget_is_refused(open_door):
    client = open_door(GuardPolicy(rate_per_s=1e-6, burst=1.5, slow_s=0.01))
    client.call("ModelInfer", infer())

    assert client.refusal("ModelInfer", infer())[0] == "RESOURCE_EXHAUSTED"


def test_a_sink_is_named_in_the_metadata(open_door):
    client = open_door()

    assert client.call("ModelInfer", infer(), metadata=(("x-hauberk-sink", "html"),))
    code, said = client.refusal("ModelInfer", infer(), metadata=(("x-hauberk-sink", "moon"),))
    assert (code, "x-hauberk-sink" in said) == ("INVALID_ARGUMENT", True)


def test_a_port_that_is_taken_is_said(tmp_path):
    taken = server.listen("127.0.0.1", 0)
    bundle = served.write_classifier(tmp_path / "b")
    app = App(open_service(bundle))
    door = GrpcDoor(app, Place(host="127.0.0.1", port=taken.getsockname()[1]))
    sock = server.listen("127.0.0.1", 0)
    with taken, pytest.raises(SystemExit):
        server._run(server._server(door, GuardPolicy(), None), sock)
    app.close()

    assert door.problem is not None


def test_certificates_of_clients_do_not_go_with_it(tmp_path):
    from argparse import Namespace

    from hauberk.cli import _door
    from hauberk.guard.transport import DoorFiles

    files = DoorFiles(cert=tmp_path / "c", client_ca=tmp_path / "a")
    with pytest.raises(UsageError, match="certificates"):
        _door._second_door(Namespace(grpc=0), None, files)


def free_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_a_guard_before_a_server_answers_over_grpc_too():
    from tests.cli.test_guard import running
    from tests.worlds.model_servers import model_server

    port = free_port()
    words = ["guard", "--model", "classifier", "--grpc", str(port)]
    with model_server() as upstream, running(*words, "--upstream", upstream.url) as on:
        assert f"gRPC: 127.0.0.1:{port}" in on.said
        client = Client(port)
        said = messages.Response()
        said.ParseFromString(client.call("ModelInfer", infer()))
        assert said.model_name == "classifier"
        status, _ = client.refusal("ModelInfer", infer((1.0, float("nan"))))
        assert status == "INVALID_ARGUMENT"
        code, _ = on.stop()
    assert code == 130


def test_a_grpc_port_that_is_taken_ends_the_command_with_a_reason(tmp_path):
    import socket
    import subprocess
    import sys

    served.write_classifier(tmp_path / "b")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = str(sock.getsockname()[1])
        words = ["serve", str(tmp_path / "b"), "--unsigned", "--port", "0", "--grpc", port]
        done = subprocess.run(
            [sys.executable, "-m", "hauberk.cli", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 3
    assert f"127.0.0.1:{port}" in done.stderr
    assert "another --grpc PORT" in done.stderr
