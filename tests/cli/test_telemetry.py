"""Servers with workers and a monitor, each a process of its own, and the monitor is late."""

from __future__ import annotations

import json
import re

import pytest
from tests.cli.test_guard import running
from tests.worlds.collectors import collector

from hauberk.cli import main
from hauberk.formats.http import Call, json_call
from hauberk.monitor import hours
from hauberk.monitor.hours import total
from hauberk.monitor.store import open_store
from hauberk.range.worlds import served
from hauberk.range.worlds.puppets import puppet

METRICS = Call(method="GET", path="/metrics")


def described(folder, port):
    file = folder / "telemetry.toml"
    file.write_text(
        f'url = "http://127.0.0.1:{port}/v1/telemetry"\nreplica = "r1"\nkey = "r1.pem"\n'
        'model = "m"\nspool = "spool"\nevery_s = 1\n'
    )
    return file


def asked(folder, port, workers, n):
    """Serve, be asked, end."""
    words = ["serve", str(folder / "bundle"), "--unsigned", "--workers", str(workers)]
    with running(*words, "--telemetry", str(described(folder, port))) as on:
        if workers > 1:
            on.read_until(f"{workers} workers")
        statuses = [on.ask().status for _ in range(n)]
        refused = on.ask(b'{"inputs": [], "x": 1}').status
        on.stop()
    assert set(statuses) == {200}
    assert refused == 400


def test_workers_keep_what_a_monitor_that_is_down_did_not_take(tmp_path):
    bundle = served.write_classifier(tmp_path / "bundle")
    (tmp_path / "p.json").write_bytes(bundle.profile)
    assert main(["monitor", "key", str(tmp_path / "r1.pem")]) == 0
    (tmp_path / "monitor.toml").write_text(
        '[monitor]\nstate = "state"\n[models.m]\nreference = "p.json"\n'
        '[replicas]\nr1 = "r1.pub.pem"\n'
    )
    spool = tmp_path / "spool"
    asked(tmp_path, 9, workers=2, n=30)
    assert list(spool.glob("worker-*/[0-9]*.json"))
    with running("monitor", "--config", str(tmp_path / "monitor.toml")) as watching:
        port = re.search(r"ready: http://127.0.0.1:(\d+)/", watching.said)[1]
        asked(tmp_path, port, workers=1, n=5)
        watching.stop()
    assert [*spool.glob("[0-9]*.json"), *spool.glob("worker-*/[0-9]*.json")] == []
    store, damaged = open_store(tmp_path / "state")
    assert damaged is None
    found = store.hour("m", 0, 1 << 40)
    assert set(found) <= {"r1", "r1/1", "r1/2"}
    counts = total(found.values())
    assert (counts.rows, counts.requests, counts.errors) == (35, 37, 0)
    assert sum(counts.tallies[hours.LATENCY].values()) == 37
    assert sum(counts.tallies[hours.REFUSED].values()) == 2
    assert not [item for item in store.alerts(since=0) if item.alert.kind == "telemetry refused"]


def test_workers_tell_opentelemetry_each_under_its_own_name(tmp_path):
    served.write_classifier(tmp_path / "bundle")
    with collector() as stub:
        words = ["serve", str(tmp_path / "bundle"), "--unsigned", "--workers", "2"]
        settings = tmp_path / "otlp.toml"
        settings.write_text(f'endpoint = "{stub.url}"\nsample = 1\nevery_s = 0.2\n')
        with running(*words, "--otlp", str(settings)) as on:
            on.read_until("2 workers")
            statuses = [on.ask().status for _ in range(30)]
            assert on.ask(b'{"inputs": [], "x": 1}').status == 400
            assert b"hauberk_telemetry_lost_total 0" in on.door.call(METRICS).body
            on.stop()
        assert set(statuses) == {200}
        codes = [span["attributes"] for span in stub.spans()]
        assert len(codes) == 31
        told = [
            {item["key"]: item["value"] for item in one["resource"]["attributes"]}
            for path, body, _ in stub.posts
            for one in json.loads(body).get("resourceSpans", ())
        ]
    assert {one["service.name"]["stringValue"] for one in told} == {"classifier"}
    workers = {one["hauberk.worker"]["intValue"] for one in told}
    instances = {one["service.instance.id"]["stringValue"] for one in told}
    assert workers <= {"1", "2"}
    assert len(instances) == len(workers)


