"""Rows and durations that come over OTLP."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from hauberk.errors import ArtifactError, TrustError
from hauberk.formats.tables import table_of
from hauberk.monitor.otlp import LOGS, METRICS
from hauberk.monitor.settings import Door, Settings, Watched
from hauberk.monitor.watching import open_monitor
from hauberk.monitor.web import App
from hauberk.sketches.profile import profile_of

NOW = 1_760_000_000.0
HOUR = int(NOW // 3600)
TOKEN = "a-token-of-enough-letters"
BEARER = f"Bearer {TOKEN}"


@pytest.fixture
def monitor(tmp_path):
    rng = np.random.default_rng(1)
    training = pa.record_batch(
        {"age": rng.normal(40, 10, 4000), "town": rng.choice(["n", "s"], 4000)}
    )
    (tmp_path / "p.json").write_bytes(profile_of(table_of("t", [training])).to_bytes())
    (tmp_path / "token").write_text(TOKEN + "\n")
    watched = Watched(
        reference=tmp_path / "p.json", time="at", prediction="approve", confidence="score", id="id"
    )
    settings = Settings(
        state=tmp_path / "state",
        models={"loans": watched},
        otlp={"loans": Door(token=tmp_path / "token")},
    )
    return open_monitor(settings, clock=lambda: NOW)


def attribute(name, value):
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return {
        "key": name,
        "value": {kinds[type(value)]: str(value) if isinstance(value, int) else value},
    }


def logs(*rows, at=NOW):
    records = [
        {
            "timeUnixNano": str(int(at * 1e9)),
            "attributes": [attribute(name, value) for name, value in row.items()],
        }
        for row in rows
    ]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


def durations(counts, bounds, *, status=200, temporality=1):
    point = {
        "timeUnixNano": str(int(NOW * 1e9)),
        "count": str(sum(counts)),
        "bucketCounts": [str(n) for n in counts],
        "explicitBounds": bounds,
        "attributes": [attribute("http.response.status_code", status)],
    }
    metric = {
        "name": "http.server.request.duration",
        "histogram": {"aggregationTemporality": temporality, "dataPoints": [point]},
    }
    other = {"name": "something.else", "sum": {"dataPoints": []}}
    scope = {"metrics": [metric, other]}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [scope]}]}).encode()


def rows(n):
    return [
        {
            "age": 40.0 + i,
            "town": "n",
            "score": 0.7,
            "approve": "yes",
            "id": f"x{i}",
            "secret": "no",
        }
        for i in range(n)
    ]


def take(monitor, path, data, authorization=BEARER):
    return monitor.take_otlp("loans", path, data, authorization)


def test_log_records_are_rows_of_their_hour(monitor):
    taken = take(monitor, LOGS, logs(*rows(5), {"unknown": "x"}))
    found = monitor.store.hour("loans", HOUR)[""]
    assert (taken.rows, taken.left, found.rows) == (5, 1, 5)
    assert found.tallies["predicted"] == {"yes": 5}


def test_rows_keep_their_own_time_and_none_of_the_future_count(monitor):
    take(monitor, LOGS, logs(*rows(3), at=NOW - 7200))
    late = take(monitor, LOGS, logs(*rows(2), at=NOW + 9999))
    assert monitor.store.hour("loans", HOUR - 2)[""].rows == 3
    assert (late.rows, late.left) == (0, 2)


def test_the_same_body_counts_once(monitor):
    data = logs(*rows(4))
    take(monitor, LOGS, data)
    assert take(monitor, LOGS, data).is_known
    assert monitor.store.hour("loans", HOUR)[""].rows == 4


def test_durations_are_requests_latency_and_errors(monitor):
    take(monitor, METRICS, durations([8, 2, 0], [0.01, 0.1]))
    take(monitor, METRICS, durations([0, 0, 3], [0.01, 0.1], status=503))
    found = monitor.store.hour("loans", HOUR)[""]
    assert (found.requests, found.errors, found.latency_s(0.5)) == (13, 3, 0.01)


@pytest.mark.parametrize("bearer", ["", "Bearer ", "Bearer another", TOKEN[:-1]])
def test_without_the_token_nothing_counts_and_that_is_an_alert(monitor, bearer):
    with pytest.raises(TrustError):
        take(monitor, LOGS, logs(*rows(4)), bearer)
    assert monitor.store.newest("loans") is None
    assert [x.alert.kind for x in monitor.store.alerts(since=0)] == ["telemetry refused"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"resourceLogs": 3}',
        b'{"resourceLogs": [{"scopeLogs": [3]}]}',
        logs({"age": 1.0}).replace(b"17600", b"x"),
        b"[" * 100_000,
    ],
)
def test_what_is_no_otlp_is_refused(monitor, data):
    with pytest.raises(ArtifactError):
        take(monitor, LOGS, data)


def test_durations_that_add_up_over_time_or_do_not_add_up_are_refused(monitor):
    for data in (
        durations([1, 1, 1], [0.1, 0.2], temporality=2),
        durations([1, 1], [0.1, 0.2]),
    ):
        with pytest.raises(ArtifactError):
            take(monitor, METRICS, data)


def test_an_exporter_reaches_the_door_over_http(monitor):
    from hauberk.formats.http import Call
    from hauberk.guard.loopback import InProcess

    door = InProcess(app=App(monitor))

    def post(path, body, token=BEARER):
        headers = {"authorization": token, "host": "localhost", "content-length": str(len(body))}
        return door.call(Call(path=path, headers=tuple(headers.items()), chunks=(body,)))

    answer = post(f"/otlp/loans{LOGS}", logs(*rows(2), {"unknown": "x"}))
    assert answer.status == 200
    assert json.loads(answer.body) == {"partialSuccess": {"rejectedLogRecords": "1"}}
    assert post(f"/otlp/loans{METRICS}", durations([1], [])).status == 200
    assert post(f"/otlp/other{LOGS}", logs(*rows(2))).status == 403
    assert post(f"/otlp/loans{LOGS}", logs(*rows(2)), "Bearer x").status == 403
    assert post(f"/otlp/loans{LOGS}", b"nonsense").status == 400
