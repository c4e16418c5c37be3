"""A column or a class that moved is named; another draw of the same source is silent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.shifted_columns import ShiftedColumns
from hauberk.core.artifact import Comparison
from hauberk.core.control import NotApplicable
from hauberk.formats.tables import table_of


def version(seed, *, shift=0.0, drop=0.0):
    rng = np.random.default_rng(seed)
    x, z, y = rng.normal(size=2_000), rng.normal(size=2_000), rng.integers(0, 2, 2_000)
    x[:400] += shift
    kept = (y == 0) | (rng.random(2_000) >= drop)
    columns = {"x": x[kept], "z": z[kept], "y": np.array(["no", "yes"])[y[kept]]}
    return table_of("t", [pa.RecordBatch.from_pydict(columns)], label="y")


def fields(new):
    found = ShiftedColumns().check(Comparison(old=version(1), new=new))
    return [finding.location.field for finding in found]


def test_the_shifted_column_is_named():
    assert fields(version(2, shift=1.5)) == ["x"]


def test_a_thinned_class_is_named():
    assert fields(version(3, drop=0.3)) == ["y"]


@pytest.mark.parametrize("seed", range(10, 20))
def test_another_draw_is_silent(seed):
    assert fields(version(seed)) == []


def test_without_an_older_version_nothing_is_judged():
    with pytest.raises(NotApplicable, match="older"):
        list(ShiftedColumns().check(Comparison(old=None, new=version(1))))
