"""Servers with workers and a monitor, each a process of its own, and the monitor is late."""

from __future__ import annotations

import re

from tests.cli.test_guard import running

from hauberk.cli import main
from hauberk.monitor import hours
from hauberk.monitor.hours import total
from hauberk.monitor.store import open_store
from hauberk.range.worlds import served


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
