"""Copies with another label are told from rows that are equal by chance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.contradicted_copies import ContradictedCopies
from hauberk.core.finding import Finding, Level
from hauberk.formats.tables import table_of


def judged(columns, labels):
    table = table_of("t", [pa.RecordBatch.from_pydict({**columns, "y": labels})], label="y")
    return [f for f in ContradictedCopies().check(table) if isinstance(f, Finding)]


def people(seed, n=1_500):
    rng = np.random.default_rng(seed)
    columns = {
        "age": rng.integers(18, 80, n),
        "job": rng.choice(["a", "b", "c", "d"], n),
        "income": rng.lognormal(10, 0.5, n).round(),
        "debt": rng.lognormal(8, 0.8, n).round(),
    }
    return columns, np.where(rng.random(n) < 0.4, "yes", "no")


def doubled(columns, labels, rows, *, turned):
    more = {name: np.concatenate([cells, cells[rows]]) for name, cells in columns.items()}
    other = np.where(labels[rows] == "yes", "no", "yes") if turned else labels[rows]
    return more, np.concatenate([labels, other])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_copies_with_the_other_label_are_named_with_both_rows(seed):
    columns, labels = people(seed)
    (finding,) = judged(*doubled(columns, labels, np.arange(40, 80), turned=True))
    assert finding.level is Level.REVIEW
    assert finding.location.rows == (*range(40, 80), *range(1_500, 1_540))


def test_copies_with_their_own_label_are_silent():
    columns, labels = people(4)
    assert judged(*doubled(columns, labels, np.arange(40, 80), turned=False)) == []


@pytest.mark.parametrize("seed", range(5, 10))
def test_rows_of_few_values_are_equal_by_chance(seed):
    rng = np.random.default_rng(seed)
    columns = {name: rng.choice(list("abcdef"), 1_500) for name in ("p", "q", "r", "s", "t")}
    assert judged(columns, rng.choice(["yes", "no"], 1_500)) == []
    assert judged(*people(seed)) == []
