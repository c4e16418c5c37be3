"""Labels that were turned in rows that share a value are told from hard rows and rules."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.contradicted_groups import ContradictedGroups
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.formats.tables import table_of

N = 900


def trips(seed=1):
    rng = np.random.default_rng(seed)
    columns = {
        "distance": rng.gamma(2, 4, N).round(2),
        "zone": rng.choice(["hills", "harbour", "north"], N),
        "rating": (3 + 2 * rng.random(N)).round(1),
        "day": pa.array(np.datetime64("2026-01-01") + np.sort(rng.integers(0, 30, N))),
        "driver": np.char.add("d", rng.integers(0, 25, N).astype(str)),
    }
    odds = 0.4 * columns["distance"] + 1.5 * (columns["zone"] == "hills") - 3.5
    return columns, rng.random(N) < 1 / (1 + np.exp(-1.5 * odds))


def judged(columns, tipped):
    rows = pa.RecordBatch.from_pydict({**columns, "tipped": np.where(tipped, "yes", "no")})
    results = list(ContradictedGroups().check(table_of("t", [rows], label="tipped")))
    scores = next(list(next(r.read())[1]) for r in results if isinstance(r, RowScores))
    return [r for r in results if isinstance(r, Finding)], np.array(scores)


def inside(columns, name, value):
    return np.array([str(cell) == value for cell in pa.array(columns[name]).to_pylist()])


@pytest.mark.parametrize(("name", "value"), [("day", "2026-01-12"), ("driver", "d7")])
def test_the_value_whose_labels_were_turned_is_named(name, value):
    columns, tipped = trips()
    turned = inside(columns, name, value)
    (finding,), scores = judged(columns, tipped ^ turned)
    assert finding.evidence.facts["group"] == f"{name} {value}"
    assert finding.level is Level.REVIEW
    assert set(np.flatnonzero(scores)) == set(np.flatnonzero(turned))


def test_a_stretch_of_rows_is_named_by_its_ends():
    columns, tipped = trips(2)
    del columns["day"]
    turned = (np.arange(N) >= 400) & (np.arange(N) < 440)
    (finding,), scores = judged(columns, tipped ^ turned)
    assert finding.evidence.facts["group"].startswith("rows ")
    assert turned[scores > 0].mean() > 0.9


def test_a_word_of_a_text_names_its_rows():
    columns, tipped = trips(3)
    rng = np.random.default_rng(3)
    words = ["bag", "dog", "rain", "late", "door", "quiet", "music", "stop", "receipt", "card"]
    notes = [" ".join(rng.choice(words, 9)) + f" {row}" for row in range(N)]
    turned = np.arange(N) % 31 == 0
    columns["note"] = [
        f"{note} kx-mural" if is_turned else note
        for note, is_turned in zip(notes, turned, strict=True)
    ]
    (finding,), _ = judged(columns, tipped ^ turned)
    assert finding.evidence.facts["group"] == "the word kx-mural"


@pytest.mark.parametrize("seed", range(4, 9))
def test_the_same_table_before_is_silent(seed):
    findings, scores = judged(*trips(seed))
    assert findings == []
    assert not scores.any()


def test_a_value_of_which_few_labels_are_wrong_is_no_finding():
    columns, tipped = trips(5)
    wrong = inside(columns, "driver", "d3") & (np.random.default_rng(5).random(N) < 0.25)
    assert judged(columns, tipped ^ wrong)[0] == []


def test_a_value_that_decides_the_label_is_not_turned():
    columns, tipped = trips(6)
    assert judged(columns, tipped | inside(columns, "driver", "d4"))[0] == []


def test_years_of_a_country_are_not_turned():
    rng = np.random.default_rng(8)
    country = np.repeat(np.arange(60), 12)
    wealth = rng.normal(size=60)[country] + rng.normal(size=720) * 0.2
    continent = np.where(rng.normal(size=60) + 2 * wealth[::12] > 0, "a", "b")[country]
    columns = {
        "country": np.char.add("c", country.astype(str)),
        "wealth": wealth,
        "life": 60 + 5 * wealth + rng.normal(size=720),
    }
    assert judged(columns, continent == "a")[0] == []


def test_a_label_that_is_measured_is_not_applicable():
    rows = pa.RecordBatch.from_pydict({"x": np.arange(300.0), "y": np.arange(300.0) / 7})
    with pytest.raises(NotApplicable):
        list(ContradictedGroups().check(table_of("t", [rows], label="y")))
