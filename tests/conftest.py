"""What every test may rely on: only loopback sockets, a private configuration folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.worlds.servers import PostgresServer, RedisServer, S3Server

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile(
    "house",
    deadline=None,  # no test asserts a time
    derandomize=bool(os.environ.get("CI")),  # a change is judged on the same examples twice
)
settings.load_profile("house")

_LOOPBACK = ("127.", "::1", "localhost")
_connect = socket.socket.connect


def _loopback_only(sock: socket.socket, address: object) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        host = str(address[0]) if isinstance(address, tuple) else str(address)
        if not host.startswith(_LOOPBACK):
            pytest.fail(f"a test tried to reach {host}")
    _connect(sock, address)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _loopback_only)


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local/state"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL of this run alone; started by the first test that asks for it."""
    from tests.worlds.servers import PostgresServer

    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis of this run alone."""
    from tests.worlds.servers import RedisServer

    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real server of S3 of this run alone, for tests of integrations."""
    from tests.worlds.servers import S3Server

    server = S3Server()
    server.shared = server.bucket()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server of S3, with its owner's credentials in the environment."""
    from tests.worlds.servers import ACCESS

    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    return s3_server
