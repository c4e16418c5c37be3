"""Alerts arrive at receivers that other people wrote: a mail server's dialogue, an Alertmanager."""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes

import pytest
from tests.monitor.test_notify import watching
from tests.monitor.test_watching import world

from hauberk.core.finding import Severity
from hauberk.methods.alerting import Alert
from hauberk.monitor.settings import Notify
from hauberk.monitor.watching import open_monitor

__all__ = ["world"]


class Mail(socketserver.StreamRequestHandler):
    """RFC 5321 as far as a sender needs it."""

    def handle(self):
        self.say("220 mail ready")
        while line := self.rfile.readline().strip():
            verb = line[:4].upper()
            self.server.heard.append(line.decode())
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

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mail_server(verdict="250 taken"):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.letters, server.heard, server.verdict = [], [], verdict
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
