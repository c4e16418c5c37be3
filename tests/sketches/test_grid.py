"""Fixed bins read from a profile."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats.tables import table_of
from hauberk.sketches.drift import distance
from hauberk.sketches.grid import Grid, grid_of
from hauberk.sketches.profile import profile_of


def _table(seed=1, n=3000, shift=0.0, town=(0.5, 0.5)):
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, n)
    x[rng.random(n) < 0.05] = np.nan
    towns = rng.choice(["north", "south"], n, p=town)
    return table_of("t", [pa.record_batch({"x": x, "town": towns, "k": rng.integers(0, 4, n)})])


def _counts(grid, table):
    return sum(grid.count(batch) for batch in table.read())


def test_training_itself_gives_the_counts_of_training():
    grid = grid_of(profile_of(_table()))
    assert _counts(grid, _table()).tolist() == grid.training().tolist()


def test_verdicts_are_those_of_the_whole_sketches():
    training = profile_of(_table())
    grid = grid_of(training)
    for shift, town in ((0.0, (0.5, 0.5)), (0.4, (0.5, 0.5)), (0.0, (0.8, 0.2))):
        live = _table(2, shift=shift, town=town)
        binned = [item.drifted for item in grid.distances(_counts(grid, live))]
        whole = [item.drifted for item in distance(training, profile_of(live))]
        assert binned == whole


@given(cut=st.integers(0, 3000))
@settings(max_examples=15, deadline=None)
def test_counts_do_not_depend_on_how_rows_are_cut(cut):
    grid = grid_of(profile_of(_table()))
    batch = next(iter(_table(3).read()))
    parts = grid.count(batch.slice(0, cut)) + grid.count(batch.slice(cut))
    assert parts.tolist() == grid.count(batch).tolist()


def test_a_missing_column_counts_as_missing_cells_and_a_new_category_as_new():
    grid = grid_of(profile_of(_table()))
    live = pa.record_batch({"town": ["east"] * 100, "x": [0.0] * 100})
    found = {item.name: item for item in grid.distances(grid.count(live))}
    assert found["town"].unseen == 1.0
    assert found["k"].missing == 1.0


def test_a_column_of_another_kind_is_refused_by_name():
    grid = grid_of(profile_of(_table()))
    with pytest.raises(ArtifactError) as error:
        grid.count(pa.record_batch({"x": ["a", "b"]}))
    assert error.value.subject == "x"


def test_a_grid_survives_its_bytes_and_others_are_refused():
    grid = grid_of(profile_of(_table()))
    assert Grid.from_bytes(grid.to_bytes()) == grid
    for data in (
        b"",
        b"[]",
        b'{"axes": [{}]}',
        grid.to_bytes().replace(b'"training":[', b'"training":[1,'),
    ):
        with pytest.raises(ArtifactError):
            Grid.from_bytes(data)
