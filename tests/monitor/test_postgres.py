"""The monitor over a real PostgreSQL, alone and beside another monitor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from hauberk.core.finding import Severity
from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.formats.tables import table_of
from hauberk.methods.alerting import Alert, Silence
from hauberk.monitor.hours import DAY_H, Hour
from hauberk.monitor.settings import Settings, Watched
from hauberk.monitor.store import Decided, Sum, open_store
from hauberk.monitor.watching import LEASE_S, open_monitor
from hauberk.sketches.profile import profile_of
from hauberk.trust.keys import Algorithm, generate
from hauberk.trust.telemetry import Batch, Ledger, seal_batch

pytest.importorskip("psycopg")

NOW = 1_760_000_000.0
KEY = generate(Algorithm.ED25519)


@pytest.fixture(params=["file", "postgres"])
def store(request, tmp_path):
    if request.param == "file":
        return open_store(tmp_path)[0]
    postgres = request.getfixturevalue("postgres")
    return open_store(tmp_path, address=postgres.address, schema=postgres.schema())[0]


def test_both_stores_keep_and_find_the_same(store):
    hour = Hour(rows=3, requests=2, counts=np.array([1, 2], np.int64))
    item = Sum(
        hour=48,
        rows=3,
        requests=2,
        refused=0,
        latency=None,
        confidence=np.float64(0.5),
        accuracy=None,
        estimate=0.5,
        predicted={"a": 1},
        shapes=[0.1, 0.2],
    )
    alert = Alert(kind="k", cause="c", title="t", severity=Severity.HIGH, at=1.0, asset="m")
    decided = Decided(
        number=1, log="l", at=5.0, model="m", principal="p", action="a", rule="", status=1, rows=2
    )
    silence = Silence(cause="c", owner="o", reason="r", until=99.0)
    for _ in range(2):
        with store.changing() as change:
            change.put_model("m", b"grid", {"a": 1})
            change.add("m", 48, "r", hour)
            change.put_sum("m", item)
            change.put_place("x", [1, 2])
            change.keep_state("s", b"\x00\x01")
            change.put_decisions([decided])
            change.put_ledger("r", Ledger(highest=3, missing={2}), 7.0)
            change.wait("m", b"id", 48, "yes", is_label=False)
            change.add_source("m", 2, "who", hour)
    with store.changing() as change:
        change.put_alert(alert, 8.0)
        change.put_silence(silence)
        assert change.met("m", b"id", is_label=True) is None
        assert change.met("m", b"id", is_label=False) == (48, "yes")
        assert change.met("m", b"id", is_label=False) is None
    assert store.models() == {"m": (b"grid", {"a": 1})}
    assert store.hour("m", 48)["r"].rows == 6
    assert [(s.hour, s.confidence, s.predicted) for s in store.sums("m", 0, 99)] == [
        (48, 0.5, {"a": 1})
    ]
    assert (store.newest("m"), store.dirty()) == (48, [])
    assert (store.place("x"), store.state("s")) == ([1, 2], b"\x00\x01")
    assert [d.principal for d in store.decisions(principal="p")] == ["p"]
    assert [(a.alert, a.at) for a in store.causes(since=0)] == [(alert, 8.0)]
    assert [s for _, s in store.silences(0)] == [silence]
    assert store.ledgers() == {"r": (Ledger(highest=3, missing={2}), 7.0)}
    assert [(d, s, h.rows) for d, s, h in store.sources("m", 0, 9)] == [(2, "who", 6)]
    with store.changing() as change:
        change.retain(hour=100, hour_now=100)
    assert (store.newest("m"), store.alerts(since=0), store.silences(0)) == (None, [], [])


def test_what_fails_in_the_middle_leaves_nothing(store):
    with suppress(ZeroDivisionError), store.changing() as change:
        change.put_place("x", 1 / 1)
        change.put_place("x", 1 / 0)
    assert store.place("x") is None


class World:
    """Two monitors with folders of their own over one database."""

    def __init__(self, folder, postgres):
        self.folder, self.now = folder, NOW
        self.drop = folder / "rows"
        self.drop.mkdir()
        profile = profile_of(table_of("t", self.rows(0, 4000).to_batches()))
        (folder / "p.json").write_bytes(profile.to_bytes())
        (folder / "r1.pem").write_text(KEY.public.pem)
        self.settings = Settings(
            state=folder / "a",
            store=postgres.address,
            schema=postgres.schema(),
            models={"m": Watched(reference=folder / "p.json", predictions=self.drop)},
            replicas={"r1": folder / "r1.pem"},
        )

    @staticmethod
    def rows(seed, n):
        return pa.table({"age": np.random.default_rng(seed).normal(40, 10, n)})

    def open(self, name="a"):
        state = self.folder / name
        state.mkdir(exist_ok=True)
        return open_monitor(replace(self.settings, state=state), clock=lambda: self.now)

    def batch(self, monitor, number):
        grid = monitor.models["m"].grid
        batch = Batch(
            replica="r1",
            sequence=number,
            model="m",
            reference=grid.digest,
            start=NOW - 60,
            end=NOW,
            body=Hour(
                rows=10, requests=1, counts=grid.count(self.rows(number, 10).to_batches()[0])
            ).to_json(),
        )
        return seal_batch(batch, KEY)


@pytest.fixture
def world(tmp_path, postgres):
    return World(tmp_path, postgres)


def test_one_of_two_monitors_reads_the_sources_and_the_other_takes_over(world):
    first, second = world.open("a"), world.open("b")
    pyarrow.parquet.write_table(world.rows(1, 300), world.drop / "x.parquet")
    hour = int(NOW // 3600)
    first.tick()
    second.tick()
    assert second.troubles == {}
    counted = sum(h.rows for h in second.store.hour("m", 0, hour + DAY_H).values())
    assert counted <= 300
    world.now += LEASE_S + 1
    second.tick()
    first.tick()
    assert sum(h.rows for h in first.store.hour("m", 0, hour + 99_999).values()) == counted
    assert first.store.place("leader")[0].endswith("/b")


def test_both_take_telemetry_at_once_and_nothing_is_lost_or_doubled(world):
    monitors = [world.open("a"), world.open("b")]
    batches = [world.batch(monitors[0], number) for number in range(1, 13)]

    def push(place):
        refused = 0
        for data in batches:
            try:
                monitors[place].push(data)
            except TrustError:
                refused += 1
        return refused

    with ThreadPoolExecutor(2) as pool:
        refused = sum(pool.map(push, range(2)))
    assert refused == len(batches)
    found = monitors[0].store.hour("m", int(NOW // 3600))["r1"]
    assert (found.rows, found.requests) == (120, 12)


def test_a_table_of_others_is_refused(world, postgres):
    from hauberk.trust.postgres import Postgres

    other = Postgres(world.settings.store, schema=world.settings.schema)
    other.make_tables({"places": "source text primary key, position text, more text"})
    with pytest.raises(ArtifactError, match="not one of ours"):
        world.open()


def test_a_database_that_is_away_is_a_trouble_and_telemetry_waits(world, postgres):
    monitor = world.open()
    data = world.batch(monitor, 1)
    postgres.stop()
    try:
        monitor.tick()
        assert "store" in monitor.troubles
        with pytest.raises(UnavailableError):
            monitor.push(data)
    finally:
        postgres.start()
    monitor.tick()
    assert monitor.push(data).sequence == 1
    assert monitor.troubles == {}
