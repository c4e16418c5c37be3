"""TLS on the guard's own door, and the names in the certificates of clients.

TLS 1.2 and later, no compression, no renegotiation, the ciphers of the Python that runs. With
an authority for clients, a connection without a certificate of that authority ends in the
handshake: what is behind the door never sees it. Certificates of the door may be changed while
it stands open: what does not fit changes nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError

PEER = "hauberk.peer"
"""Where the application finds the names of the client's certificate, in the scope's state."""

_KINDS = ("URI", "DNS", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorFiles:
    """Files of a door that speaks TLS.

    Attributes:
        cert: The door's certificate and those up to its authority, in PEM.
        key: Its private key; in the same file where it is ``None``.
        client_ca: Authority whose certificates clients must show; ``None`` asks for none.
    """

    cert: Path
    key: Path | None = None
    client_ca: Path | None = None

    def open(self) -> ssl.SSLContext:
        """The door's side of TLS.

        Raises:
            UsageError: A file cannot be read, or key and certificate do not belong together.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        self.load(context)
        if self.client_ca is not None:
            try:
                context.load_verify_locations(cafile=str(self.client_ca))
            except (OSError, ssl.SSLError) as error:
                raise _unusable(str(self.client_ca), error) from error
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    def pem(self) -> tuple[bytes, bytes]:
        """Private key and certificate, as they stand in the files now.

        Raises:
            UsageError: A file cannot be read.
        """
        try:
            return (self.key or self.cert).read_bytes(), self.cert.read_bytes()
        except OSError as error:
            raise _unusable(str(self.cert), error) from error

    def load(self, context: ssl.SSLContext) -> None:
        """Let new connections see the certificate that the files hold now.

        Raises:
            UsageError: It cannot be used; the context is as it was.
        """
        key = None if self.key is None else str(self.key)
        try:
            for one in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):  # a trial, then in truth
                one.load_cert_chain(str(self.cert), key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise _unusable(str(self.cert), error) from error


def _no_password() -> str:
    raise UsageError(
        "the private key of the door is encrypted",
        expected="a key file without a password, readable by the guard alone",
        found="one that wants a password",
        hint="openssl pkey -in KEY -out KEY.plain; chmod 600 KEY.plain",
    )


def _unusable(subject: str, error: Exception) -> UsageError:
    return UsageError(
        "the certificates of the door cannot be used",
        subject=subject,
        rule="PEM files of a certificate and the private key that belongs to it",
        expected="files that fit",
        found=_what(error)[:100],
        hint="name them with --tls-cert, --tls-key and --client-ca",
    )


def _what(error: Exception) -> str:
    said = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(said or error.__class__.__name__)


def peer_names(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Names in a verified certificate, as a register lists them; alternative names first.

    The common name counts only where there is no alternative name at all, as with servers.
    """
    found = certificate or {}
    names = [
        f"{kind}:{value}"
        for wanted in _KINDS
        for kind, value in found.get("subjectAltName", ())
        if kind == wanted
    ]
    if names or found.get("subjectAltName"):
        return tuple(names)
    return tuple(
        f"CN:{value}"
        for part in found.get("subject", ())
        for kind, value in part
        if kind == "commonName"
    )
