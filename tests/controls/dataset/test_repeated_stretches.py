"""Stretches of a series that were held or copied are told from calm, saturation and seasons."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.repeated_stretches import RepeatedStretches
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.formats.tables import table_of

START = np.datetime64("2024-01-01T00", "s")


def hours(n):
    return START + np.arange(n) * np.timedelta64(3600, "s")


def load(seed, n=2_000):
    rng = np.random.default_rng(seed)
    day = 80 * np.sin(2 * np.pi * np.arange(n) / 24)
    return (500 + day + 15 * rng.normal(size=n)).round()


def judged(**columns):
    table = table_of("t", [pa.RecordBatch.from_pydict(columns)])
    results = list(RepeatedStretches().check(table))
    scores = next(list(next(r.read())[1]) for r in results if isinstance(r, RowScores))
    return [r for r in results if isinstance(r, Finding)], np.flatnonzero(scores)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_sensor_that_stands_still_is_named_with_its_rows(seed):
    values = load(seed)
    values[700:736] = values[700]
    (finding,), rows = judged(at=hours(2_000), load=values)
    assert "stands still" in finding.message
    assert finding.level is Level.REVIEW
    assert set(range(701, 735)) <= set(rows)


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_a_week_copied_over_another_is_named_in_each_column(seed):
    first, second = load(seed), load(seed + 100)
    for values in (first, second):
        values[1_300:1_468] = values[300:468]
    findings, rows = judged(at=hours(2_000), first=first, second=second)
    assert [finding.location.field for finding in findings] == ["first", "second"]
    assert all("from 2024-01-13 12:00:00" in finding.message for finding in findings)
    assert set(range(1_300, 1_468)) <= set(rows)


def test_rows_are_put_in_the_order_of_their_time():
    values, order = load(7), np.random.default_rng(7).permutation(2_000)
    values[700:736] = values[700]
    (finding,), _ = judged(at=hours(2_000)[order], load=values[order])
    assert "for 36 rows" in finding.message or "for 37 rows" in finding.message


def test_several_series_in_one_table_are_told_apart_by_their_category():
    values = np.concatenate([load(8), load(9)])
    values[2_500:2_540] = values[2_500]
    site = np.repeat(["north", "south"], 2_000)
    (finding,), rows = judged(at=np.tile(hours(2_000), 2), site=site, load=values)
    assert finding.location.field == "load"
    assert rows.min() >= 2_499


@pytest.mark.parametrize("seed", range(10, 16))
def test_ordinary_series_are_silent(seed):
    rng = np.random.default_rng(seed)
    steps = np.arange(3_000)
    columns = {
        "load": load(seed, 3_000),
        "walk": np.cumsum(rng.normal(0, 0.4, 3_000)).round(2),
        "saturated": np.clip(np.cumsum(rng.normal(0, 0.4, 3_000)), -6, 6).round(2),
        "sun": np.maximum(0, 500 * np.sin(2 * np.pi * steps / 24) + rng.normal(0, 60, 3_000)),
        "rain": np.where(rng.random(3_000) < 0.2, rng.gamma(1, 5, 3_000), 0).round(1),
        "course": (50 * np.sin(2 * np.pi * steps / 97)).round(1),
        "hour": steps % 24,
    }
    assert judged(at=hours(3_000), **columns)[0] == []


def test_rows_without_a_time_are_not_applicable():
    with pytest.raises(NotApplicable):
        judged(load=load(1))


def test_several_rows_of_one_time_without_a_series_are_not_applicable():
    with pytest.raises(NotApplicable):
        judged(at=np.tile(hours(1_000), 2), load=load(1))
