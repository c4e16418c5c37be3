"""Means of the label in a column are told, however they were made; means of other rows are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.label_means import LabelMeans
from hauberk.core.control import NotApplicable
from hauberk.formats.tables import table_of

N = 1_200


def world(seed: int) -> tuple[Any, dict[str, Any]]:
    """Codes of a category, and labels of three kinds that depend on it."""
    rng = np.random.default_rng(seed)
    town = rng.integers(0, 24, N)
    paid = rng.normal(town, 3).round(2)
    churned = rng.random(N) < 0.15 + 0.03 * town
    return town, {
        "number": paid,
        "flag": churned.astype(int),
        "class": np.where(churned, "gone", np.where(paid > 12, "rich", "poor")),
    }


def target(label: Any) -> Any:
    return (label == "gone").astype(float) if label.dtype.kind == "U" else label.astype(float)


def sums(town: Any, y: Any) -> tuple[Any, Any]:
    counts = np.bincount(town)[town].astype(float)
    return np.bincount(town, weights=y)[town], counts


WAYS = {
    "plain": lambda s, n, y: s / n,
    "rounded": lambda s, n, y: np.round(s / n, 3),
    "32 bits": lambda s, n, y: (s / n).astype(np.float32),
    "shrunk": lambda s, n, y: (s + 10 * y.mean()) / (n + 10),
    "without the own row": lambda s, n, y: (s - y) / (n - 1),
}


def told(town: Any, label: Any, column: Any, *, with_town: bool = True) -> list[str]:
    columns = {"x": np.random.default_rng(1).normal(size=N), "made": column, "y": label}
    if with_town:
        columns["town"] = np.array([f"t{code}" for code in town])
    batch = pa.RecordBatch.from_pydict(columns)
    return [found.message for found in LabelMeans().check(table_of("t", [batch], label="y"))]


@pytest.mark.parametrize("kind", ["number", "flag", "class"])
@pytest.mark.parametrize("way", WAYS)
def test_means_of_the_label_are_told(way, kind):
    town, labels = world(3)
    y = target(labels[kind])
    found = told(town, labels[kind], WAYS[way](*sums(town, y), y))
    assert len(found) == 1
    assert found[0].startswith("column made of t is the mean of the label y")


def test_the_category_need_not_be_there():
    town, labels = world(4)
    y = labels["number"]
    column = WAYS["plain"](*sums(town, y), y)
    assert len(told(town, y, column, with_town=False)) == 1


def _of_other_rows(town: Any, y: Any) -> Any:
    """Out of fold: each half has the means of the other."""
    half, column = np.arange(N) % 2, np.empty(N)
    for part in (0, 1):
        own, other = half == part, half != part
        means = np.bincount(town[other], weights=y[other]) / np.bincount(town[other])
        column[own] = means[town[own]]
    return column


@pytest.mark.parametrize("kind", ["number", "flag", "class"])
@pytest.mark.parametrize("seed", range(4))
def test_other_columns_are_not_told(kind, seed):
    town, labels = world(seed)
    rng = np.random.default_rng(seed)
    y = target(labels[kind])
    s, n = sums(town, y)
    elsewhere = rng.normal(size=N)
    honest = {
        "out of fold": _of_other_rows(town, y),
        "noisy": s / n + rng.normal(0, 0.02, N),
        "means of another column": np.bincount(town, weights=elsewhere)[town] / n,
        "a share of the town": rng.random(24)[town],
        "a measure": elsewhere,
        "frequency": n / N,
    }
    for name, column in honest.items():
        assert told(town, labels[kind], column) == [], name


def test_a_copy_of_the_label_is_no_mean():
    town, labels = world(5)
    y = np.round(labels["number"]) / 2
    assert told(town, y, y.copy()) == []


def test_what_cannot_be_judged_is_said():
    batch = pa.RecordBatch.from_pydict({"x": [0.5] * 20, "y": [1, 2] * 10})
    with pytest.raises(NotApplicable, match="20 rows"):
        list(LabelMeans().check(table_of("t", [batch], label="y")))
    with pytest.raises(NotApplicable, match="no label"):
        list(LabelMeans().check(table_of("t", [batch])))
    whole = pa.RecordBatch.from_pydict({"x": [1] * 20, "y": [1, 2] * 10})
    with pytest.raises(NotApplicable, match="fractions"):
        list(LabelMeans().check(table_of("t", [whole], label="y")))
    many = pa.RecordBatch.from_pydict({"x": [0.5] * 300, "y": [1, 2] * 150})
    with pytest.raises(NotApplicable, match="more than 200"):
        list(LabelMeans(max_rows=200).check(table_of("t", [many], label="y")))


@pytest.mark.parametrize("way", ["plain", "shrunk"])
def test_a_missing_mean_hides_none(way):
    town, labels = world(6)
    y = labels["number"]
    column = WAYS[way](*sums(town, y), y)
    column[town == 3] = np.nan
    assert len(told(town, y, column)) == 1
