"""Another unit is told from outliers, tails and units that are written down."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from hauberk.controls.dataset.changed_units import ChangedUnits
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.formats.tables import table_of


def judged(**columns):
    results = list(ChangedUnits().check(table_of("t", [pa.RecordBatch.from_pydict(columns)])))
    scores = next(list(next(r.read())[1]) for r in results if isinstance(r, RowScores))
    return [r for r in results if isinstance(r, Finding)], scores


def people(n=900, seed=3):
    rng = np.random.default_rng(seed)
    height = rng.normal(170, 9, n).round(1)
    return height, (0.9 * (height - 100) + 7 * rng.normal(size=n)).round(1)


def test_metres_among_centimetres_are_named_row_by_row():
    height, weight = people()
    height[100:125] /= 100
    findings, scores = judged(height=height, weight=weight)
    assert [(f.location.field, f.level) for f in findings] == [("height", Level.REVIEW)]
    assert np.flatnonzero(np.array(scores) > 0.5).tolist() == list(range(100, 125))


def test_pounds_show_against_what_the_height_lets_expect():
    height, weight = people()
    weight[:30] *= 2.20462
    findings, _ = judged(height=height, weight=weight)
    assert findings[0].evidence.facts["units"] == "pounds and kilograms"


def test_fahrenheit_shows_where_it_follows_from_no_factor_alone():
    rng = np.random.default_rng(4)
    temperature = rng.normal(55, 3, 800).round(2)
    current = (0.5 * temperature + rng.normal(0, 0.3, 800)).round(2)
    temperature[-40:] = 1.8 * temperature[-40:] + 32
    findings, _ = judged(temperature=temperature, current=current)
    assert "degrees" in findings[0].evidence.facts["units"]


def test_a_unit_that_another_column_tells_is_none():
    height, weight = people()
    unit = np.where(np.arange(900) % 9 == 0, "m", "cm")
    height = np.where(unit == "m", height / 100, height)
    assert judged(height=height, weight=weight, unit=unit)[0] == []


def test_outliers_that_scatter_are_no_other_unit():
    height, weight = people()
    height[:20] *= np.random.default_rng(5).uniform(0.01, 50, 20)
    assert judged(height=height, weight=weight)[0] == []


def test_a_long_tail_is_no_other_unit():
    amounts = np.random.default_rng(6).lognormal(3, 0.8, 2_000).round(2)
    assert judged(amount=amounts, half=(amounts / 2).round(2))[0] == []


def test_square_feet_are_not_taken_for_a_power_of_ten():
    rng = np.random.default_rng(7)
    area = rng.normal(90, 12, 1_200)
    rooms = (area / 25 + rng.normal(0, 0.3, 1_200)).round(2)
    area[::40] *= 10.7639
    findings, _ = judged(area=area.round(1), rooms=rooms)
    assert findings[0].evidence.facts["units"] == "square feet and square metres"


def test_the_echo_in_the_other_column_is_told_with_the_change_and_its_category():
    rng = np.random.default_rng(8)
    area = rng.normal(90, 25, 1_500).clip(30)
    rent = 11 * area + rng.normal(0, 30, 1_500)
    energy = rng.choice(["A", "B", "C", "D"], 1_500)
    rows = np.flatnonzero(energy == "C")[:90]
    rent[rows] *= 1.60934
    findings, _ = judged(area=area.round(1), rent=rent.round(0), energy=energy)
    assert len(findings) == 1
    assert "times the others" in findings[0].evidence.facts["or in another unit"]
    assert findings[0].evidence.facts["what the rows share"] == "energy is C"


def test_a_code_for_unknown_is_named_in_its_own_column():
    rng = np.random.default_rng(9)
    area = rng.normal(90, 25, 1_500).clip(30).round(1)
    rent = (11 * area + rng.normal(0, 30, 1_500)).round(0)
    area[::33] = -1
    findings, _ = judged(area=area, rent=rent)
    assert [finding.location.field for finding in findings] == ["area"]
    assert "are -1, alone beyond all others" in findings[0].message


def test_a_value_at_the_end_of_an_ordinary_range_is_no_code():
    score = np.random.default_rng(10).normal(80, 8, 1_500).clip(40, 99).round(1)
    assert judged(score=score, twice=2 * score)[0] == []
