"""Telemetry for OpenTelemetry, and collectors that are down, slow or odd."""

from __future__ import annotations

import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from tests.worlds.collectors import collector

from hauberk.errors import UsageError
from hauberk.formats.otlp import Temporality
from hauberk.formats.tables import table_of
from hauberk.guard import exporting as module
from hauberk.guard.desk import Surroundings
from hauberk.guard.exporting import Exporter, Exporting, poster, read_exporting
from hauberk.guard.observing import Observing, Telling
from hauberk.monitor.hours import total
from hauberk.monitor.otlp import Intake
from hauberk.monitor.settings import Door, Settings, Watched
from hauberk.monitor.watching import open_monitor
from hauberk.sketches.profile import profile_of

ALL = Telling(sample=1.0)
NOW = 1_760_000_000.0


@pytest.fixture
def stub():
    with collector() as found:
        yield found


class World:
    """A guarded model whose telemetry goes to an address."""

    def __init__(self, desk, observing, exporter, said) -> None:
        self.desk, self.observing, self.exporter, self.said = desk, observing, exporter, said


@pytest.fixture
def world(classifier, open_desk):
    def open_one(url, *, clock=time.time, max_queued=4096, **settings):
        observing, said = Observing(ALL, max_queued=max_queued), []
        settings = Exporting(endpoint=url, **settings)
        exporter = Exporter(
            settings,
            observing,
            poster(settings),
            resource={"service.name": "classifier"},
            say=said.append,
            clock=clock,
        )
        desk = open_desk(classifier, Surroundings(observer=observing))
        return World(desk, observing, exporter, said)

    return open_one


def durations(stub):
    points = [
        point
        for metric in stub.metrics("http.server.request.duration")
        for point in metric["histogram"]["dataPoints"]
    ]
    return [int(point["count"]) for point in points]


def test_spans_and_counts_arrive_once(stub, world):
    on = world(stub.url)
    for _ in range(3):
        on.desk.ask()
    on.exporter.round()
    on.exporter.round()
    assert len(stub.spans()) == 3
    assert len({span["spanId"] for span in stub.spans()}) == 3
    assert durations(stub) == [3, 3]
    assert on.said == []


def test_delta_counts_tell_what_is_new(stub, world):
    on = world(stub.url, temporality=Temporality.DELTA)
    on.desk.ask()
    on.exporter.round()
    on.desk.ask()
    on.desk.ask()
    on.exporter.round()
    assert durations(stub) == [1, 2]
    first, second = stub.metrics("hauberk.guard.rows")
    ends = first["sum"]["dataPoints"][0]["timeUnixNano"]
    assert second["sum"]["dataPoints"][0]["startTimeUnixNano"] == ends


def test_a_collector_that_is_down_is_told_once_and_costs_nothing_that_fits(stub, world):
    on = world(stub.url, temporality=Temporality.DELTA)
    stub.status = 503
    for _ in range(3):
        assert on.desk.ask().status == 200
        on.exporter.round()
    assert len(on.said) == 1
    assert "503" in on.said[0]
    before = len(stub.spans())
    stub.status = 200
    on.exporter.round()
    assert len(stub.spans()) - before == 3
    assert durations(stub)[-1] == 3
    assert on.said[1:] == ["OpenTelemetry: the collector takes telemetry again"]


def test_a_collector_that_nobody_reaches_bounds_what_waits(world, monkeypatch):
    monkeypatch.setattr(module, "MAX_HELD", 8)
    monkeypatch.setattr(module, "MAX_BATCH", 4)
    on = world("http://127.0.0.1:9", max_queued=5)
    for _ in range(20):
        assert on.desk.ask().status == 200
        on.exporter.round()
    assert len(on.exporter._held) <= 8 + 4
    told = on.observing.lost + on.observing.refused
    assert told >= 20 - 8 - 4 - 5
    assert f"hauberk_telemetry_lost_total {told}" in on.desk.get("/metrics").body.decode()


def test_a_slow_collector_holds_up_no_request(stub, world):
    stub.holds = threading.Event()
    on = world(stub.url, every_s=0.1)
    on.exporter.start()
    try:
        on.desk.ask()
        time.sleep(0.3)
        for _ in range(20):
            answer = on.desk.ask()
            assert answer.status == 200
            assert answer.seconds < 1
    finally:
        stub.holds.set()
        on.exporter.end()
    assert len(stub.spans()) == 21


def test_the_end_waits_for_no_collector(stub, world, monkeypatch):
    monkeypatch.setattr(module, "END_S", 0.2)
    stub.holds = threading.Event()
    on = world(stub.url, every_s=0.1)
    on.exporter.start()
    on.desk.ask()
    time.sleep(0.3)
    started = time.monotonic()
    on.exporter.end()
    assert time.monotonic() - started < 2


