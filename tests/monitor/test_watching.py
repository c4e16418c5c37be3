"""The monitor at work on a folder of tables, a log and pushed batches."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.formats.tables import table_of
from hauberk.monitor.hours import DAY_H, Hour
from hauberk.monitor.references import DAYS_ENDING, days_path, training_days
from hauberk.monitor.settings import Settings, Watched, WatchedLog, read_settings
from hauberk.monitor.store import FILE, open_store
from hauberk.monitor.streams import MAX_STREAMS, of_day
from hauberk.monitor.watching import open_monitor
from hauberk.monitor.web import App
from hauberk.sketches.profile import profile_of
from hauberk.trust.erasure import SealingLog, Vault
from hauberk.trust.keys import Algorithm, generate
from hauberk.trust.log import Log
from hauberk.trust.telemetry import Batch, seal_batch

NOW = 1_760_000_000.0
DAY_S = 86_400


def rows(seed, n, *, at, shift=0.0):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return pa.table(
        {
            "at": pa.array(
                np.sort(at - rng.uniform(0, 3000, n)).astype(np.int64), pa.timestamp("s")
            ),
            "id": [f"{seed}-{i}" for i in range(n)],
            "age": rng.normal(40 + shift, 10, n),
            "town": rng.choice(["north", "south"], n),
            "score": score,
            "approve": np.where(score > 0.5, "yes", "no"),
        }
    )


class World:
    """A folder with a reference, a folder of predictions and a clock."""

    def __init__(self, folder):
        self.folder, self.now = folder, NOW
        self.keys = {name: generate(Algorithm.ED25519) for name in ("r1", "r2", "r3", "r4")}
        self.drop = folder / "predictions"
        self.drop.mkdir()
        table = table_of("t", rows(0, 4000, at=NOW - 9e6).to_batches())
        profile = profile_of(table)
        (folder / "p.json").write_bytes(profile.to_bytes())
        for name, pair in self.keys.items():
            (folder / f"{name}.pem").write_text(pair.public.pem)
        self.logs = {}

    @property
    def settings(self):
        watched = Watched(
            reference=self.folder / "p.json",
            predictions=self.drop,
            time="at",
            prediction="approve",
            confidence="score",
            id="id",
            label="label",
            group="town",
        )
        return Settings(
            state=self.folder / "state",
            models={"loans": watched},
            logs=self.logs,
            replicas={name: self.folder / f"{name}.pem" for name in self.keys},
        )

    def open(self):
        return open_monitor(self.settings, clock=lambda: self.now)

    def put(self, name, table):
        pyarrow.parquet.write_table(table, self.drop / name)

    def day(self, monitor):
        hour = monitor.store.newest("loans")
        return monitor.store.sums("loans", hour // DAY_H * DAY_H, hour, span=DAY_H)[-1]

    def causes(self, monitor):
        return {shown.alert.cause for shown in monitor.store.alerts(since=0)}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_tables_like_training_are_counted_and_raise_nothing(world):
    world.put("a.parquet", rows(1, 800, at=NOW))
    monitor = world.open()
    monitor.tick()
    assert world.day(monitor).rows == 800
    assert world.causes(monitor) == set()
    assert monitor.troubles == {}


def test_a_shifted_column_is_an_alert_with_its_numbers(world):
    world.put("a.parquet", rows(1, 800, at=NOW, shift=8))
    monitor = world.open()
    monitor.tick()
    assert world.causes(monitor) == {"drift/loans/age"}


def test_a_table_counts_once_however_often_it_is_seen_or_named(world):
    world.put("a.parquet", rows(1, 300, at=NOW))
    monitor = world.open()
    for _ in range(2):
        monitor.tick()
    (world.drop / "b.parquet").write_bytes((world.drop / "a.parquet").read_bytes())
    monitor.tick()
    world.open().tick()
    assert world.day(monitor).rows == 300


def test_rows_come_out_of_order_and_late_and_none_of_the_future(world):
    world.put("new.parquet", rows(1, 100, at=NOW))
    world.put("old.parquet", rows(2, 100, at=NOW - 3 * DAY_S))
    world.put("future.parquet", rows(3, 100, at=NOW + 9 * DAY_S))
    monitor = world.open()
    monitor.tick()
    days = monitor.store.sums("loans", 0, int(NOW // 3600) + 999, span=DAY_H)
    assert [day.rows for day in days] == [100, 100]


def test_labels_that_come_later_judge_the_predictions_of_their_hour(world):
    table = rows(1, 200, at=NOW - DAY_S)
    world.put("a.parquet", table)
    monitor = world.open()
    monitor.tick()
    labels = pa.table({"id": table.column("id"), "label": table.column("approve")})
    pyarrow.csv.write_csv(labels, world.drop / "labels.csv")
    monitor.tick()
    assert world.day(monitor).accuracy == 1.0


def test_a_new_column_and_a_lost_one_are_told(world):
    table = rows(1, 400, at=NOW).drop_columns(["age"])
    world.put("a.parquet", table.append_column("new", pa.array([1] * 400)))
    monitor = world.open()
    monitor.tick()
    assert world.causes(monitor) == {
        "drift/loans/age",
        "gone columns/loans",
        "new columns/loans",
    }


def test_rows_of_the_future_and_of_long_ago_are_left_out_and_told(world):
    times = [NOW, NOW + 7200, NOW - 500 * DAY_S, NOW - 60]
    table = rows(1, 4, at=NOW)
    cells = pa.array(np.array(times).astype(np.int64), pa.timestamp("s"))
    world.put("a.parquet", table.set_column(0, "at", cells))
    monitor = world.open()
    monitor.tick()
    assert world.day(monitor).rows == 2
    (shown,) = monitor.store.alerts(since=0)
    assert (shown.alert.cause, shown.alert.facts["rows"]) == ("rows left out/loans", "2")


def test_alerts_are_as_severe_as_their_model_is_important(world):
    world.put("a.parquet", rows(1, 800, at=NOW, shift=8))
    found = {}
    for importance in ("low", "normal", "high"):
        watched = replace(world.settings.models["loans"], importance=importance)
        state = world.folder / importance
        settings = replace(world.settings, models={"loans": watched}, state=state)
        monitor = open_monitor(settings, clock=lambda: world.now)
        monitor.tick()
        (shown,) = monitor.store.alerts(since=0)
        found[importance] = shown.alert.severity.value
    assert found == {"low": "medium", "normal": "high", "high": "critical"}


def test_streams_of_senders_that_controls_note_come_first_however_many_there_are(world):
    noise = [decision(NOW - 3000 + i, who=f"key:{i}") for i in range(MAX_STREAMS + 200)]
    thief = [decision(NOW - 60 + i, who="key:thief", shadow=["extraction"]) for i in range(5)]
    with_log(world, noise + thief)
    monitor = world.open()
    monitor.tick()
    found = of_day(monitor.store, "loans", int(NOW // DAY_S))
    assert len(found) == MAX_STREAMS + 1  # and the rest
    name, stream = next(iter(found.items()))
    assert (name, stream.requests, stream.noted) == ("key:thief", 5, {"extraction": 5})
    assert sum(item.requests for item in found.values()) == MAX_STREAMS + 205
    assert sum(stream.by_hour) == 5
    page = App(monitor).page("/models/loans", {}).body
    assert "extraction (5)" in page
    assert "/audit?principal=key%3Athief" in page


def test_streams_go_with_their_day(world):
    with_log(world, [decision(NOW - 5)])
    monitor = world.open()
    monitor.tick()
    world.now = NOW + 100 * DAY_S
    monitor.tick()
    assert of_day(monitor.store, "loans", int(NOW // DAY_S)) == {}


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_log_that_leaks_is_told_also_where_it_is_sealed(world, is_sealed):
    secret = decision(NOW, who="ana.berg@mail.example")
    log = Log.open(world.folder / "log")
    vault = Vault(world.folder / "keys")
    (SealingLog(log, vault) if is_sealed else log).append([decision(NOW - 9), secret])
    erasable = world.folder / "keys"
    for keys, expected in ((None, not is_sealed), (erasable, True)):
        watched = WatchedLog(path=world.folder / "log", model="loans", erasable=keys)
        settings = replace(
            world.settings, logs={"front": watched}, state=world.folder / f"state-{keys is None}"
        )
        monitor = open_monitor(settings, clock=lambda: world.now)
        monitor.tick()
        monitor.tick()
        found = [item.alert for item in monitor.store.alerts(since=0)]
        assert ("log leaks/front" in {alert.cause for alert in found}) is expected
        assert not any("ana.berg" in str(alert) for alert in found)


def test_the_log_of_an_erased_sender_stays_whole_and_is_watched_on(world):
    log = Log.open(world.folder / "log")
    vault = Vault(world.folder / "keys")
    SealingLog(log, vault).append([decision(NOW - 9 + i, who="ana") for i in range(3)])
    vault.erase("ana")
    world.logs = {
        "front": WatchedLog(
            path=world.folder / "log", model="loans", erasable=world.folder / "keys"
        )
    }
    monitor = world.open()
    monitor.tick()
    assert monitor.troubles == {}
    assert world.causes(monitor) == set()
    assert world.day(monitor).requests == 3
    assert all(item.principal != "ana" for item in monitor.store.decisions())


def test_a_table_that_cannot_be_read_is_an_alert_and_stops_nothing(world):
    (world.drop / "bad.parquet").write_bytes(b"PAR1 nothing")
    world.put("good.parquet", rows(1, 100, at=NOW))
    monitor = world.open()
    monitor.tick()
    monitor.tick()
    assert world.day(monitor).rows == 100
    assert world.causes(monitor) == {"unreadable table/loans/bad.parquet"}


def test_a_damaged_store_is_set_aside_and_made_again_from_its_sources(world):
    world.put("a.parquet", rows(1, 250, at=NOW))
    world.open().tick()
    path = world.folder / "state" / FILE
    data = bytearray(path.read_bytes())
    data[100:4000] = b"\xff" * 3900
    path.write_bytes(data)
    monitor = world.open()
    monitor.tick()
    assert world.day(monitor).rows == 250
    assert "monitor/store rebuilt" in world.causes(monitor)
    assert list(path.parent.glob("*.damaged-*"))


def test_old_hours_are_removed(world):
    world.put("a.parquet", rows(1, 100, at=NOW - 20 * DAY_S))
    monitor = world.open()
    monitor.tick()
    world.now = NOW + 400 * DAY_S
    monitor.tick()
    assert monitor.store.newest("loans") is None


# Logs --------------------------------------------------------------------------------


def decision(at, *, rule="", shadow=(), who="key:1", status=200):
    return json.dumps(
        {
            "kind": "decision",
            "at": at,
            "model": "loans",
            "principal": who,
            "action": "block" if rule else "allow",
            "rule": rule,
            "status": status,
            "rows": 1,
            "latency_us": 1500,
            "shadow": list(shadow),
        }
    ).encode()


def with_log(world, records, **options):
    log = Log.open(world.folder / "log")
    log.append(records)
    world.logs = {"front": WatchedLog(path=world.folder / "log", model="loans", **options)}
    return log


def test_a_log_is_followed_from_where_it_was_left(world):
    log = with_log(world, [decision(NOW - 10 + i) for i in range(5)])
    monitor = world.open()
    monitor.tick()
    log.append([decision(NOW - 1, rule="budget"), b"no decision"])
    monitor.tick()
    world.open().tick()
    day = world.day(monitor)
    assert (day.requests, day.refused) == (6, 1)
    assert [item.rule for item in monitor.store.decisions(action="block")] == ["budget"]
    assert monitor.store.decisions(principal="key:2") == []


def test_what_a_control_in_shadow_sees_of_a_sender_is_an_alert(world):
    with_log(world, [decision(NOW, shadow=["exchange/copying"], who="key:9")])
    monitor = world.open()
    monitor.tick()
    assert world.causes(monitor) == {"exchange/copying/loans/key:9"}


def test_a_log_that_became_shorter_is_an_alarm(world):
    with_log(world, [decision(NOW - 10 + i) for i in range(5)])
    world.open().tick()
    for path in (world.folder / "log").iterdir():
        if path.is_file():
            path.unlink()
    with_log(world, [decision(NOW)])
    monitor = world.open()
    monitor.tick()
    assert "shorter" in monitor.troubles["logs"]
    assert any(cause.startswith("monitor/logs") for cause in world.causes(monitor))


def test_a_silent_log_is_an_alarm(world):
    with_log(world, [decision(NOW - 900)], beat_s=120.0)
    monitor = world.open()
    monitor.tick()
    assert "log silent/front" in world.causes(monitor)


# Pushed ------------------------------------------------------------------------------


def pushed(world, monitor, *, replica="r1", sequence=1, shift=0.0, signer="", n=400, **change):
    grid = monitor.models["loans"].grid
    batch = next(iter(rows(sequence, n, at=NOW, shift=shift).to_batches()))
    body = Hour(rows=n, requests=n, counts=grid.count(batch)).to_json()
    sent = Batch(
        replica=replica,
        sequence=sequence,
        model="loans",
        reference=grid.digest,
        start=NOW - 60,
        end=NOW,
        body=body,
    )
    return seal_batch(replace(sent, **change), world.keys[signer or replica])


def test_a_signed_batch_counts_once(world):
    monitor = world.open()
    data = pushed(world, monitor)
    monitor.push(data)
    with pytest.raises(TrustError):
        monitor.push(data)
    monitor.tick()
    assert world.day(monitor).rows == 400
    assert any(cause.startswith("telemetry refused") for cause in world.causes(monitor))


@pytest.mark.parametrize(
    "change",
    [{"reference": "other"}, {"model": "other"}, {"end": NOW + 9999.0}],
    ids=["another reference", "unknown model", "future"],
)
def test_a_batch_that_is_about_something_else_is_refused(world, change):
    monitor = world.open()
    with pytest.raises(TrustError):
        monitor.push(pushed(world, monitor, **change))
    assert monitor.store.dirty() == []


def test_a_batch_with_a_field_beyond_the_schema_is_refused(world):
    monitor = world.open()
    body = {"rows": 1, "requests": 1, "errors": 0, "counts": [], "tallies": {"note": {"x": 1}}}
    with pytest.raises(ArtifactError):
        monitor.push(pushed(world, monitor, body=body))


def test_one_replica_of_four_that_lies_is_named_and_moves_nothing(world):
    monitor = world.open()
    for name in ("r1", "r2", "r3"):
        monitor.push(pushed(world, monitor, replica=name))
    monitor.push(pushed(world, monitor, replica="r4", shift=60, n=9000))
    monitor.tick()
    assert world.causes(monitor) == {"replica disagrees/loans/r4"}


def test_a_replica_that_falls_silent_is_an_alert(world):
    monitor = world.open()
    monitor.push(pushed(world, monitor))
    world.now = NOW + 3600
    monitor.tick()
    assert "replica is silent/r1" in world.causes(monitor)


# Seasons -----------------------------------------------------------------------------


def days(first, n, step):
    rng = np.random.default_rng([first, n])
    at = np.repeat(first + np.arange(n), 250) * DAY_S + rng.integers(43_200, 46_800, n * 250)
    age = 40 + step * np.repeat(np.arange(n), 250) + rng.normal(0, 10, n * 250)
    return pa.table({"at": pa.array(at, pa.timestamp("s")), "age": age})


@pytest.fixture
def creeping(world):
    """Sixty days of training, then forty that move, the last of them ten days ago."""
    today = int(NOW // DAY_S)
    training = table_of("t", days(today - 120, 60, 0.0).to_batches())
    profile = profile_of(training)
    (world.folder / "p.json").write_bytes(profile.to_bytes())
    found = training_days(training, profile, "at")
    days_path(world.folder / "p.json").write_bytes(found.to_bytes())
    world.put("live.parquet", days(today - 50, 40, 0.2))
    return world


def test_days_of_training_make_slow_drift_visible(creeping):
    monitor = creeping.open()
    monitor.tick()
    assert "slow drift/loans/age" in creeping.causes(monitor)
    assert days_path(creeping.folder / "p.json").name.endswith(DAYS_ENDING)


def test_a_backlog_is_told_now_and_each_cause_of_it_once(creeping):
    monitor = creeping.open()
    monitor.tick()
    shown = monitor.store.alerts(since=NOW - 60)
    causes = [item.alert.cause for item in shown]
    assert "slow drift/loans/age" in causes
    assert len(causes) == len(set(causes))
    (slow,) = (x.alert for x in shown if x.alert.kind == "slow drift")
    assert slow.facts["day"] < str(np.datetime64(int(NOW - 9 * DAY_S), "s"))


def test_a_monitor_that_starts_again_repeats_nothing(creeping):
    creeping.open().tick()
    before = creeping.open().store.alerts(since=0)
    creeping.put("more.parquet", days(int(NOW // DAY_S) - 9, 3, 0.0))
    monitor = creeping.open()
    monitor.tick()
    assert {x.alert.cause for x in monitor.store.alerts(since=0)} >= {"slow drift/loans/age"}
    assert len(monitor.store.alerts(since=0)) == len(before)


# Settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        "[other]\n",
        "[monitor]\nretention_days = 0\n",
        '[models.x]\nreference = "p"\nunknown = "y"\n',
        "[models.x]\n",
        "[models.x]\nreference = 3\n",
        '[logs.x]\npath = "l"\nbeat_s = "often"\n',
    ],
)
def test_a_wrong_file_is_refused_with_its_key(tmp_path, text):
    path = tmp_path / "monitor.toml"
    path.write_text(text)
    with pytest.raises(UsageError):
        read_settings(path)


def test_paths_of_the_file_are_relative_to_it(tmp_path):
    path = tmp_path / "monitor.toml"
    path.write_text('[models.m]\nreference = "p.json"\n[replicas]\nr = "r.pem"\n')
    found = read_settings(path)
    assert found.models["m"].reference == tmp_path / "p.json"
    assert (found.state, found.replicas) == (tmp_path / "monitor-state", {"r": tmp_path / "r.pem"})


def test_a_store_of_another_program_is_not_taken_over(tmp_path):
    (tmp_path / FILE).write_bytes(b"SQLite format 3\x00" + b"x" * 200)
    _, aside = open_store(tmp_path)
    assert aside is not None
    assert aside.read_bytes().startswith(b"SQLite format 3")
