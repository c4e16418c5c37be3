"""Texts, embeddings and pictures beside numbers: in profiles, live windows, the job and the page."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.sketches.test_measures import CHANGES, table

from hauberk.cli import main
from hauberk.formats.tables import table_of
from hauberk.formats.v2 import Datatype, tensor_of
from hauberk.formats.v2_schema import InputSchema, TensorSchema
from hauberk.guard.bundle import learn_schema
from hauberk.monitor.comparison import compare
from hauberk.monitor.live import Live
from hauberk.monitor.sending import Counted, watched_grid
from hauberk.monitor.settings import Settings, Watched
from hauberk.monitor.watching import open_monitor
from hauberk.monitor.web import App
from hauberk.sketches.profile import profile_of

NOW = 489_000 * 3600.0 + 1800


def put(folder, name, found):
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_batches(list(found.read())), folder / name)
    return str(folder / name)


@pytest.mark.parametrize("column", CHANGES)
def test_the_job_names_the_column_that_drifted(tmp_path, capsys, column):
    first = put(tmp_path, "train.parquet", table(1))
    second = put(tmp_path, "live.parquet", table(2, **CHANGES[column]))
    reference = str(tmp_path / "profile.json")
    assert main(["monitor", "profile", first, "--output", reference]) == 0
    same = put(tmp_path, "same.parquet", table(3))
    assert main(["monitor", "check", "--reference", reference, same]) == 0
    capsys.readouterr()
    html = tmp_path / "drift.html"
    words = ["monitor", "check", "--reference", reference, second]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert f"[{column}]" in said
    assert "1 finding" in said
    assert main([*words, "--format", "html", "--output", str(html)]) == 1
    assert "<svg" in html.read_text("utf-8")


def test_every_kind_is_watched_and_drawn(tmp_path):
    (tmp_path / "p.json").write_bytes(profile_of(table(1)).to_bytes())
    os.utime(put(tmp_path / "rows", "a.parquet", table(2, 500, moved=0.5)), (NOW, NOW))
    watched = Watched(reference=tmp_path / "p.json", predictions=tmp_path / "rows")
    settings = Settings(state=tmp_path / "state", models={"m": watched})
    monitor = open_monitor(settings, clock=lambda: NOW + 60)
    monitor.tick()
    found = {item.alert.cause for item in monitor.store.alerts(since=0)}
    assert found == {"drift/m/embedding"}
    page = App(monitor).page("/models/m", {}).body
    for label in ("note", "note (words 1)", "embedding (direction 1)", "photo (mean)"):
        assert f">{label}<" in page


def live_of(column, cells, shape):
    """A model of one embedding or picture, as a server knows it."""
    training = profile_of(table_of("t", [pa.record_batch({column: cells})]))
    tensor = TensorSchema(name="x", datatype=Datatype.FP32, shape=shape)
    return training, learn_schema(training, InputSchema(inputs=(tensor,)))


class Asked:
    """As much of a request as a tap looks at."""

    def __init__(self, values):
        self.inputs = (tensor_of("x", values.astype(np.float32)),)


@pytest.mark.parametrize("kind", ["embedding", "picture"])
def test_what_a_server_is_asked_is_held_against_training_as_a_whole(kind):
    rng = np.random.default_rng(1)
    size = (8,) if kind == "embedding" else (4, 4)
    values = rng.normal(100, 10, (600, *size)).astype(np.float32)
    cells = (
        pa.array(list(values), pa.list_(pa.float32()))
        if kind == "embedding"
        else pa.FixedShapeTensorArray.from_numpy_ndarray(values)
    )
    training, schema = live_of("x", cells, (None, *size))
    live = Live(training, schema)
    tap = Counted(training, schema, watched_grid(training, frozenset()))
    answer = (tensor_of("label", np.array(["yes"] * 300, object)),)
    for shift, expected in ((0, False), (60, True)):
        asked = Asked(rng.normal(100 + shift, 10, (300, *size)))
        live.accepted(asked, answer, NOW)
        tap.accepted(asked, answer, NOW)
        found = compare(training, live.window(reset=True))
        assert any(item.drifted for item in found.distances) is expected
        (span,) = tap.taken()
        counted = tap.grid.distances(span.counts.counts)
        assert any(item.drifted for item in counted) is expected
        assert all(item.n[1] == 300 for item in counted)


def grouped(folder, name, seed, south):
    """Half of the rows of each town; in the south another share is approved."""
    rng = np.random.default_rng(seed)
    town = rng.choice(["north", "south"], 4000)
    share = np.where(town == "south", south, 0.5)
    approve = np.where(rng.random(4000) < share, "yes", "no")
    return put(folder, name, table_of("t", [pa.record_batch({"town": town, "approve": approve})]))


def test_the_job_names_the_group_whose_predictions_are_other_ones(tmp_path, capsys):
    reference = str(tmp_path / "p.json")
    first = grouped(tmp_path, "train.parquet", 1, 0.5)
    words = ["--label", "approve", "--sensitive", "town"]
    assert main(["monitor", "profile", first, "--output", reference, *words]) == 0
    same = grouped(tmp_path, "same.parquet", 2, 0.5)
    assert main(["monitor", "check", "--reference", reference, same]) == 0
    live = grouped(tmp_path, "live.parquet", 3, 0.42)
    capsys.readouterr()
    assert main(["monitor", "check", "--reference", reference, live]) == 1
    said = capsys.readouterr().out
    assert "group town south" in said
    assert "group town north" not in said
