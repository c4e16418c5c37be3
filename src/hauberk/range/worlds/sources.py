"""A publisher on loopback, over TLS with an authority of its own, and what may stand between.

The server answers with what the script for its path says: the genuine bytes, altered ones,
fewer than it declares, or a redirect that leaves TLS.
"""

from __future__ import annotations

import datetime as dt
import http.server
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"
POLL_S = 0.005
"""How often a server looks whether it should stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server says for one path.

    Attributes:
        declared: Length that the header names; the true one by default.
        redirect: Where to send the client instead.
    """

    body: bytes = b""
    declared: int | None = None
    redirect: str | None = None


@dataclass(slots=True, kw_only=True)
class Publisher:
    """A running server; change ``answers`` to stand between it and its clients.

    Attributes:
        plain: Address of a server without TLS that gives the same answers.
    """

    address: str
    plain: str
    context: ssl.SSLContext
    answers: dict[str, Answer] = field(default_factory=dict)


@contextmanager
def publisher(folder: Path) -> Iterator[Publisher]:
    """Start both servers and stop them at the end.

    Args:
        folder: Where the certificate is written.
    """
    certificate, key = _certificate(folder)
    answers: dict[str, Answer] = {}
    secure = _server(answers)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    secure.socket = server_context.wrap_socket(secure.socket, server_side=True)
    plain = _server(answers)
    for server in (secure, plain):
        threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True).start()
    try:
        yield Publisher(
            address=f"https://{LOOPBACK}:{secure.server_port}",
            plain=f"http://{LOOPBACK}:{plain.server_port}",
            context=ssl.create_default_context(cafile=str(certificate)),
            answers=answers,
        )
    finally:
        for server in (secure, plain):
            server.shutdown()
            server.server_close()


def _server(answers: Mapping[str, Answer]) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path, Answer())
            self.send_response(302 if answer.redirect else 200)
            if answer.redirect:
                self.send_header("Location", answer.redirect)
            declared = len(answer.body) if answer.declared is None else answer.declared
            self.send_header("Content-Length", str(declared))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            del format, args

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients hang up
    return server


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "publisher on loopback")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "publisher.pem", folder / "publisher.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
