"""What the monitor asks others for: signed, with two origins, and within the poison budget."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from hauberk.formats.tables import table_of
from hauberk.monitor.hours import Hour
from hauberk.monitor.settings import Acting, Settings, Watched
from hauberk.monitor.store import open_store
from hauberk.monitor.watching import open_monitor
from hauberk.sketches.profile import profile_of
from hauberk.trust.keys import generate, write_private
from hauberk.trust.requests import open_request

DAY_S = 86_400
TODAY = 20_400
NOW = TODAY * DAY_S + 3600.0
N = 300
SENDERS = [f"s{i}" for i in range(10)]


class World:
    """A model, folders for its rows and its labels, and a project's folder for requests."""

    def __init__(self, folder):
        self.folder, self.key = folder, generate()
        for name in ("rows", "labels"):
            (folder / name).mkdir()
        write_private(self.key, folder / "keys" / "monitor.pem")
        training = self.rows(TODAY - 100, 20, seed=1)
        (folder / "p.json").write_bytes(profile_of(table_of("t", training.to_batches())).to_bytes())
        self.own_labels = True
        self.budget = 0.01
        self.allow = "retrain"

    def rows(self, first, n, *, seed, shift=0.0, moved=None):
        rng = np.random.default_rng(seed)
        size = n * N
        at = np.repeat(first + np.arange(n), N) * DAY_S + 43_200
        sender = rng.choice(SENDERS, size)
        far = np.where(sender == moved, 0.1 * np.repeat(np.arange(n), N), 0.0)
        return pa.table(
            {
                "at": pa.array(at, pa.timestamp("s")),
                "id": [f"{first}-{seed}-{i}" for i in range(size)],
                "age": rng.normal(40, 10, size) + shift + 10 * far,
                "sender": sender,
                "approve": rng.choice(["yes", "no"], size),
            }
        )

    def put(self, name, table):
        pyarrow.parquet.write_table(table, self.folder / "rows" / f"{name}.parquet")

    def judge(self, name, table, share_right, folder="labels"):
        """Labels of which so many agree with the prediction."""
        predicted = table.column("approve").to_pylist()
        right = np.random.default_rng(3).random(len(predicted)) < share_right
        other = {"yes": "no", "no": "yes"}
        labels = [p if ok else other[p] for p, ok in zip(predicted, right, strict=True)]
        found = pa.table({"id": table.column("id"), "label": labels})
        pyarrow.csv.write_csv(found, self.folder / folder / f"{name}.csv")

    def tick(self):
        watched = Watched(
            reference=self.folder / "p.json",
            predictions=self.folder / "rows",
            labels=self.folder / "labels" if self.own_labels else None,
            time="at",
            prediction="approve",
            id="id",
            label="label",
            source="sender",
        )
        acting = Acting(
            requests=self.folder / "requests",
            key=self.folder / "keys" / "monitor.pem",
            budget=self.budget,
            allow=self.allow,
        )
        settings = Settings(
            state=self.folder / "state", models={"loans": watched}, actions={"loans": acting}
        )
        monitor = open_monitor(settings, clock=lambda: NOW)
        monitor.tick()
        assert monitor.troubles == {}
        return monitor

    def requests(self):
        folder = self.folder / "requests"
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        return [open_request(path.read_bytes(), self.key.public) for path in files]


def kinds(monitor):
    return {shown.alert.kind for shown in monitor.store.alerts(since=0)}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def degraded(world, folder="labels", moved=None):
    """Days that were well, then days with drift on which labels disagree."""
    good = world.rows(TODAY - 14, 9, seed=5)
    bad = world.rows(TODAY - 5, 5, seed=6, shift=8.0, moved=moved)
    world.put("good", good)
    world.put("bad", bad)
    world.judge("good", good, 0.9, folder)
    world.judge("bad", bad, 0.6, folder)


def test_drift_and_labels_of_others_ask_for_a_retraining_once(world):
    degraded(world)
    monitor = world.tick()
    world.tick()
    (request,) = world.requests()
    assert (request.action, request.origins) == ("retrain", {"tables", "labels"})
    assert "retrain asked for" in kinds(monitor)


def test_canaries_and_labels_ask_for_the_version_before(world):
    world.allow = "rollback"
    degraded(world)
    store, _ = open_store(world.folder / "state")
    said = {"at": NOW, "failed": True, "text": "1 of 2 canaries are answered differently"}
    with store.changing() as change:
        change.keep_state("canary:loans", json.dumps(said).encode())
    world.tick()
    (request,) = world.requests()
    assert (request.action, request.origins) == ("rollback", {"canary", "labels"})


def test_drift_alone_asks_for_nothing(world):
    world.put("bad", world.rows(TODAY - 6, 6, seed=6, shift=8.0))
    world.tick()
    assert world.requests() == []


def test_whoever_fills_the_folder_of_rows_is_one_origin_and_moves_nothing(world):
    world.own_labels = False
    degraded(world, folder="rows")
    monitor = world.tick()
    assert "quality" in kinds(monitor)
    assert world.requests() == []


def test_labels_among_rows_are_not_believed_where_they_have_their_own_folder(world):
    degraded(world, folder="rows")
    monitor = world.tick()
    assert "quality" not in kinds(monitor)
    assert world.requests() == []


def test_rows_in_the_folder_of_labels_are_refused(world):
    pyarrow.parquet.write_table(
        world.rows(TODAY - 2, 1, seed=9), world.folder / "labels" / "rows.parquet"
    )
    monitor = world.tick()
    assert kinds(monitor) == {"unreadable table"}
    assert monitor.store.newest("loans") is None


def test_a_source_that_moves_is_named_and_beyond_the_budget_nothing_is_asked_for(world):
    world.put("early", world.rows(TODAY - 40, 26, seed=4, moved="s3"))
    degraded(world)
    monitor = world.tick()
    moving = {s.alert.principal for s in monitor.store.alerts(since=0) if "moves" in s.alert.kind}
    assert moving == {"s3"}
    assert "retraining held" in kinds(monitor)
    assert world.requests() == []


def test_a_budget_that_allows_it_names_whom_to_leave_out(world):
    world.budget = 0.5
    world.put("early", world.rows(TODAY - 40, 26, seed=4, moved="s3"))
    degraded(world)
    world.tick()
    (request,) = world.requests()
    assert request.leave_out == ("s3",)
    assert 0.05 < request.share < 0.2


def test_sources_that_do_not_move_are_not_told(world):
    world.put("early", world.rows(TODAY - 40, 26, seed=4))
    assert "source moves" not in kinds(world.tick())


def test_more_sources_than_are_followed_are_one(world):
    monitor = world.tick()
    with monitor.store.changing() as change:
        for number in range(205):
            change.add_source("loans", TODAY, f"x{number}", Hour(rows=1))
    found = monitor.store.sources("loans", TODAY, TODAY)
    assert len(found) == 201
    assert {s: h.rows for _, s, h in found}["(other)"] == 5
