"""Alerts arrive at receivers that other people wrote: a mail server's dialogue, an Alertmanager."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.monitor.test_notify import watching
from tests.monitor.test_watching import world

from hauberk.core.finding import Severity
from hauberk.methods.alerting import Alert
from hauberk.monitor.settings import Notify
from hauberk.monitor.watching import open_monitor

__all__ = ["world"]


def pair(folder):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "mail.crt").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "mail.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "mail.crt", folder / "mail.key")
    return context


class Mail(socketserver.StreamRequestHandler):
    """RFC 5321 as far as a sender needs it."""

    def handle(self):
        self.say("220 mail ready")
        while line := self.rfile.readline().strip():
            verb = line[:4].upper()
            self.server.heard.append(line.decode())
            if verb == b"EHLO" and self.server.context is not None:
                kinds = "250-AUTH PLAIN" if self.server.is_encrypted else "250-STARTTLS"
                self.say(f"250-mail\r\n{kinds}\r\n250 8BITMIME")
                continue
            if verb == b"STAR":
                self.say("220 begin")
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
                self.setup()
                self.server.is_encrypted = True
                continue
            if verb == b"AUTH":
                self.say("235 known" if line == self.server.login else "535 unknown")
                continue
            if verb == b"DATA":
                self.say("354 go on")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part.removeprefix(b"."))
                self.server.letters.append(b"".join(lines))
                self.say(self.server.verdict)
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def finish(self):
        super().finish()
        self.request.close()  # of TLS, which took the connection over

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mail_server(verdict="250 taken", context=None, login=b""):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.letters, server.heard, server.verdict = [], [], verdict
        server.context, server.login, server.is_encrypted = context, login, False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_mail_arrives_once_and_again_where_it_was_not_taken(world):
    with mail_server("451 try later") as server:
        port = server.server_address[1]
        monitor = watching(world, smtp=f"127.0.0.1:{port}", mail_to="ops@corp.example")
        monitor.tick()
        assert "notify mail" in monitor.troubles
    with mail_server() as server:
        port = server.server_address[1]
        monitor = watching(world, smtp=f"127.0.0.1:{port}", mail_to="ops@corp.example")
        monitor.tick()
        monitor.tick()
        assert monitor.troubles == {}
    (letter,) = server.letters
    message = message_from_bytes(letter)
    assert message["To"] == "ops@corp.example"
    assert message["Subject"].startswith("[hauberk] high: age: live rows differ")
    assert "distance" in message.get_payload()
    assert "RCPT TO:<ops@corp.example>" in " ".join(server.heard).replace("rcpt", "RCPT")


LOGIN = b"AUTH PLAIN " + base64.b64encode(b"\0ops\0correct horse")


def mailing(world, tmp_path, port, **more):
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "password").chmod(0o600)
    words = {"smtp_user": "ops", "smtp_password": tmp_path / "password", "mail_to": "o@c.example"}
    monitor = watching(world, smtp=f"127.0.0.1:{port}", **{**words, **more})
    monitor.tick()
    return monitor.troubles


def test_mail_goes_over_tls_with_a_login(world, tmp_path):
    with mail_server(context=pair(tmp_path), login=LOGIN) as server:
        more = {"smtp_tls": "starttls", "smtp_ca": tmp_path / "mail.crt"}
        assert mailing(world, tmp_path, server.server_address[1], **more) == {}
    assert len(server.letters) == 1
    before, after = " ".join(server.heard).split("STARTTLS")
    assert "AUTH" not in before
    assert LOGIN.decode() in after


def test_a_certificate_that_nobody_trusts_gets_no_letter(world, tmp_path):
    with mail_server(context=pair(tmp_path), login=LOGIN) as server:
        troubles = mailing(world, tmp_path, server.server_address[1], smtp_tls="starttls")
    assert "certificate verify failed" in troubles["notify mail"]
    assert not server.letters


def test_a_password_that_others_can_read_is_not_sent(world, tmp_path):
    with mail_server(context=pair(tmp_path), login=LOGIN) as server:
        (tmp_path / "open").write_text("correct horse")
        (tmp_path / "open").chmod(0o644)
        more = {"smtp_tls": "starttls", "smtp_ca": tmp_path / "mail.crt"}
        port = server.server_address[1]
        troubles = mailing(world, tmp_path, port, smtp_password=tmp_path / "open", **more)
    assert "notify mail" in troubles
    assert not any(line.startswith("AUTH") for line in server.heard)


def test_a_server_that_takes_tls_away_gets_no_letter(world, tmp_path):
    with mail_server() as server:
        troubles = mailing(world, tmp_path, server.server_address[1], smtp_tls="starttls")
    assert "STARTTLS" in troubles["notify mail"]
    assert not server.letters


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    names = ("prometheus-alertmanager", "alertmanager")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("prometheus-alertmanager is not installed")
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    shipped = "templates: []\n"
    (folder / "c.yml").write_text(
        f"route: {{receiver: none}}\nreceivers: [{{name: none}}]\n{shipped}"
    )
    words = [
        program,
        f"--config.file={folder / 'c.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                asked(f"{url}/-/ready")
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def asked(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def test_an_alertmanager_takes_alerts_and_shows_them(alertmanager, world):
    world.now = time.time()  # its own clock says what is over
    settings = replace(world.settings, notify=Notify(alertmanager=alertmanager))
    monitor = open_monitor(settings, clock=lambda: world.now)
    old = Alert(
        kind="slow drift",
        cause="slow drift/loans/age",
        title="age moves <b>",
        severity=Severity.HIGH,
        at=world.now - 3 * 86_400,
        asset="loans",
        facts={"found share": "3 %"},
    )
    monitor.tell([old])
    monitor.tick()
    assert monitor.troubles == {}
    (item,) = json.loads(asked(f"{alertmanager}/api/v2/alerts"))
    assert (item["labels"]["cause"], item["labels"]["severity"]) == (old.cause, "high")
    assert item["annotations"]["summary"] == "age moves <b>"
    assert item["annotations"]["fact_found_share"] == "3 %"
    assert item["status"]["state"] == "active", "an alert of long ago is not over when it is told"
