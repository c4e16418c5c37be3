"""A step's one way out: hosts by name, through a proxy."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.core.policy import Isolation
from hauberk.errors import UnavailableError, UsageError
from hauberk.isolation import Grants, Limits, interpreter_grants, proxy, run
from hauberk.isolation.processes import descendants

PYTHON = Path(sys.executable)


@pytest.fixture
def server():
    """A host that answers every request with the same words; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    asked = client.recv(4096)
                    line = asked.split(b"\r\n")[0]
                    body = b"answer to " + line
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                    client.sendall(head + body)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def step(work, need_full):
    def function(code: str, *network: str):
        grants = Grants(read=interpreter_grants(PYTHON), network=network)
        command = [str(PYTHON), "-c", code]
        return run(command, cwd=work, grants=grants, limits=Limits(wall_s=60), level=need_full)

    return function


FETCH = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen('http://{host}/rows.csv', timeout=20).read())
except urllib.error.HTTPError as error:
    print(error.code)
"""

TUNNEL = """
import socket
way = socket.create_connection(('127.0.0.1', 3128), 20)
way.sendall({head!r})
print(way.recv(4096))
way.sendall(b'GET /direct HTTP/1.1\\r\\n\\r\\n')
print(way.recv(4096)[-30:])
"""


def test_a_granted_host_is_reached(step, server) -> None:
    done = step(FETCH.format(host=f"127.0.0.1:{server}"), f"127.0.0.1:{server}")
    assert done.stdout == b"b'answer to GET /rows.csv HTTP/1.1'\n", done.stderr
    assert done.denials == ()


def test_a_tunnel_to_a_granted_host_opens(step, server) -> None:
    head = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % server
    done = step(TUNNEL.format(head=head), f"127.0.0.1:{server}")
    assert b"200 Connected" in done.stdout
    assert b"GET /direct HTTP/1.1" in done.stdout


def test_another_host_is_refused_and_heard(step, server) -> None:
    done = step(FETCH.format(host="example.invalid"), f"127.0.0.1:{server}")
    assert (done.stdout, done.denials) == (b"403\n", ("network example.invalid:80",))


def test_another_port_of_a_granted_host_is_refused(step, server) -> None:
    done = step(FETCH.format(host=f"127.0.0.1:{server}"), "127.0.0.1:1")
    assert (done.stdout, done.denials) == (b"403\n", (f"network 127.0.0.1:{server}",))


def test_a_name_that_leads_to_this_machine_is_refused(step, server) -> None:
    done = step(FETCH.format(host=f"localhost:{server}"), f"localhost:{server}")
    assert done.stdout == b"403\n"


def test_there_is_no_other_way_to_a_granted_host(step, server) -> None:
    code = f"import socket\nsocket.create_connection(('127.0.0.1', {server}), 2)"
    assert b"ConnectionRefusedError" in step(code, f"127.0.0.1:{server}").stderr


def test_what_the_proxy_does_not_understand_gets_an_answer(step, server) -> None:
    done = step(TUNNEL.format(head=b"\x16\x03\x01 no request\r\n\r\n"), "example.org")
    assert b"400 Not Understood" in done.stdout


def test_without_grants_there_is_no_way_out(step) -> None:
    code = "import os, socket\nprint([n for n in os.environ if 'proxy' in n.lower()])\n"
    code += "socket.create_connection(('127.0.0.1', 3128), 2)"
    done = step(code)
    assert done.stdout == b"[]\n"
    assert b"ConnectionRefusedError" in done.stderr


def test_the_proxy_ends_with_its_step(step) -> None:
    before = len(descendants(os.getpid()))
    step("pass", "example.org")
    assert len(descendants(os.getpid())) == before


def test_landlock_refuses_hosts_instead_of_opening_the_network(work) -> None:
    grants = Grants(network=("example.org",))
    with pytest.raises(UnavailableError, match="single hosts"):
        run(["true"], cwd=work, grants=grants, limits=Limits(), level=Isolation.LANDLOCK)


@pytest.mark.parametrize(
    "grant", ["", "https://example.org", "*.example.org", "a:b", "a/b", "*", "a:0", "a:99999"]
)
def test_a_grant_that_is_no_host_is_refused(work, grant) -> None:
    grants = Grants(network=(grant,))
    with pytest.raises(UsageError, match="host by name"):
        run(["true"], cwd=work, grants=grants, limits=Limits(), level=Isolation.FULL)


def test_a_grant_without_a_port_means_the_two_of_the_web() -> None:
    assert proxy.parse_grant("PyPI.org.") == ("pypi.org", (80, 443))


def test_a_grant_may_name_its_port() -> None:
    assert proxy.parse_grant("[2001:db8::1]:8443") == ("2001:db8::1", (8443,))


def test_an_absolute_request_is_passed_on_in_its_own_form() -> None:
    head = b"GET http://example.org:8080/a?b HTTP/1.1\r\nHost: example.org:8080\r\n\r\nrest"
    passed = b"GET /a?b HTTP/1.1\r\nHost: example.org:8080\r\n\r\nrest"
    assert proxy.destination(head) == ("example.org", 8080, passed)


@pytest.mark.parametrize(
    "head",
    [
        b"CONNECT example.org HTTP/1.1\r\n\r\n",
        b"CONNECT user@example.org:443 HTTP/1.1\r\n\r\n",
        b"CONNECT example.org:443\r\n\r\n",
        b"GET http://granted@evil.org/ HTTP/1.1\r\n\r\n",
        b"GET https://example.org/ HTTP/1.1\r\n\r\n",
        b"GET /local HTTP/1.1\r\n\r\n",
    ],
)
def test_an_ambiguous_request_is_not_understood(head) -> None:
    assert proxy.destination(head) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_requests(head: bytes) -> None:
    proxy.destination(head)
    proxy.destination(b"CONNECT " + head)
    proxy.destination(b"GET http://" + head)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "0.0.0.0", "::ffff:127.0.0.1"],
)
def test_this_machine_and_its_link_are_near(address) -> None:
    assert proxy._is_near(address)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1"])
def test_other_networks_are_not_near(address) -> None:
    assert not proxy._is_near(address)
