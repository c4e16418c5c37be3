"""Credentials that a step's requests bear and the step never holds."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import ssl
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from hauberk.isolation import Grants, Limits, interpreter_grants, proxy, run

PYTHON = Path(sys.executable)
SECRET = "Bearer very-secret-42"


@contextmanager
def echoing(tls: ssl.SSLContext | None = None):
    """A host that hands the head of each request to the list; its port."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                try:
                    with tls.wrap_socket(client, server_side=True) if tls else client as side:
                        heard.append(side.recv(65536))
                        side.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                except OSError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


CODE = """
import os, urllib.request
asked = urllib.request.Request('http://127.0.0.1:{port}/runs', headers={{'Authorization': 'mine'}})
print(urllib.request.urlopen(asked, timeout=20).read())
print([name for name in os.environ if 'CREDENTIAL' in name])
"""


def test_a_request_of_a_step_bears_the_credential_and_the_step_does_not(work, need_full) -> None:
    with echoing() as (port, heard):
        host = f"127.0.0.1:{port}"
        grants = Grants(
            read=interpreter_grants(PYTHON), network=(host,), credentials={host: SECRET}
        )
        command = [str(PYTHON), "-c", CODE.format(port=port)]
        done = run(command, cwd=work, grants=grants, limits=Limits(wall_s=60), level=need_full)
    assert done.stdout == b"b'ok'\n[]\n", done.stderr
    assert b"Authorization: Bearer very-secret-42\r\n" in heard[0]
    assert b"mine" not in heard[0]


def test_grants_do_not_show_their_credentials() -> None:
    assert "secret" not in repr(Grants(network=("a",), credentials={"a": SECRET}))


def passed(door: proxy.Door, request: bytes) -> bytes:
    client, ours = socket.socketpair()
    with client, ours:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        proxy.serve(ours, door)
        ours.close()
        return client.recv(65536)


def test_a_tunnel_bears_nothing() -> None:
    with echoing() as (port, heard):
        host = f"127.0.0.1:{port}"
        door = proxy.Door((host,), os.open(os.devnull, os.O_WRONLY), {host: SECRET})
        passed(door, f"CONNECT {host} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode())
    assert b"secret" not in b"".join(heard)


def test_a_method_that_would_show_the_credential_is_refused() -> None:
    with echoing() as (port, heard):
        host = f"127.0.0.1:{port}"
        door = proxy.Door((host,), os.open(os.devnull, os.O_WRONLY), {host: SECRET})
        answer = passed(door, f"TRACE http://{host}/ HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert heard == []


def test_another_host_gets_no_credential() -> None:
    with echoing() as (port, heard):
        door = proxy.Door((f"127.0.0.1:{port}",), -1, {"example.org": SECRET})
        passed(door, f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n".encode())
    assert heard
    assert b"secret" not in heard[0]


def test_only_one_request_of_a_connection_bears_it() -> None:
    first = b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n"
    head = proxy.with_credential(first + b"GET /second HTTP/1.1\r\n\r\n", SECRET.encode())
    assert head.count(b"Authorization") == 1
    assert b"Connection: close" in head
    assert b"keep-alive" not in head


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_to_the_port_of_https_the_credential_goes_over_tls(certified, monkeypatch) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certified)
    ours = ssl.create_default_context(cafile=certified)
    with echoing(theirs) as (port, heard):
        monkeypatch.setattr(proxy, "_TLS_PORT", port)
        host = f"127.0.0.1:{port}"
        door = proxy.Door((host,), -1, {host: SECRET}, ours)
        answer = passed(door, f"GET http://{host}/ HTTP/1.1\r\n\r\n".encode())
    assert answer.endswith(b"ok")
    assert b"Authorization: Bearer very-secret-42" in heard[0]


def test_a_server_that_is_somebody_else_gets_no_credential(certified, monkeypatch) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certified)
    with echoing(theirs) as (port, heard):
        monkeypatch.setattr(proxy, "_TLS_PORT", port)
        host = f"127.0.0.1:{port}"
        door = proxy.Door((host,), -1, {host: SECRET}, ssl.create_default_context())
        with pytest.raises(OSError, match="certificate"):
            passed(door, f"GET http://{host}/ HTTP/1.1\r\n\r\n".encode())
    assert b"secret" not in b"".join(heard)
