"""The one way out of a step's network: a proxy that knows a few hosts by name.

Runs as a process of its own on the host, serving a listener that stands in the step's
network namespace. It understands ``CONNECT host:port`` and requests with an absolute
``http://`` address, checks the name against the grants, looks the name up itself, and
passes bytes on unread. What a granted host does with them is beyond it: a grant of a host
that anybody can write to is a grant to write there.

A grant may come with a credential. The step never holds it: requests with an absolute address
get an ``Authorization`` header here, in place of any that the step wrote, and one connection
carries one such request. To port 443 they go on over TLS, so the step writes
``http://host:443/`` where others write ``https://host/``. A host that answers with the headers
it was sent shows the credential to the step; ``TRACE``, which asks for that, is refused.

Names that lead to this machine or its link (loopback, link-local: the metadata services of clouds)
are refused unless the grant is that very address.

References:
    RFC 9110 section 9.3.6 (CONNECT), RFC 9112 section 3.2.2 (absolute form).
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import selectors
import socket
import ssl
import sys
import threading
from collections.abc import Iterable, Mapping

from hauberk.isolation.notices import receive_descriptor

_TLS_PORT = 443
_DEFAULT_PORTS = (80, _TLS_PORT)
_MAX_PORT = 65535
_MAX_HEAD_BYTES = 64 << 10
_MAX_CONNECTIONS = 64
_MAX_REFUSALS = 64
_CHUNK_BYTES = 64 << 10
_CONNECT_S = 20.0
_IDLE_S = 300.0
_REPLACED = frozenset((b"authorization", b"connection", b"keep-alive", b"proxy-connection"))
"""Headers of the step that give way where a credential is added."""
_CONNECT = re.compile(rb"CONNECT (\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5}) HTTP/1\.[01]\r\n")
_ABSOLUTE = re.compile(
    rb"([A-Z]+) http://(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?(/[^ \r\n]*)? (HTTP/1\.[01])\r\n"
)


def parse_grant(grant: str) -> tuple[str, tuple[int, ...]]:
    """Host (lower case) and ports of ``host`` or ``host:port``; without a port 80 and 443.

    Raises:
        ValueError: It is neither.
    """
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?", grant)
    if found is None or not 0 < int(found[2] or 1) <= _MAX_PORT:
        raise ValueError(grant)
    ports = _DEFAULT_PORTS if found[2] is None else (int(found[2]),)
    return _plain(found[1]), ports


def _plain(host: str) -> str:
    return host.strip("[]").lower().rstrip(".")


class Door:
    """Who may be reached, with which credential, and who was not.

    Args:
        credentials: Grant to the value of the ``Authorization`` header.
        tls: How servers at port 443 are told to be who they say; the system's authorities
            where it is not given.
    """

    def __init__(
        self,
        grants: Iterable[str],
        log: int,
        credentials: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._ports: dict[str, set[int]] = {}
        for host, ports in map(parse_grant, grants):
            self._ports.setdefault(host, set()).update(ports)
        self._credentials: dict[tuple[str, int], bytes] = {}
        for grant, value in (credentials or {}).items():
            host, ports = parse_grant(grant)
            self._credentials.update({(host, port): value.encode("latin-1") for port in ports})
        self._tls = tls
        self._log = log
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int) -> list[str]:
        """Addresses of a host that may be reached; empty where it may not.

        Raises:
            OSError: The name cannot be looked up.
        """
        name = _plain(host)
        if port not in self._ports.get(name, ()):
            self._note(name, port)
            return []
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        listed = dict.fromkeys(str(entry[4][0]) for entry in found)
        allowed = [address for address in listed if address == name or not _is_near(address)]
        if not allowed:
            self._note(name, port)
        return allowed

    def credential(self, host: str, port: int) -> bytes | None:
        """What requests to a host bear, if anything."""
        return self._credentials.get((_plain(host), port))

    def secured(self, server: socket.socket, host: str) -> ssl.SSLSocket:
        """The connection to ``host`` over TLS.

        Raises:
            OSError: The server does not prove to be ``host``.
        """
        self._tls = self._tls or ssl.create_default_context()
        return self._tls.wrap_socket(server, server_hostname=_plain(host))

    def _note(self, name: str, port: int) -> None:
        line = f"network {name}:{port}"
        with self._lock:
            if line not in self._refused and len(self._refused) < _MAX_REFUSALS:
                self._refused.add(line)
                os.write(self._log, line.encode("ascii", "replace") + b"\n")


def _is_near(address: str) -> bool:
    """Whether an address is this machine or its link."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return bool(
        found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast
    )


