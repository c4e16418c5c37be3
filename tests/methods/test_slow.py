"""Seasons, and evidence that adds up."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from hauberk.errors import ArtifactError
from hauberk.formats.tables import table_of
from hauberk.methods import seasons
from hauberk.methods.days import days_of, time_column
from hauberk.methods.sequential import Detectors
from hauberk.sketches.grid import grid_of
from hauberk.sketches.profile import profile_of


def _table(seed, n_days, *, start=20_000, wave=0.5, shift=0.0, rows=120):
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange(start, start + n_days), rows)
    mean = wave * np.sin(2 * np.pi * days / 7) + shift * (days - start)
    at = pa.array(days * 86_400 + rng.integers(0, 86_400, days.size), pa.timestamp("s"))
    return table_of("t", [pa.record_batch({"at": at, "x": mean + rng.normal(size=days.size)})])


def _judged(live):
    training = _table(1, 60)
    grid = grid_of(profile_of(training), without=frozenset({"at"}))
    counted = days_of(training, grid, "at")
    shares = np.array([seasons.shares(grid, row) for row in counted.counts])
    fitted = seasons.fit(counted.days.astype(float), shares, counted.rows.astype(float))
    detectors = Detectors(n=len(seasons.names(grid)))
    found = days_of(live, grid, "at")
    for day, row, n in zip(found.days, found.counts, found.rows, strict=True):
        detectors.update(fitted.distance(float(day), seasons.shares(grid, row), float(n)))
    return fitted, detectors


def test_a_season_that_training_saw_is_no_evidence():
    _, detectors = _judged(_table(2, 40, start=20_060))
    assert detectors.alarms() == []


def test_a_slow_shift_adds_up_though_no_day_shows_it():
    _, detectors = _judged(_table(2, 40, start=20_060, shift=0.02))
    assert detectors.alarms()


def test_a_baseline_and_running_sums_survive_their_json():
    fitted, detectors = _judged(_table(2, 10, start=20_060))
    again = seasons.Baseline.from_json(json.loads(json.dumps(fitted.to_json())))
    sums = Detectors.from_json(json.loads(json.dumps(detectors.to_json())))
    assert np.allclose(again.expected(20_070.0), fitted.expected(20_070.0))
    assert np.allclose(sums.evidence(), detectors.evidence())


@pytest.mark.parametrize("value", [{}, {"n": 2, "days": 1.0, "sums": [[1.0]]}, {"n": "x"}, None])
def test_other_json_is_no_running_sum(value):
    with pytest.raises(ArtifactError):
        Detectors.from_json(value)


def test_independent_days_without_a_shift_rarely_alarm():
    rng = np.random.default_rng(5)
    detectors, alarms = Detectors(n=20, days=1000.0), 0
    for _ in range(400):
        detectors.update(rng.normal(size=20))
        alarms += bool(detectors.alarms())
    assert alarms == 0


def test_the_only_column_of_times_is_taken_and_rows_without_time_are_left_out():
    at = pa.array([0, None, 90_000], pa.timestamp("s"))
    table = table_of("t", [pa.record_batch({"at": at, "x": [1.0, 2.0, 3.0]})])
    assert time_column(table) == "at"
    grid = grid_of(profile_of(table), without=frozenset({"at"}))
    assert days_of(table, grid, "at").rows.tolist() == [1, 1]
