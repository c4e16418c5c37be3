"""Starting and ending the proxy of one step."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hauberk.errors import UsageError
from hauberk.isolation import proxy

_MAX_LOG_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running proxy.

    Attributes:
        channel: Where the warden hands over the listener.
        log: What was refused, one line each.
    """

    channel: int
    log: int

    def refused(self) -> tuple[str, ...]:
        """Hosts that the step asked for and was not granted, so far."""
        return tuple(os.pread(self.log, _MAX_LOG_BYTES, 0).decode("ascii").splitlines())


def check_hosts(hosts: tuple[str, ...]) -> None:
    """Refuse grants that are no host names.

    Raises:
        UsageError: A grant is neither ``host`` nor ``host:port``.
    """
    for host in hosts:
        try:
            proxy.parse_grant(host)
        except ValueError:
            raise UsageError(
                "a network grant is a host by name",
                subject=host,
                expected="host or host:port, without scheme, path or pattern",
            ) from None


@contextmanager
def gateway(
    hosts: tuple[str, ...], import_ours: str, credentials: Mapping[str, str] | None = None
) -> Iterator[Gateway]:
    """A proxy for these hosts; dead afterwards.

    Args:
        hosts: Grants as given.
        credentials: Grant to the ``Authorization`` of requests to it. They go to the proxy in
            memory that nobody else has open, neither as arguments nor as variables.
        import_ours: Code that makes our package importable.
    """
    inner, outer = socket.socketpair()
    log = os.memfd_create("refused")
    handed = os.memfd_create("handed")
    os.write(handed, json.dumps(dict(credentials or {})).encode())
    code = f"{import_ours}from {proxy.__name__} import main;main()"
    command = [sys.executable, "-I", "-S", "-c", code, str(outer.fileno()), str(log)]
    command.append(str(handed))
    process = subprocess.Popen(
        [*command, json.dumps(hosts)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(outer.fileno(), log, handed),
        env={},
        cwd="/",
    )
    outer.close()
    os.close(handed)
    try:
        yield Gateway(inner.fileno(), log)
    finally:
        process.kill()
        process.wait()
        inner.close()
        os.close(log)
