"""Telling others of alerts."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

from tests.monitor.test_watching import NOW, rows, world

from hauberk.core.finding import Severity
from hauberk.methods.alerting import Alert, Silence
from hauberk.monitor.settings import Notify
from hauberk.monitor.watching import ALERT_LINES, open_monitor

__all__ = ["world"]


@contextmanager
def taking(status=200):
    """A server that keeps what is posted to it."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def watching(world, **notify):
    world.put("a.parquet", rows(1, 600, at=NOW, shift=8))
    settings = replace(world.settings, notify=Notify(**notify))
    return open_monitor(settings, clock=lambda: world.now)


def test_a_webhook_gets_each_alert_once_as_a_cloud_event(world):
    with taking() as (url, got):
        monitor = watching(world, webhook=f"{url}/hook?x=1")
        monitor.tick()
        monitor.tick()
    ((path, kind, event),) = got
    assert (path, kind.split(";")[0]) == ("/hook?x=1", "application/cloudevents+json")
    assert (event["specversion"], event["subject"]) == ("1.0", "drift/loans/age")


def test_an_alertmanager_gets_labels_and_annotations_it_accepts(world):
    with taking() as (url, got):
        watching(world, alertmanager=url).tick()
    ((path, _, alerts),) = got
    assert path == "/api/v2/alerts"
    assert alerts[0]["labels"]["severity"] == "high"
    assert all(name.replace("_", "").isalnum() for name in alerts[0]["annotations"])


def test_what_was_not_taken_is_sent_again(world):
    with taking(status=503) as (url, _):
        monitor = watching(world, webhook=url)
        monitor.tick()
        assert "503" in monitor.troubles["notify webhook"]
    with taking() as (url, got):
        monitor.settings = replace(monitor.settings, notify=Notify(webhook=url))
        monitor.tick()
    assert got[0][2]["subject"] == "drift/loans/age"


def test_alerts_stand_as_lines_in_a_file_without_secrets(world):
    monitor = watching(world)
    monitor.tell(
        [
            Alert(
                kind="k",
                cause="c",
                title="refused <b>\n ana@mail.example",
                severity=Severity.HIGH,
                at=NOW,
            )
        ]
    )
    text = (world.folder / "state" / ALERT_LINES).read_text("ascii")
    assert len(text.splitlines()) == 1
    assert "ana@" not in text
    assert json.loads(text)["title"] == "refused <b>\n [email removed]"


def test_a_silenced_cause_is_not_told(world):
    monitor = watching(world)
    with monitor.store.changing() as change:
        change.put_silence(Silence(cause="drift/", owner="ana", reason="r", until=NOW + 60))
    monitor.tick()
    assert monitor.store.alerts(since=0) == []
    world.now = NOW + 120
    world.put("b.parquet", rows(2, 600, at=world.now, shift=8))
    monitor.tick()
    assert [item.alert.cause for item in monitor.store.alerts(since=0)] == ["drift/loans/age"]
