"""Columns that give the label away, and honest ones that only go far."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets

from hauberk.controls.dataset.leaked_label import LeakedLabel
from hauberk.core.control import NotApplicable, findings_of
from hauberk.core.finding import Level
from hauberk.formats.tables import table_of


def table(**columns):
    rows = pa.RecordBatch.from_pydict({name: list(cells) for name, cells in columns.items()})
    return table_of("t", [rows], label="y")


def fields(subject) -> list[str]:
    found = findings_of(LeakedLabel().check(subject))
    assert all(finding.level is Level.REVIEW for finding in found)
    return [finding.location.field for finding in found]


def drawn(n: int, classes: int = 2):
    random = np.random.default_rng(3)
    y = random.integers(0, classes, n)
    return random, y, {"a": random.normal(size=n), "b": random.normal(y, 1.0)}


@pytest.mark.parametrize(
    "recode", [lambda y: y, lambda y: 7 - y, lambda y: [f"c{v}" for v in y], lambda y: y * 1.0]
)
def test_copies_and_recodings_of_the_label_are_told(recode):
    _, y, others = drawn(100, classes=3)
    assert fields(table(**others, leak=recode(y), y=y)) == ["leak"]


def test_a_copy_of_a_numeric_label_is_told_and_its_logarithm_is_not():
    y = np.random.default_rng(1).lognormal(size=300)
    assert fields(table(copy=y, log=np.log(y), y=y)) == ["copy"]


@pytest.mark.parametrize("classes", [2, 4])
def test_numbers_that_alone_part_the_classes_are_told(classes):
    random, y, others = drawn(400, classes)
    leak = 5 * y + random.uniform(0, 1, 400)
    assert fields(table(**others, leak=leak, y=y)) == ["leak"]
    assert not fields(table(**others, leak=leak, other=5 * y + random.normal(0, 1, 400), y=y))


def test_leaks_with_errors_are_told_where_the_others_are_far():
    random, y, others = drawn(1000)
    noisy = np.where(random.random(1000) < 0.02, 1 - y, y)
    filled = np.where(y == 1, random.integers(9, 16, 1000), 0)
    assert fields(table(**others, segment=[f"K{v}" for v in noisy], y=y)) == ["segment"]
    assert fields(table(**others, pages=filled, y=y)) == ["pages"]
    near = random.normal(4.5 * y, 1.0)  # 1.2 % wrong: the others are as good as the column
    assert not fields(table(a=others["a"], near=near, segment=[f"K{v}" for v in noisy], y=y))
    assert not fields(table(**others, good=np.where(random.random(1000) < 0.1, 1 - y, y), y=y))


def test_few_rows_counters_and_coarse_codes_are_no_finding():
    random, y, _ = drawn(400)
    leak = 5 * y + random.uniform(0, 1, 400)
    assert not fields(table(leak=leak[:150], y=y[:150]))
    assert not fields(table(id=range(400), y=np.sort(y)))
    assert not fields(table(year=2000 + 5 * y + random.integers(0, 3, 400), y=y))


def test_agreement_that_chance_brings_is_no_finding():
    rare = [int(row == 5) for row in range(500)]
    assert not fields(table(flag=rare, y=rare))
    assert not fields(table(flag=[0, 1] * 6, y=[0, 1] * 6))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
@pytest.mark.parametrize("times", [1, 4])
def test_well_known_tables_are_clean(name, times):
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame.rename(columns={"target": "y"})
    order = np.random.default_rng(0).permutation(len(frame) * times) % len(frame)
    columns = {str(key): frame[key].to_numpy()[order] for key in frame}
    assert not fields(table(**columns))
    if name == "iris":
        columns["y"] = columns["y"] == 0
        assert not fields(table(**columns))


def test_without_a_label_nothing_is_judged():
    rows = pa.RecordBatch.from_pydict({"a": [1, 2], "b": [1, 2]})
    with pytest.raises(NotApplicable):
        list(LeakedLabel().check(table_of("t", [rows])))
