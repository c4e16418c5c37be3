"""A class missing from one subpopulation is told from rules, main effects and chance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.turned_slices import TurnedSlices
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.formats.tables import table_of


def people(seed=1, n=3_000):
    rng = np.random.default_rng(seed)
    columns = {
        "job": rng.choice(["clerk", "cook", "nurse", "smith", "judge"], n),
        "sex": rng.choice(["f", "m"], n),
        "region": rng.choice(["n", "e", "s", "w"], n),
        "age": rng.integers(20, 65, n),
    }
    odds = -2 + 1.2 * (columns["job"] == "judge") + 0.5 * (columns["sex"] == "m")
    odds = odds + 0.02 * columns["age"]
    return columns, rng.random(n) < 1 / (1 + np.exp(-odds))


def judged(columns, rich):
    rows = pa.RecordBatch.from_pydict({**columns, "rich": np.where(rich, "yes", "no")})
    results = list(TurnedSlices().check(table_of("t", [rows], label="rich")))
    scores = next(list(next(r.read())[1]) for r in results if isinstance(r, RowScores))
    return [r for r in results if isinstance(r, Finding)], np.array(scores)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_subpopulation_that_lost_its_class_is_named(seed):
    columns, rich = people(seed)
    slice_ = (columns["job"] == "nurse") & (columns["sex"] == "f")
    (finding,), scores = judged(columns, rich & ~slice_)
    assert finding.evidence.facts["slice"] == "job nurse and sex f"
    assert finding.level is Level.REVIEW
    assert set(np.flatnonzero(scores)) <= set(np.flatnonzero(slice_))


@pytest.mark.parametrize("seed", range(4, 12))
def test_the_same_table_before_is_silent(seed):
    assert judged(*people(seed))[0] == []


def test_a_value_that_decides_by_itself_is_no_slice():
    columns, rich = people()
    assert judged(columns, rich & ~(columns["job"] == "cook"))[0] == []


def test_columns_from_which_the_label_was_made_are_no_slice():
    columns, rich = people()
    first = np.where(rich, "r", np.random.default_rng(5).choice(["r", "p"], rich.size))
    second = np.where(rich | (first == "p"), "x", "y")
    assert judged({**columns, "first": first, "second": second}, rich)[0] == []


def test_numbers_without_categories_have_no_slices():
    columns, rich = people()
    assert judged({"age": columns["age"], "other": columns["age"] * 2.5}, rich)[0] == []


def test_a_label_that_is_measured_is_not_applicable():
    rows = pa.RecordBatch.from_pydict({"x": list("ab") * 300, "y": np.arange(600.0)})
    with pytest.raises(NotApplicable):
        list(TurnedSlices().check(table_of("t", [rows], label="y")))
