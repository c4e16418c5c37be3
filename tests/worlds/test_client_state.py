"""What every implementation of `ClientState` does. A new one adds a line to `WORLDS`."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from hauberk.core.ports import ClientState
from hauberk.errors import UsageError
from hauberk.trust.client_state import ENTRY_BYTES, MemoryClientState, SqliteClientState
from hauberk.trust.shared_state import RedisClientState, Server

WORLDS = {
    "memory": lambda _path, **bounds: MemoryClientState(**bounds),
    "sqlite": lambda path, **bounds: SqliteClientState(path / "state.sqlite", **bounds),
}


def _redis(server, **bounds):
    pytest.importorskip("redis")
    client = Server(url=server.address, timeout_s=60).connect()
    return RedisClientState(client, bytes(32), prefix=secrets.token_hex(8), **bounds)


@pytest.fixture(params=[*sorted(WORLDS), "redis"])
def make(request, tmp_path):
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        return lambda **bounds: _redis(server, **bounds)
    return lambda **bounds: WORLDS[request.param](tmp_path, **bounds)


def put(state, principal, key, value):
    return state.update(principal, key, lambda _old: value)


def test_it_is_a_client_state(make):
    assert isinstance(make(), ClientState)


def test_a_value_that_was_never_set_is_none(make):
    assert make().get("alice", "count") is None


def test_an_update_sees_the_old_value_and_gives_the_new(make):
    state = make()
    put(state, "alice", "count", b"1")
    assert state.update("alice", "count", lambda old: old + b"2") == b"12"
    assert state.get("alice", "count") == b"12"


def test_principals_and_keys_do_not_mix(make):
    state = make()
    put(state, "alice", "a", b"1")
    put(state, "alice", "b", b"2")
    put(state, "bob", "a", b"3")
    assert [state.get("alice", "a"), state.get("alice", "b")] == [b"1", b"2"]
    assert state.get("bob", "b") is None


def test_none_removes_a_value_and_an_empty_principal(make):
    state = make()
    put(state, "alice", "a", b"1")
    assert put(state, "alice", "a", None) is None
    assert state.get("alice", "a") is None
    assert len(state) == 0


def test_an_error_in_the_change_changes_nothing(make):
    state = make()
    put(state, "alice", "a", b"1")
    with pytest.raises(ZeroDivisionError):
        state.update("alice", "a", lambda _old: 1 // 0)
    assert state.get("alice", "a") == b"1"


def test_the_principal_not_used_for_longest_is_forgotten_first(make):
    state = make(max_principals=2)
    put(state, "alice", "a", b"1")
    put(state, "bob", "a", b"2")
    put(state, "alice", "a", b"3")
    put(state, "carol", "a", b"4")
    assert state.get("bob", "a") is None
    assert [state.get("alice", "a"), state.get("carol", "a")] == [b"3", b"4"]


def test_bytes_are_bounded_with_what_each_entry_costs(make):
    state = make(max_bytes=3 * (ENTRY_BYTES + 1 + 10))
    for principal in "abcd":
        put(state, principal, "k", bytes(10))
    assert [state.get(principal, "k") is None for principal in "abcd"] == [True] + [False] * 3


def test_a_value_that_never_fits_is_refused_and_evicts_nobody(make):
    state = make(max_bytes=1000)
    put(state, "alice", "a", b"1")
    with pytest.raises(UsageError):
        put(state, "bob", "a", bytes(1000))
    assert state.get("alice", "a") == b"1"


def test_shrinking_values_give_their_bytes_back(make):
    state = make(max_bytes=2 * (ENTRY_BYTES + 101))
    for size in (100, 0, 100, 0, 100):
        put(state, "alice", "k", bytes(size))
        put(state, "bob", "k", bytes(100))
    assert len(state) == 2


def test_a_flood_of_principals_stays_within_the_bounds(make):
    state = make(max_principals=10, max_bytes=5 * (ENTRY_BYTES + 2))
    for number in range(60):
        put(state, str(number), "k", b"x")
    assert len(state) == 5


def test_no_update_is_lost_when_many_threads_count(make):
    state = make()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: state.update("alice", "n", _increment), range(60)))
    assert state.get("alice", "n") == b"60"


def _increment(old):
    return str(int(old or b"0") + 1).encode()