def destination(head: bytes) -> tuple[str, int, bytes] | None:
    """Host, port and what to send on, from the head of a request; ``None`` if not understood."""
    found = _CONNECT.match(head)
    if found is not None:
        return found[1].decode("ascii"), int(found[2]), b""
    found = _ABSOLUTE.match(head)
    if found is None:
        return None
    line = b"%s %s %s\r\n" % (found[1], found[4] or b"/", found[5])
    return found[2].decode("ascii"), int(found[3] or 80), line + head[found.end() :]


def with_credential(first: bytes, credential: bytes) -> bytes:
    """The beginning of a request, bearing the credential; empty where it must not."""
    head, _, rest = first.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    if line.startswith(b"TRACE "):
        return b""
    kept = [item for item in headers if item.partition(b":")[0].strip().lower() not in _REPLACED]
    added = [b"Authorization: " + credential, b"Connection: close"]
    return b"\r\n".join([line, *kept, *added]) + b"\r\n\r\n" + rest


def _read_head(client: socket.socket) -> bytes:
    """Everything up to the empty line, and what came with it; empty if that never comes."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = client.recv(_CHUNK_BYTES)
        head += part
        if not part or len(head) > _MAX_HEAD_BYTES:
            return b""
    return head


def _answer(client: socket.socket, status: str) -> None:
    client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def serve(client: socket.socket, door: Door) -> None:
    """One connection of the step, to its end.

    Raises:
        OSError: Either side broke off.
    """
    client.settimeout(_CONNECT_S)
    head = _read_head(client)
    wanted = destination(head)
    if wanted is None:
        _answer(client, "400 Not Understood")
        return
    host, port, first = wanted
    credential = door.credential(host, port) if first else None
    if credential is not None:
        first = with_credential(first, credential)
        if not first:
            _answer(client, "405 Method Would Show The Credential")
            return
    server = _reach(door, host, port)
    if server is None:
        _answer(client, "403 Host Not Granted")
        return
    if credential is not None and port == _TLS_PORT:
        server = door.secured(server, host)
    with server:
        if first:
            server.sendall(first)
        else:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            server.sendall(head.partition(b"\r\n\r\n")[2])
        _pass_on(client, server)


def _reach(door: Door, host: str, port: int) -> socket.socket | None:
    for address in door.addresses(host, port):
        try:
            return socket.create_connection((address, port), _CONNECT_S)
        except OSError:
            continue
    return None


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    """Bytes both ways until one side has ended or nothing has moved for long."""
    other = {client: server, server: client}
    with selectors.DefaultSelector() as selector:
        for side in other:
            side.settimeout(_IDLE_S)
            selector.register(side, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(_IDLE_S)
            if not ready:
                return
            for key, _ in ready:
                side = client if key.fileobj is client else server
                part = side.recv(_CHUNK_BYTES)
                if part:
                    other[side].sendall(part)
                else:
                    selector.unregister(side)
                    _end(other[side])


def _end(side: socket.socket) -> None:
    """Tell one side that nothing more comes; over TLS that would end both directions."""
    if not isinstance(side, ssl.SSLSocket):
        side.shutdown(socket.SHUT_WR)


def _serve_quietly(client: socket.socket, door: Door, room: threading.Semaphore) -> None:
    try:
        with client:
            serve(client, door)
    except OSError:
        return  # the step sees its connection end
    finally:
        room.release()


def main() -> None:
    """Serve until killed. Arguments: channel, log, credentials (descriptors), grants as JSON."""
    channel, log, handed = (int(word) for word in sys.argv[1:4])
    grants = json.loads(sys.argv[4])
    with os.fdopen(handed, "rb") as file:
        file.seek(0)
        credentials = json.load(file)
    descriptor = receive_descriptor(channel)
    if descriptor is None:
        return
    door = Door(grants, log, credentials)
    room = threading.Semaphore(_MAX_CONNECTIONS)
    with socket.socket(fileno=descriptor) as listener:
        while True:
            room.acquire()
            client, _ = listener.accept()
            threading.Thread(target=_serve_quietly, args=(client, door, room), daemon=True).start()
