"""What hosts share through a server: one memory, and nothing that a stranger wrote."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.trust.shared_state import RedisClientState, Server

pytest.importorskip("redis")
SECRET = bytes(range(32))


@pytest.fixture
def hosts(redis_server):
    """Two hosts with one memory, and the server as a stranger sees it."""
    prefix = secrets.token_hex(8)
    clients = [Server(url=redis_server.address, timeout_s=60).connect() for _ in range(3)]
    first, second = (RedisClientState(client, SECRET, prefix=prefix) for client in clients[:2])
    yield first, second, clients[2], f"{prefix}:of:alice"
    for client in clients:
        client.close()


def test_what_one_host_writes_the_other_sees(hosts):
    first, second, *_ = hosts
    first.update("alice", "n", lambda _: b"1")
    assert second.update("alice", "n", lambda old: old + b"2") == b"12"
    assert first.update("alice", "n", lambda old: old + b"3") == b"123"


def test_no_update_is_lost_between_hosts(hosts):
    first, second, *_ = hosts

    def count(state):
        state.update("alice", "n", lambda old: str(int(old or b"0") + 1).encode())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda state: [count(state) for _ in range(50)], (first, second)))
    assert first.get("alice", "n") == b"100"


@pytest.mark.parametrize("change", [lambda v: b"", lambda v: b"x" * 40, lambda v: v[:-1] + b"\0"])
def test_what_no_host_has_written_is_not_believed(hosts, change):
    first, second, stranger, name = hosts
    first.update("alice", "n", lambda _: b"spent")
    stranger.hset(name, "n", change(stranger.hget(name, "n")))
    with pytest.raises(TrustError, match="no host has written"):
        first.get("alice", "n")
    with pytest.raises(TrustError):
        second.update("alice", "n", lambda _: b"fresh")


def test_a_value_of_one_client_is_none_of_another(hosts):
    first, _, stranger, name = hosts
    first.update("alice", "n", lambda _: b"spent")
    first.update("bob", "n", lambda _: b"rested")
    stranger.hset(name, "n", stranger.hget(name.replace("alice", "bob"), "n"))
    with pytest.raises(TrustError):
        first.get("alice", "n")


def test_a_host_with_another_secret_is_a_stranger(hosts, redis_server):
    first, *_ = hosts
    first.update("alice", "n", lambda _: b"1")
    client = Server(url=redis_server.address, timeout_s=60).connect()
    other = RedisClientState(client, bytes(32), prefix=first._prefix)
    with pytest.raises(TrustError):
        other.get("alice", "n")
    client.close()


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    state = RedisClientState(Server(url=f"unix://{tmp_path}/none").connect(), SECRET)
    for ask in (state.ping, lambda: state.get("a", "b"), lambda: len(state)):
        with pytest.raises(UnavailableError):
            ask()


@pytest.mark.parametrize(
    "url", ["http://x", "redis://user:secret@host", "redis://:pw@host", "host:6379"]
)
def test_an_address_with_a_password_or_without_a_scheme_is_refused(url):
    with pytest.raises(UsageError) as caught:
        Server(url=url).connect()
    assert "secret" not in str(caught.value.details())


def test_a_short_secret_is_refused(tmp_path):
    with pytest.raises(UsageError, match="too short"):
        RedisClientState(Server(url=f"unix://{tmp_path}/none").connect(), b"short")
