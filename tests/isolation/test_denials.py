"""Hearing what a step was refused."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.isolation import Limits
from hauberk.isolation.notices import address_words

REACH_OUT = """
import socket
for address in (('192.0.2.1', 443), ('192.0.2.2', 80), ('192.0.2.1', 443)):
    try:
        socket.create_connection(address, 1)
    except OSError:
        pass
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'rows', ('192.0.2.3', 53))
except OSError:
    pass
"""

FLOOD = """
import socket
for number in range(3000):
    try:
        socket.socket(number % 200, 1).close()
    except OSError:
        pass
"""

ON_ITS_OWN_LOOPBACK = """
import socket, threading
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].sendall(b'here')
print(client.recv(4))
"""


def test_a_quiet_step_was_refused_nothing(python_step, enforced) -> None:
    assert python_step("print(sum(range(10)))", enforced).denials == ()


def test_at_full_the_addresses_that_a_step_turned_to_are_heard_once(python_step, need_full):
    assert python_step(REACH_OUT, need_full).denials == (
        "network 192.0.2.1:443",
        "network 192.0.2.2:80",
        "network 192.0.2.3:53",
    )


def test_at_landlock_sockets_and_system_calls_are_heard(python_step, need_landlock) -> None:
    code = REACH_OUT + "\nimport ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)"
    assert python_step(code, need_landlock).denials == (
        "socket inet stream",
        "socket inet datagram",
        "ptrace",
    )


def test_attempts_of_children_are_heard(python_step, enforced) -> None:
    code = "import os\nif os.fork() == 0:\n" + "\n".join(
        f"    {line}" for line in REACH_OUT.strip().splitlines()
    )
    done = python_step(code + "\nelse:\n    os.wait()", enforced)
    assert done.denials


def test_a_step_may_use_its_own_loopback_at_full_and_that_is_no_denial(python_step, need_full):
    done = python_step(ON_ITS_OWN_LOOPBACK, need_full)
    assert (done.stdout, done.denials) == (b"b'here'\n", ())


def test_a_flood_of_refusals_is_bounded_and_ends(python_step, need_landlock) -> None:
    done = python_step(FLOOD, need_landlock, limits=Limits(wall_s=60))
    assert done.exit_code == 0
    assert len(done.denials) == 65
    assert done.denials[-1] == "and more of other kinds"


def test_a_step_that_waits_for_an_answer_can_still_be_ended(python_step, need_landlock) -> None:
    code = """
import os, socket
for _ in range(3):
    os.fork()
while True:
    try:
        socket.socket()
    except OSError:
        pass
"""
    done = python_step(code, need_landlock, limits=Limits(wall_s=1))
    assert done.timed_out


@pytest.mark.parametrize(
    ("host", "words"),
    [("203.0.113.9", "network 203.0.113.9:443"), ("127.8.8.8", ""), ("0.0.0.0", "")],
)
def test_an_address_of_four_is_told_unless_it_is_the_steps_own(host, words) -> None:
    data = struct.pack("=H", socket.AF_INET) + (443).to_bytes(2, "big") + socket.inet_aton(host)
    assert address_words(data + bytes(8)) == words


@given(st.binary(max_size=64))
def test_no_bytes_break_the_reader_of_addresses(data: bytes) -> None:
    assert isinstance(address_words(data), str)
