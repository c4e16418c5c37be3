"""The monitor's pages and door, asked without a network."""

from __future__ import annotations

import asyncio
import re

import pytest
from tests.monitor.test_watching import NOW, decision, pushed, rows, with_log, world

from hauberk.monitor.web import LOCAL, PUSH, App

__all__ = ["world"]


def ask(app, path, *, method="GET", host="127.0.0.1:9464", body=b"", length=True):
    target, _, query = path.partition("?")
    headers = [(b"host", host.encode())]
    if length:
        headers.append((b"content-length", str(len(body)).encode()))
    scope = {
        "type": "http",
        "method": method,
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


@pytest.fixture
def app(world):
    with_log(world, [decision(NOW, shadow=["exchange/copying"], who="key:<script>alert(1)")])
    world.put("a.parquet", rows(1, 500, at=NOW, shift=8))
    monitor = world.open()
    monitor.tick()
    return App(monitor)


@pytest.mark.parametrize(
    "path", ["/", "/alerts", "/audit", "/models/loans", "/models/loans?span=year", "/metrics"]
)
def test_every_page_answers_and_asks_nobody_else(app, path):
    status, headers, body = ask(app, path)
    assert status == 200
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", body)
    assert "<script>alert" not in body


def test_the_page_of_a_model_draws_both_distributions(app):
    _, _, body = ask(app, "/models/loans")
    assert body.count("<figure") >= 5
    assert "training" in body
    assert "drift/loans/age" in body


def test_the_overview_says_what_to_do_first(app):
    assert "Act now: loans" in ask(app, "/")[2]


def test_decisions_are_found_by_who_and_when_without_payloads(app):
    _, _, body = ask(app, "/audit?principal=key%3A%3Cscript%3Ealert%281%29")
    assert "&lt;script&gt;alert" in body
    assert "Times are written" in ask(app, "/audit?since=yesterday")[2]
    assert "No decision fits" in ask(app, "/audit?until=2001-01-01")[2]


@pytest.mark.parametrize("path", ["/models/none", "/x", "/models/", "/../etc/passwd"])
def test_what_is_not_there_is_404(app, path):
    assert ask(app, path)[0] == 404


def test_another_host_name_and_another_method_are_refused(app):
    assert ask(app, "/", host="evil.example")[0] == 421
    assert ask(app, "/", method="POST")[0] == 405
    assert "127.0.0.1" in LOCAL


def test_metrics_tell_of_the_day_per_model_and_column(app):
    text = ask(app, "/metrics")[2]
    assert 'hauberk_monitor_rows{model="loans"} 500' in text
    assert re.search(r'drift_distance\{model="loans",column="age"\} 0\.[23]', text)


def test_the_door_takes_signed_batches_once(app, world):
    monitor = app._monitor
    data = pushed(world, monitor)
    answers = [ask(app, PUSH, method="POST", body=data)[0] for _ in range(2)]
    assert answers == [200, 403]
    assert ask(app, PUSH, method="POST", body=b"{}")[0] == 400
    assert ask(app, PUSH, method="POST", body=data, length=False)[0] == 413


def test_trouble_shows_in_health(app):
    assert ask(app, "/healthz")[0] == 200
    app._monitor.troubles["tables"] = "no space left"
    assert ask(app, "/healthz")[0] == 503
    assert "no space left" in ask(app, "/")[2]
