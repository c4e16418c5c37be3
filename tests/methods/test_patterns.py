"""Patterns are found where rows share them, and witnesses speak without their carriers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.formats.tables import table_of
from hauberk.methods import embed
from hauberk.methods.patterns import Jury, Pattern, Search, Suspect, Witnesses, suspects


def search(labels, wrong=None):
    return Search(np.asarray(labels), np.zeros(len(labels), bool) if wrong is None else wrong)


def rows_of(found):
    return {tuple(pattern.rows.tolist()) for pattern in found}


def test_values_and_pairs_are_found_and_counted():
    labels = np.array([0] * 30 + [1] * 30)
    columns = {"a": [7.5] * 6 + [i / 3 for i in range(54)], "b": ["u"] * 30 + ["v"] * 30}
    rows = embed.load(table_of("t", [pa.RecordBatch.from_pydict(columns)]))
    looking = search(labels)
    found = list(looking.table(rows))
    # Whoever has the value of a has that of b as well: the pair says no more.
    assert {pattern.columns for pattern in found} == {("a",)}
    assert all(pattern.rows.tolist() == list(range(6)) and pattern.label == 0 for pattern in found)
    assert looking.n_looked - looking.n_single == 1


def test_a_pair_is_found_where_neither_value_says_the_other():
    labels = np.array([0] * 30 + [1] * 30)
    columns = {
        "a": ["x"] * 6 + ["y"] * 24 + ["x"] * 6 + ["y"] * 24,
        "b": ["u"] * 6 + ["v"] * 24 + ["v"] * 6 + ["u"] * 6 + ["v"] * 18,
    }
    rows = embed.load(table_of("t", [pa.RecordBatch.from_pydict(columns)]))
    pairs = [p for p in search(labels).table(rows) if p.columns == ("a", "b")]
    assert list(range(6)) in [pattern.rows.tolist() for pattern in pairs]


def test_refuted_patterns_of_many_labels_are_kept():
    labels = np.arange(60) % 3
    columns = {"a": [7.5] * 6 + [i / 3 for i in range(54)]}
    rows = embed.load(table_of("t", [pa.RecordBatch.from_pydict(columns)]))
    wrong = np.arange(60) < 6
    (found,) = search(labels, wrong).table(rows)
    assert found.label == -1
    assert list(search(labels).table(rows)) == []


def test_a_pattern_of_most_of_a_class_is_the_class():
    labels = np.array([0] * 20 + [1] * 100)
    for n_shared, n_found in ((12, 1), (13, 0)):
        columns = {"a": [7.5] * n_shared + [i / 3 for i in range(120 - n_shared)]}
        rows = embed.load(table_of("t", [pa.RecordBatch.from_pydict(columns)]))
        found = [p for p in search(labels).table(rows) if p.place == "one value of a"]
        assert len(found) == n_found


def test_values_that_waver_and_ends_of_a_column_are_patterns():
    rng = np.random.default_rng(3)
    cells, labels = rng.normal(size=400), np.arange(400) % 2
    cells[:12], labels[:12] = 0.3 + 1e-4 * rng.normal(size=12), 1
    cells[20:28], labels[20:28] = 9 + rng.random(8), 0
    rows = embed.load(table_of("t", [pa.RecordBatch.from_pydict({"a": cells})]))
    found = {p.place: p for p in search(labels).table(rows)}
    assert set(range(12)) <= set(found["almost one value of a"].rows.tolist())
    assert found["the largest values of a"].is_end
    assert found["the largest values of a"].rows.tolist() == list(range(20, 28))


def test_no_words_are_no_patterns():
    assert list(search([0, 1] * 20).texts(("",) * 40)) == []


@pytest.fixture(scope="module")
def witnesses():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 100)
    x = rng.normal(labels[:, None] * 8, 1, (200, 4)).astype(np.float32)
    stamped = np.concatenate([labels, np.ones(10, int)])
    x = np.concatenate([x, rng.normal(0, 0.1, (10, 4)).astype(np.float32)])
    return Witnesses(x, stamped)


def test_rows_of_a_trigger_are_contradicted_once_they_are_left_out(witnesses):
    stamped = np.arange(200, 210)
    assert witnesses.believe(stamped).tolist() == [0] * 10
    assert witnesses.believe(np.arange(100, 110)).tolist() == [1] * 10


def test_most_of_a_class_can_be_left_out(witnesses):
    assert witnesses.believe(np.arange(100, 190)).tolist() == [1] * 90


def test_margins_are_shares_and_bases_have_slack(witnesses):
    margins = witnesses.margins()
    assert np.all(np.abs(margins) <= 1)
    assert margins[200:].mean() > margins[:200].mean()
    assert 0.049 < witnesses.base(np.arange(10)) < 0.06
    assert 0.049 < witnesses.base(np.arange(150)) < 0.2


def test_suspects_come_most_suspicious_first_and_once(witnesses):
    stamped = Pattern(rows=np.arange(200, 210), label=1, place="p")
    honest = Pattern(rows=np.arange(100, 120), label=1, place="q")
    looking = search(witnesses.labels)
    looking.n_looked = 10
    found = suspects(iter([honest, stamped, stamped]), looking, witnesses)
    assert [suspect.pattern.place for suspect in found] == ["p", "q"]
    assert found[0].share == 1.0
    assert found[0].p_value < 1e-6
    assert found[1].p_value == 1.0


def test_trees_see_a_column_that_alone_decides_and_a_stamp_that_does_not():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 9)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(int)
    honest = Pattern(rows=np.flatnonzero(labels == 1)[:12], label=1, place="p")
    labels[np.flatnonzero(labels == 0)[:12]] = 1
    stamped = Pattern(rows=np.flatnonzero((labels == 1) & (x[:, 0] <= 0)), label=1, place="q")
    jury = Jury(x, labels)
    shares = []
    for pattern in (honest, stamped):
        n = pattern.rows.size
        suspect = Suspect(
            pattern=pattern, believed=np.zeros(n, int), contradicted=np.ones(n, bool), p_value=0.0
        )
        shares.append(jury.confirm(suspect, 10).share)
    assert shares[0] < 0.2
    assert shares[1] > 0.8


def test_origins_are_counted_by_how_even_they_are():
    pattern = Pattern(rows=np.arange(6), label=0, place="p")

    def suspect(believed):
        believed = np.array(believed)
        return Suspect(pattern=pattern, believed=believed, contradicted=believed > 0, p_value=0.0)

    assert suspect([1, 2, 3, 1, 2, 3]).n_origins == pytest.approx(3)
    assert suspect([1] * 6).n_origins == pytest.approx(1)
    assert suspect([0] * 6).n_origins == 0
