"""A server's telemetry on its way to a monitor that may be down."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from hauberk.errors import UsageError
from hauberk.formats.tables import table_of
from hauberk.formats.v2 import Datatype, tensor_of
from hauberk.formats.v2_schema import InputSchema, TensorSchema, request_for
from hauberk.guard.bundle import learn_schema
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running
from hauberk.monitor import sending
from hauberk.monitor.sending import Counted, Sender, Sending, read_sending, watched_grid
from hauberk.monitor.settings import Settings, Watched
from hauberk.monitor.watching import open_monitor
from hauberk.monitor.web import App
from hauberk.sketches.profile import profile_of
from hauberk.trust.keys import generate, write_private

HOUR = 489_000
NOW = HOUR * 3600.0 + 1800


def table(seed, n):
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, n)
    label = np.where(age > 40, "yes", "no")
    return table_of("t", [pa.record_batch({"age": age, "label": label})], label="label")


TRAINING = profile_of(table(1, 4000))
SCHEMA = learn_schema(
    TRAINING,
    InputSchema(inputs=(TensorSchema(name="age", datatype=Datatype.FP64, shape=(None, 1)),)),
)


@contextmanager
def served(monitor):
    with running(App(monitor), GuardPolicy()) as found:
        yield found.door.port


class World:
    """A monitor that can be started and ended, and a server's sender."""

    def __init__(self, folder):
        self.folder, self.key, self.said = folder, generate(), []
        write_private(self.key, folder / "keys" / "r1.pem")
        (folder / "r1.pub.pem").write_text(self.key.public.pem)
        (folder / "p.json").write_bytes(TRAINING.to_bytes())
        self.tap = Counted(TRAINING, SCHEMA, watched_grid(TRAINING, frozenset()))
        self.sending = Sending(
            url="http://127.0.0.1:9/v1/telemetry",
            replica="r1",
            key=folder / "keys" / "r1.pem",
            model="m",
            spool=folder / "spool",
        )

    def monitor(self):
        settings = Settings(
            state=self.folder / "state",
            models={"m": Watched(reference=self.folder / "p.json")},
            replicas={"r1": self.folder / "r1.pub.pem"},
        )
        return open_monitor(settings, clock=lambda: NOW + 3600)

    def sender(self, port=9):
        to = replace(self.sending, url=f"http://127.0.0.1:{port}/v1/telemetry")
        return Sender(to, self.tap, say=self.said.append)

    def serve(self, n, at=NOW, seed=2):
        rows = [r for batch in table(seed, n).read() for r in batch.to_pylist()]
        label = tensor_of("label", np.array([row["label"] for row in rows], object))
        self.tap.accepted(request_for(SCHEMA, rows), (label,), at)

    def counted(self, monitor):
        monitor.tick()
        found = monitor.store.hour("m", HOUR - 2, HOUR + 2).get("r1")
        return 0 if found is None else found.rows


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_what_was_served_arrives_signed_and_is_counted_over_the_bins_of_training(world):
    monitor = world.monitor()
    world.serve(300)
    world.tap.refused("schema", NOW)
    with served(monitor) as port:
        assert world.sender(port).round() == 0
    hour = monitor.store.hour("m", HOUR)["r1"]
    assert (hour.rows, hour.requests, hour.tallies["refused"]) == (300, 2, {"schema": 1})
    assert int(hour.counts.sum()) == 300
    assert monitor.store.alerts(since=0) == []


def test_a_monitor_that_was_down_loses_nothing_and_nothing_counts_twice(world):
    for hour in range(3):
        world.serve(100, at=NOW - 3600 * (2 - hour), seed=hour)
        assert world.sender().round() == hour + 1
    assert len(world.said) == 3
    monitor = world.monitor()
    with served(monitor) as port:
        sender = world.sender(port)
        assert sender.round() == 0
        assert sender.round() == 0
    assert world.counted(monitor) == 300
    assert monitor.store.ledgers()["r1"][0].missing == set()


def test_numbers_go_on_after_the_server_was_started_again(world):
    monitor = world.monitor()
    with served(monitor) as port:
        for seed in range(3):
            world.serve(50, seed=seed)
            world.sender(port).round()
    assert world.counted(monitor) == 150
    assert monitor.store.ledgers()["r1"][0].highest == 3


def test_a_batch_whose_answer_was_lost_is_sent_again_and_counts_once(world):
    monitor = world.monitor()
    world.serve(100)
    world.sender().round()
    (path,) = world.sending.spool.glob("[0-9]*.json")
    data = path.read_bytes()
    with served(monitor) as port:
        world.sender(port).round()
        path.write_bytes(data)
        assert world.sender(port).round() == 0
    assert world.counted(monitor) == 100
    assert not (world.sending.spool / sending.REFUSED).exists()


def test_what_the_monitor_refuses_is_set_aside_and_told(world):
    monitor = world.monitor()
    world.sending = replace(world.sending, model="another")
    world.serve(100)
    with served(monitor) as port:
        assert world.sender(port).round() == 0
    assert any("refused" in line for line in world.said)
    assert len(list((world.sending.spool / sending.REFUSED).iterdir())) == 1


@pytest.mark.parametrize(
    "text", ["", "not toml [", 'url = "u"\n', 'url = 3\nreplica = "r"\n', "unknown = 1\n"]
)
def test_a_wrong_file_is_refused(tmp_path, text):
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(UsageError):
        read_sending(tmp_path / "t.toml")


def test_paths_of_the_file_are_relative_to_it(tmp_path):
    (tmp_path / "t.toml").write_text(
        'url = "http://m/v1/telemetry"\nreplica = "r1"\nmodel = "m"\n'
        'key = "keys/r1.pem"\nspool = "spool"\nwithout = ["id"]\n'
    )
    found = read_sending(tmp_path / "t.toml")
    assert (found.key, found.without) == (tmp_path / "keys/r1.pem", frozenset({"id"}))