def test_what_is_refused_for_good_is_counted_and_dropped(stub, world):
    on = world(stub.url)
    stub.status = 400
    on.desk.ask()
    on.exporter.round()
    stub.status = 200
    on.exporter.round()
    assert on.observing.refused == 1
    assert len(stub.spans()) == 1  # the refused post alone
    assert "status 400" in on.said[0]


def test_a_redirection_is_not_followed(stub, world):
    stub.status = 307
    on = world(stub.url)
    on.desk.ask()
    on.exporter.round()
    assert "status 307" in on.said[0]


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"[" * 9999, b"\xff" * 70_000])
def test_nonsense_of_a_collector_is_an_answer(stub, world, answer):
    stub.answer = answer
    on = world(stub.url)
    on.desk.ask()
    on.exporter.round()
    assert on.said == []


def test_items_that_a_collector_rejects_are_told(stub, world):
    stub.answer = b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"quota"}}'
    on = world(stub.url)
    on.desk.ask()
    on.exporter.round()
    assert on.observing.refused == 1
    assert "quota" in on.said[0]


def test_a_hostile_text_of_a_collector_stays_one_line(stub, world):
    stub.answer = b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"a\\n\\u001b[31mb"}}'
    on = world(stub.url)
    on.desk.ask()
    on.exporter.round()
    assert "\n" not in on.said[0]
    assert "\x1b" not in on.said[0]


def test_nothing_of_a_payload_is_posted(stub, world):
    on = world(stub.url)
    on.desk.ask((12345.5, 2.0), headers={"x-note": "hush-hush"})
    on.desk.ask(secret="hush-hush")
    on.exporter.round()
    for _, body, _ in stub.posts:
        assert b"12345" not in body
        assert b"hush" not in body


def test_the_monitor_reads_the_durations(tmp_path, stub, world):
    on = world(stub.url, temporality=Temporality.DELTA, clock=lambda: NOW)
    for _ in range(4):
        on.desk.ask()
    on.exporter.round()
    ages = pa.record_batch({"age": np.random.default_rng(1).normal(40, 10, 4000)})
    (tmp_path / "p.json").write_bytes(profile_of(table_of("t", [ages])).to_bytes())
    settings = Settings(
        state=tmp_path / "state", models={"m": Watched(reference=tmp_path / "p.json")}
    )
    monitor = open_monitor(settings, clock=lambda: NOW)
    intake = Intake(door=Door(token=tmp_path / "none"), model=monitor.models["m"])
    for path, body, _ in stub.posts:
        if path == "/v1/metrics":
            taken = intake.take(monitor.store, path, body, now=NOW, oldest=NOW - 3600)
            assert taken.requests == 4
    counts = total(monitor.store.hour("m", 0, 1 << 40).values())
    assert counts.requests == 4


# Settings ------------------------------------------------------------------------------


def written(folder, text):
    (folder / "headers").write_text("authorization: Bearer a-long-token\n\nx-tenant: t1\n")
    file = folder / "otlp.toml"
    file.write_text(text)
    return str(file)


def test_an_address_is_enough():
    found = read_exporting("http://127.0.0.1:4318")
    assert (found.telling.sample, found.temporality) == (0.1, Temporality.CUMULATIVE)


def test_a_file_says_more(tmp_path, stub):
    found = read_exporting(
        written(
            tmp_path,
            f'endpoint = "{stub.url}/otel"\nservice = "loans"\nheaders = "headers"\n'
            'sample = 1\ntemporality = "delta"\nbelieve_parents = true\nevery_s = 2\n',
        )
    )
    assert found.telling == Telling(sample=1.0, believes_parents=True)
    assert poster(found)("/v1/traces", b"{}")[0] == 200
    path, _, headers = stub.posts[0]
    assert path == "/otel/v1/traces"
    assert (headers["authorization"], headers["x-tenant"]) == ("Bearer a-long-token", "t1")
    assert "a-long-token" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "endpoint = 3",
        'endpoint = "ftp://host"',
        'endpoint = "http://user:pass@host"',
        'endpoint = "http://host?x=1"',
        'endpoint = "http://host:99999"',
        'endpoint = "http://host"\nsample = 2',
        'endpoint = "http://host"\nsample = nan',
        'endpoint = "http://host"\nevery_s = true',
        'endpoint = "http://host"\nevery_s = nan',
        'endpoint = "http://host"\ntemporality = "lately"',
        'endpoint = "http://host"\ntemporality = []',
        'endpoint = "http://host"\nbelieve_parents = "yes"',
        'endpoint = "http://host"\nheaders = "missing"',
        'endpoint = "http://host"\nheaders = "otlp.toml"',
        'endpoint = "https://host"\nca = "headers"',
        'endpoint = "http://host"\nendpiont = "x"',
        "\x00",
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, text):
    with pytest.raises(UsageError) as caught:
        read_exporting(written(tmp_path, text))
    assert "pass@" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="wrong"):
        read_exporting(str(tmp_path / "none.toml"))
