"""Handing a letter to a mail server, over TLS and with a login where the settings say so."""

from __future__ import annotations

import os
import smtplib
import ssl
from contextlib import contextmanager
from email.message import EmailMessage
from typing import TYPE_CHECKING

from hauberk.errors import UnavailableError
from hauberk.trust.private_files import check_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hauberk.monitor.settings import Notify

TIMEOUT_S = 10.0
TLS_PORT = 465
PLAIN_PORT = 25
MAX_PASSWORD_BYTES = 4096
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


def deliver(notify: Notify, letter: EmailMessage) -> None:
    """Send one letter.

    From the first byte over TLS on port 465 or where ``smtp_tls`` says so; else TLS begins where
    the server offers it, and must with ``starttls``. Certificates are always checked. On loopback
    nothing is encrypted unless it is asked for.

    Raises:
        OSError: The server is not there, its certificate is not to be trusted, or it refuses.
        UnavailableError: A password would go out in the clear, or cannot be read.
    """
    with _open(notify) as server:
        if notify.smtp_user:
            if not isinstance(server.sock, ssl.SSLSocket) and not _is_near(notify):
                raise UnavailableError(
                    "a password is not sent in the clear",
                    subject=notify.smtp,
                    rule="who logs in to a mail server does so over TLS",
                    expected="a server that offers STARTTLS, or TLS from the first byte",
                    found="neither",
                    hint='smtp_tls = "tls" with the port for it, often 465',
                )
            server.login(notify.smtp_user, _password(notify))
        server.send_message(letter)


@contextmanager
def _open(notify: Notify) -> Iterator[smtplib.SMTP]:
    host, port = _place(notify)
    context = ssl.create_default_context(cafile=_text(notify.smtp_ca))
    if notify.smtp_tls == "tls" or (port == TLS_PORT and not notify.smtp_tls):
        with smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context) as server:
            yield server
        return
    with smtplib.SMTP(host, port, timeout=TIMEOUT_S) as server:
        server.ehlo_or_helo_if_needed()
        is_offered = server.has_extn("starttls") and not _is_near(notify)
        if notify.smtp_tls == "starttls" or (not notify.smtp_tls and is_offered):
            server.starttls(context=context)
        yield server


def _place(notify: Notify) -> tuple[str, int]:
    host, _, port = notify.smtp.rpartition(":")
    return host or notify.smtp, int(port) if host and port.isdigit() else PLAIN_PORT


def _is_near(notify: Notify) -> bool:
    return _place(notify)[0] in _LOOPBACK


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _password(notify: Notify) -> str:
    path = notify.smtp_password
    if path is None:
        raise UnavailableError(
            "there is no password for the mail server",
            subject=notify.smtp_user,
            expected="smtp_password, a file that only its owner can read",
            found="none",
        )
    with path.open("rb") as file:
        check_private(os.fstat(file.fileno()), path, os.getuid())
        return file.read(MAX_PASSWORD_BYTES).decode("utf-8", "replace").strip("\r\n")