def test_requests_do_not_feel_a_collector_that_is_not_there(tmp_path):
    served.write_classifier(tmp_path / "bundle")
    words = ["serve", str(tmp_path / "bundle"), "--unsigned"]
    settings = tmp_path / "otlp.toml"
    settings.write_text('endpoint = "http://127.0.0.1:9"\nevery_s = 0.1\n')
    with running(*words, "--otlp", str(settings)) as on:
        assert {on.ask().status for _ in range(50)} == {200}
        code, rest = on.stop()
    assert (on.said + rest).count("does not take telemetry") == 1
    assert code == 130


def test_a_chat_is_told_to_opentelemetry(tmp_path):
    with collector() as stub, puppet() as model:
        settings = tmp_path / "otlp.toml"
        settings.write_text(f'endpoint = "{stub.url}"\nsample = 1\nservice = "desk"\n')
        words = ["guard", "--chat", "--upstream", model.url, "--otlp", str(settings)]
        with running(*words) as on:
            body = b'{"model":"m","messages":[{"role":"user","content":"Good day"}]}'
            answer = on.door.call(json_call("/v1/chat/completions", body))
            assert answer.status == 200
            on.stop()
        names = [span["name"] for span in stub.spans()]
        assert names == ["POST /v1/chat/completions", "chat m"]
        assert stub.metrics("gen_ai.client.token.usage")


@pytest.mark.parametrize("where", ["ftp://host", "http://user:pw@host:4318", "no/such.toml"])
def test_an_exporter_that_cannot_be_is_refused_before_the_door_opens(tmp_path, capsys, where):
    served.write_classifier(tmp_path / "bundle")
    assert main(["serve", str(tmp_path / "bundle"), "--unsigned", "--otlp", where]) == 2
    assert "pw@" not in capsys.readouterr().err


CHAT = b'{"model":"m","messages":[{"role":"user","content":"Good day"}]}'
UNKNOWN = b'{"model":"m","messages":[],"logprobs":true}'


def asked_to_chat(on, n):
    path = "/v1/chat/completions"
    statuses = [on.door.call(json_call(path, CHAT)).status for _ in range(n)]
    statuses.append(on.door.call(json_call(path, UNKNOWN)).status)
    on.stop()
    return statuses


def test_a_chat_is_counted_by_a_monitor_over_a_profile_of_earlier_conversations(tmp_path):
    facts, profile = tmp_path / "facts.csv", tmp_path / "p.json"
    with puppet() as model:
        chat = ["guard", "--chat", "--upstream", model.url]
        with running(*chat, "--facts", str(facts), "--profile", "lean") as on:
            assert asked_to_chat(on, 60) == [200] * 60 + [400]
            assert "profile: lean" in on.said
        assert "Good day" not in facts.read_text()
        words = ["monitor", "profile", str(facts), "--time", "at", "--output", str(profile)]
        assert main(words) == 0
        assert main(["monitor", "key", str(tmp_path / "r1.pem")]) == 0
        (tmp_path / "monitor.toml").write_text(
            '[monitor]\nstate = "state"\n'
            '[models.m]\nreference = "p.json"\ntime = "at"\nprediction = "finish"\n'
            '[replicas]\nr1 = "r1.pub.pem"\n'
        )
        with running("monitor", "--config", str(tmp_path / "monitor.toml")) as watching:
            port = re.search(r"ready: http://127.0.0.1:(\d+)/", watching.said)[1]
            file = described(tmp_path, port)
            more = 'reference = "p.json"\nwithout = ["at"]\n'
            file.write_text(file.read_text() + more)
            with running(*chat, "--telemetry", str(file)) as on:
                assert asked_to_chat(on, 5) == [200] * 5 + [400]
            watching.stop()
    store, _ = open_store(tmp_path / "state")
    counts = total(store.hour("m", 0, 1 << 40).values())
    assert (counts.rows, counts.requests, counts.errors) == (5, 6, 0)
    assert dict(counts.tallies[hours.REFUSED]) == {"fields of a chat request": 1}
    assert dict(counts.tallies[hours.PREDICTED]) == {"stop": 5}
    assert not store.alerts(since=0)


def test_telemetry_of_a_chat_needs_the_monitors_reference(tmp_path, capsys):
    file = described(tmp_path, 9)
    with puppet() as model:
        words = ["guard", "--chat", "--upstream", model.url, "--telemetry", str(file)]
        assert main(words) == 2
    assert "--facts FILE" in capsys.readouterr().err
