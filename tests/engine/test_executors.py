"""Tests of who works a profile out, and of what is believed of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
import pytest

from hauberk.core.artifact import Dataset
from hauberk.core.policy import Isolation
from hauberk.engine.executors import Engine, profiled
from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError, UsageError
from hauberk.formats.tables import open_table, write_table
from hauberk.isolation.probing import best_level
from hauberk.range.subjects import generated
from hauberk.sketches.profile import profile_of

HOSTILE = """
import os, pickle, time

class Trap(Exception):
    def __reduce__(self):
        return (os.system, ("exit 3",))

def noise(payload):
    return b"noise"

def trap(payload):
    raise Trap("x")

def sleeper(payload):
    time.sleep(600)

def death(payload):
    os._exit(9)

def thing(payload):
    return {"rows": 3}
"""
NO_RAY = importlib.util.find_spec("ray") is None


@pytest.fixture
def table(tmp_path: Path) -> Dataset:
    """A table in a file, in several batches."""
    rows = pa.Table.from_batches(generated(3, 300).read())
    path = tmp_path / "rows.parquet"
    write_table(rows.to_batches(max_chunksize=40), path)
    return open_table(path, label="class", sensitive=["class"])


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, ...]:
    """A folder with what an attacker's workers do."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "worker_of_an_attacker.py").write_text(dedent(HOSTILE), "utf-8")
    return (folder,)


@pytest.mark.parametrize("parts", [1, 3, 16])
def test_threads_give_the_bytes_of_one_pass_however_the_table_is_cut(table, parts):
    profile = profiled(table, Engine(name="threads"), n_parts=parts)
    assert profile.to_bytes() == profile_of(table).to_bytes()


def test_processes_give_the_same_bytes_as_threads(table):
    profile = profiled(table, Engine(name="processes", wall_s=120.0), n_parts=2)
    assert profile.to_bytes() == profile_of(table).to_bytes()


def test_an_unknown_engine_is_refused_by_name(table):
    with pytest.raises(UsageError, match="no such engine"):
        profiled(table, Engine(name="spark"))


def test_a_table_in_memory_is_for_threads_alone():
    with pytest.raises(UsageError, match="in memory"):
        profiled(generated(1, 50), Engine(name="processes"))


def test_noise_from_a_worker_is_refused_and_nothing_is_used(table, hostile):
    engine = Engine(
        name="processes", task="worker_of_an_attacker:noise", import_roots=hostile, wall_s=120.0
    )
    with pytest.raises(TrustError, match="no summary of its rows"):
        profiled(table, engine, n_parts=2)


@pytest.mark.parametrize(("deed", "wall_s"), [("trap", 120.0), ("death", 120.0), ("sleeper", 4.0)])
def test_a_worker_that_raises_dies_or_hangs_costs_the_run_alone(table, hostile, deed, wall_s):
    engine = Engine(
        name="processes",
        task=f"worker_of_an_attacker:{deed}",
        import_roots=hostile,
        wall_s=wall_s,
    )
    with pytest.raises(HauberkError):
        profiled(table, engine, n_parts=2)


def test_a_cluster_at_an_address_needs_a_token(table):
    with pytest.raises(UsageError, match="token only"):
        profiled(table, Engine(name="ray://127.0.0.1:10001"))


def test_a_token_that_others_can_read_is_refused(table, tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef", "utf-8")
    token.chmod(0o644)
    with pytest.raises(TrustError, match="open to others"):
        profiled(table, Engine(name="ray://127.0.0.1:10001", token=token))


@pytest.mark.parametrize(
    "answer", [b"", b"[]\n", b"[3]\nab", b'[1, "x"]\nab', b"[-1, 3]\nab", b"[" * 9_000 + b"\n"]
)
def test_what_a_driver_writes_is_read_as_hostile(answer):
    from hauberk.engine import executors

    with pytest.raises(ArtifactError):
        executors._unpacked(answer, 2)


def test_a_missing_ray_is_told_as_such(table):
    if not NO_RAY:
        pytest.skip("Ray is installed here")
    if best_level() is not Isolation.FULL:
        pytest.skip("the driver of a cluster needs the level full")
    with pytest.raises(UnavailableError, match="Ray is not installed"):
        profiled(table, Engine(name="ray", wall_s=120.0), n_parts=2)
