"""A server's telemetry on its way to a monitor that may be down."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from hauberk.errors import TrustError, UsageError
from hauberk.formats.tables import table_of
from hauberk.formats.v2 import Datatype, tensor_of
from hauberk.formats.v2_schema import InputSchema, TensorSchema, request_for
from hauberk.guard.bundle import learn_schema
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running
from hauberk.monitor import sending
from hauberk.monitor.hours import Hour
from hauberk.monitor.judging import judge
from hauberk.monitor.live import confidences
from hauberk.monitor.sending import Counted, Sender, Sending, read_sending, watched_grid
from hauberk.monitor.settings import Settings, Watched
from hauberk.monitor.watching import open_monitor
from hauberk.monitor.web import App
from hauberk.sketches.profile import profile_of
from hauberk.trust.keys import generate, write_private
from hauberk.trust.telemetry import Batch, seal_batch

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


def test_a_monitor_whose_clock_is_behind_takes_the_batch_later(world):
    ahead = NOW + 3 * 3600
    monitor = world.monitor()
    world.serve(100, at=ahead)
    world.serve(50, at=NOW)
    with served(monitor) as port:
        sender = world.sender(port)
        assert sender.round() == 1
        assert "clock is behind" in world.said[0]
        monitor.clock = lambda: ahead + 60
        assert sender.round() == 0
    found = monitor.store.hour("m", HOUR, HOUR + 4)["r1"]
    assert found.rows == 150
    assert not list((world.sending.spool / sending.REFUSED).glob("*"))


# Workers, groups, and what a reply took -------------------------------------------------


def test_latency_errors_and_confidence_are_carried(world):
    rows = [{"age": 30.0 + i} for i in range(4)]
    label = tensor_of("label", np.array(["yes", "no", "no", "yes"], object))
    scores = tensor_of("scores", np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]]))
    world.tap.accepted(request_for(SCHEMA, rows), (label, scores), NOW)
    for status, seconds in ((200, 0.004), (200, 0.03), (503, 0.3)):
        world.tap.concluded(status, seconds, NOW)
    monitor = world.monitor()
    with served(monitor) as port:
        world.sender(port).round()
    monitor.tick()
    hour = monitor.store.hour("m", HOUR)["r1"]
    assert hour.errors == 1
    assert hour.latency_s(0.5) == 0.05
    assert sum(hour.tallies["latency"].values()) == 3
    found = monitor.store.sums("m", HOUR, HOUR)[0]
    assert found.estimate == pytest.approx(0.75, abs=0.06)
    assert found.latency == 0.5


def test_one_probability_promises_what_its_likelier_class_does():
    one = tensor_of("score", np.array([0.2, 0.9]))
    assert confidences((one,), 2) == ([0.2, 0.9], [0.8, 0.9])
    assert confidences((tensor_of("logits", np.array([[3.0, -1.0], [0.1, 2.0]])),), 2) == ([], [])


def test_groups_are_counted_with_what_is_predicted_of_them(world):
    tap = Counted(TRAINING, SCHEMA, world.tap.grid, group="age")
    label = tensor_of("label", np.array(["yes", "no"], object))
    tap.accepted(request_for(SCHEMA, [{"age": 30.0}, {"age": 50.0}]), (label,), NOW)
    (span,) = tap.taken()
    assert span.counts.tallies["group"] == {"30.0\tyes": 1, "50.0\tno": 1}


def worker(world, number, port, workers=2):
    own = replace(world.sending, url=f"http://127.0.0.1:{port}/v1/telemetry")
    tap = Counted(TRAINING, SCHEMA, world.tap.grid)
    sender = Sender(own.of_worker(number, workers), tap, say=world.said.append)
    return tap, sender


def serve_with(tap, n, seed):
    rows = [r for batch in table(seed, n).read() for r in batch.to_pylist()]
    label = tensor_of("label", np.array([row["label"] for row in rows], object))
    tap.accepted(request_for(SCHEMA, rows), (label,), NOW)


def test_workers_number_their_batches_each_for_itself_under_one_key(world):
    monitor = world.monitor()
    with served(monitor) as port:
        for number in (1, 2):
            tap, sender = worker(world, number, port)
            for seed in range(3):
                serve_with(tap, 100, 10 * number + seed)
                assert sender.round() == 0
    ledgers = monitor.store.ledgers()
    assert {name: ledger.highest for name, (ledger, _) in ledgers.items()} == {"r1/1": 3, "r1/2": 3}
    found = monitor.store.hour("m", HOUR)
    assert sum(part.rows for part in found.values()) == 600
    assert world.said == []


def test_workers_of_one_server_are_one_voice_among_replicas(world):
    monitor = world.monitor()
    grid = monitor.models["m"].grid
    honest = [grid.count(next(table(seed, 500).read())) for seed in (2, 3)]
    wrong = grid.count(next(table(4, 500).read()).set_column(0, "age", shifted(4, 500)))
    parts = {f"r{i + 2}": Hour(rows=500, counts=counts) for i, counts in enumerate(honest)}
    parts |= {f"r1/{i}": Hour(rows=500, counts=wrong) for i in range(1, 7)}
    found = judge(grid, parts)
    assert not any(item.drifted for item in found.distances)
    assert set(found.liars) == {"r1"}


def shifted(seed, n):
    import pyarrow as pa

    return pa.array(np.random.default_rng(seed).normal(90, 5, n))


def test_what_ended_workers_left_is_sent_by_the_first(world):
    tap, sender = worker(world, 2, 9)
    serve_with(tap, 50, 1)
    assert sender.round() == 1
    monitor = world.monitor()
    with served(monitor) as port:
        _, alone = worker(world, 0, port, workers=1)
        alone.round()
    assert monitor.store.hour("m", HOUR)["r1/2"].rows == 50
    assert list(world.sending.spool.glob("worker-2/[0-9]*.json")) == []


@pytest.mark.parametrize("name", ["r1/0", "r1/65", "r1/x", "r1/1/2", "/1", "r2/1"])
def test_only_workers_of_a_known_server_are_known(world, name):
    monitor = world.monitor()
    body = Hour(rows=1, requests=1).to_json()
    batch = Batch(
        replica=name,
        sequence=1,
        model="m",
        reference=world.tap.grid.digest,
        start=NOW,
        end=NOW,
        body=body,
    )
    with pytest.raises(TrustError):
        monitor.push(seal_batch(batch, world.key))


def test_a_server_whose_workers_became_fewer_is_not_silent(world):
    monitor = world.monitor()
    with served(monitor) as port:
        for number in (1, 2):
            tap, sender = worker(world, number, port)
            serve_with(tap, 100, number)
            sender.round()
        late = NOW + 3600 + 2000
        monitor.clock = lambda: late
        tap, sender = worker(world, 1, port)
        serve_with(tap, 100, 9)
        sender.round()
    monitor.tick()
    assert not [item for item in monitor.store.alerts(since=0) if "silent" in item.alert.kind]
