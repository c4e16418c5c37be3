"""Rows with known answers, asked of a model that is served."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from hauberk.errors import UsageError
from hauberk.formats.tables import table_of
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running
from hauberk.monitor.canary import read_known
from hauberk.monitor.settings import Canary, Settings, Watched
from hauberk.monitor.watching import open_monitor
from hauberk.sketches.profile import profile_of

NOW = 1_760_000_000.0
ROWS = [{"age": 30.0, "income": 2.0}, {"age": 50.0, "income": 3.0}]


class Model:
    """A server that says yes above an age."""

    def __init__(self, limit=40.0, *, packed=False):
        self.limit, self.packed, self.asked = limit, packed, 0

    def close(self):
        """Nothing is held."""

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        while scope["method"] == "POST":
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        value = self.infer(json.loads(body)) if body else self.metadata()
        answer = json.dumps(value).encode()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def metadata(self):
        if self.packed:
            return {"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 2]}]}
        names = ("age", "income")
        return {"inputs": [{"name": n, "datatype": "FP64", "shape": [-1, 1]} for n in names]}

    def infer(self, value):
        self.asked += 1
        first = value["inputs"][0]
        ages = first["data"][:: first["shape"][1]]
        said = ["yes" if age > self.limit else "no" for age in ages]
        return {"outputs": [{"name": "approve", "data": said}]}


class World:
    def __init__(self, folder):
        self.folder, self.now = folder, NOW
        age = np.random.default_rng(1).normal(40, 10, 2000)
        profile = profile_of(table_of("t", [pa.record_batch({"age": age})]))
        (folder / "p.json").write_bytes(profile.to_bytes())
        known = {"rows": ROWS, "expected": ["no", "yes"], "output": "approve"}
        (folder / "golden.json").write_text(json.dumps(known))

    def tick(self, port):
        canary = Canary(rows=self.folder / "golden.json", url=f"http://127.0.0.1:{port}", name="m")
        settings = Settings(
            state=self.folder / "state",
            models={"loans": Watched(reference=self.folder / "p.json")},
            canaries={"loans": canary},
        )
        monitor = open_monitor(settings, clock=lambda: self.now)
        monitor.tick()
        return monitor


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_model_that_answers_as_at_release_is_no_alert(world, packed):
    model = Model(packed=packed)
    with running(model, GuardPolicy()) as server:
        monitor = world.tick(server.door.port)
    assert (monitor.troubles, monitor.store.alerts(since=0)) == ({}, [])
    assert json.loads(monitor.store.state("canary:loans"))["failed"] is False


def test_another_answer_is_an_alert_and_kept_as_a_signal(world):
    with running(Model(limit=60.0), GuardPolicy()) as server:
        monitor = world.tick(server.door.port)
    assert [x.alert.cause for x in monitor.store.alerts(since=0)] == ["canary/loans"]
    assert json.loads(monitor.store.state("canary:loans"))["failed"] is True


def test_canaries_are_asked_by_their_schedule_also_over_restarts(world):
    model = Model()
    with running(model, GuardPolicy()) as server:
        for hours in (0, 1, 23, 25):
            world.now = NOW + hours * 3600
            world.tick(server.door.port)
    assert model.asked == 2


def test_a_server_that_is_away_is_a_trouble_and_asked_again(world):
    assert "canaries" in world.tick(9).troubles
    model = Model()
    with running(model, GuardPolicy()) as server:
        assert world.tick(server.door.port).troubles == {}
    assert model.asked == 1


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [], "expected": []}', '{"rows": [1]}'])
def test_a_wrong_file_of_canaries_is_refused(tmp_path, text):
    (tmp_path / "g.json").write_text(text)
    with pytest.raises(UsageError):
        read_known(tmp_path / "g.json")
