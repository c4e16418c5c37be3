"""Services that run on this machine, asked whether they let anybody in.

Only addresses of this machine are asked: loopback, and those on which its own sockets listen.
One connection at a time, a few reading requests for each port, all within limits of time and
bytes; no redirect is followed and no password tried.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hauberk.core.finding import Assessment, Evidence, Finding, Location, Outcome, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.code.service_probes import (
    PING,
    Answer,
    Door,
    Met,
    met_by_http,
    met_by_ping,
)

CONTROL = "probe/open-services"
THREATS = (ThreatId("PI-6"),)
MAX_BODY = 1 << 20
MAX_PORTS = 2_000
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING = "0A"
_LONGEST_PORT = 65_535


@dataclass(frozen=True, slots=True, order=True)
class Socket:
    """Where something listens.

    Attributes:
        bound: The address that it is bound to; empty where that is not known.
    """

    host: str
    port: int
    bound: str = ""

    @property
    def name(self) -> str:
        """As people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return bool(self.bound) and _is_loopback(self.bound)


def listening(tables: Sequence[Path] = _TABLES) -> list[Socket]:
    """All sockets that listen on this machine, asked at an address that reaches them."""
    found: dict[int, Socket] = {}
    for table in tables:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 3 and words[3] == _LISTENING:  # noqa: PLR2004 - the column of states
                item = _read_socket(words[1])
                kept = found.get(item.port)
                if kept is None or (kept.is_local and not item.is_local):
                    found[item.port] = item
    return sorted(found.values(), key=lambda item: item.port)[:MAX_PORTS]


def _read_socket(text: str) -> Socket:
    """An address of the kernel's table: words of four bytes, each backwards."""
    digits, _, port = text.partition(":")
    raw = bytes.fromhex(digits)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    address = ipaddress.ip_address(b"".join(words))
    bound = str(getattr(address, "ipv4_mapped", None) or address)
    host = "127.0.0.1" if ipaddress.ip_address(bound).is_unspecified else bound
    return Socket(host, int(port, 16), bound)


def sockets_of(names: Sequence[str]) -> list[Socket]:
    """The sockets that somebody named as HOST:PORT.

    Raises:
        UsageError: One is none, or is not of this machine.
    """
    known = {(item.host, item.port): item for item in listening()}
    own = {item.bound for item in known.values()}
    found = []
    for name in names:
        host, mark, port = name.strip().removeprefix("http://").rstrip("/").rpartition(":")
        host = (host or "127.0.0.1").strip("[]")
        if not mark or not port.isdigit() or not 0 < int(port) <= _LONGEST_PORT:
            raise UsageError("not a socket", subject=name, expected="HOST:PORT", found=name)
        address = _resolved(host)
        if not _is_loopback(address) and address not in own:
            raise UsageError(
                "only services of this machine are asked",
                subject=name,
                rule="a probe is for one's own hosts",
                expected="a loopback address, or one on which this machine listens",
                found=address,
                hint="run it on the host that runs the service",
            )
        same = known.get((address, int(port)))
        found.append(Socket(address, int(port), same.bound if same else ""))
    return found


def _resolved(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise UsageError("no address has this name", subject=host) from error


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def probe(sockets: Sequence[Socket], *, timeout_s: float = 5.0) -> Iterator[Assessment]:
    """What each socket answers to somebody without credentials."""
    for item in sockets:
        try:
            met = _ping(item, timeout_s) or _http(item, timeout_s)
        except (ConnectionError, TimeoutError) as error:
            yield Assessment(
                control=CONTROL,
                path=item.name,
                outcome=Outcome.FAILED,
                reason=f"nothing answers there: {type(error).__name__}",
            )
            continue
        yield _assessment(item, met)


def _assessment(item: Socket, met: Met | None) -> Assessment:
    if met is None:
        return Assessment(
            control=CONTROL,
            path=item.name,
            outcome=Outcome.NOT_APPLICABLE,
            reason="no service that is known here answers",
        )
    if met.door is Door.CLOSED:
        return Assessment(
            control=CONTROL,
            path=item.name,
            outcome=Outcome.CLEAN,
            reason=f"{met.product} asks for credentials",
        )
    return Assessment(
        control=CONTROL,
        path=item.name,
        outcome=Outcome.FLAGGED,
        reason=f"{met.product} lets anybody in",
        findings=(_finding(item, met),),
    )


def _finding(item: Socket, met: Met) -> Finding:
    reach = "this machine's users" if item.is_local else "anybody who reaches it"
    severe = Severity.CRITICAL if met.runs_code else Severity.HIGH
    return Finding(
        control=CONTROL,
        message=f"{item.name}: {met.product} lets {reach} {met.gives} without credentials",
        path=item.name,
        severity=Severity.MEDIUM if item.is_local else severe,
        threats=THREATS,
        location=Location(field=met.asked),
        remedy="Switch its authentication on, and bind it to 127.0.0.1 behind a proxy that "
        "authenticates.",
        evidence=Evidence(
            statistic="answer to a reading request without credentials",
            facts={"product": met.product, "asked": met.asked, "bound": item.bound or "unknown"},
        ),
    )


# Asking ----------------------------------------------------------------------------------


def _ping(item: Socket, timeout_s: float) -> Met | None:
    try:
        with socket.create_connection((item.host, item.port), timeout_s) as channel:
            channel.settimeout(min(timeout_s, 1.0))
            channel.sendall(PING)
            return met_by_ping(channel.recv(200))
    except ConnectionRefusedError:
        raise
    except OSError:
        return None


def _http(item: Socket, timeout_s: float) -> Met | None:
    def plain(path: str) -> Answer | None:
        return _get(http.client.HTTPConnection(item.host, item.port, timeout=timeout_s), path)

    def secure(path: str) -> Answer | None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # who answers is not asked, only whether it lets us in
        made = http.client.HTTPSConnection(item.host, item.port, timeout=timeout_s, context=context)
        return _get(made, path)

    return met_by_http(plain) or met_by_http(secure)


def _get(connection: http.client.HTTPConnection, path: str) -> Answer | None:
    try:
        connection.request("GET", path, headers={"Accept": "application/json, */*"})
        reply = connection.getresponse()
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, reply.read(MAX_BODY), headers)
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
