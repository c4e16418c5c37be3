"""Numbers that stand for embeddings, texts and pictures: the same in every batch, and telling."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.controls.dataset.input_drift import InputDrift
from hauberk.core.artifact import Window
from hauberk.formats.tables import table_of
from hauberk.sketches import measures
from hauberk.sketches.drift import distance
from hauberk.sketches.grid import grid_of
from hauberk.sketches.profile import Profile, live_profile, profile_of

VECTORS = st.lists(st.none() | st.lists(st.floats(width=32), max_size=5), min_size=1, max_size=20)
TEXTS = st.lists(st.none() | st.text(max_size=12), min_size=1, max_size=20)
ORDERS = ["ship", "order", "invoice", "street", "parcel", "date", "price", "item", "box", "paid"]
MEDICINE = [
    "patient",
    "dose",
    "fever",
    "blood",
    "nurse",
    "pulse",
    "ward",
    "tablet",
    "pain",
    "cough",
]


def table(seed, n=2000, *, words=ORDERS, moved=0.0, bright=0):
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(words, 14)) for _ in range(n)]
    centre = np.random.default_rng(7).normal(size=32) * moved
    vectors = pa.array(list(rng.normal(size=(n, 32)) + centre), pa.list_(pa.float64()))
    pixels = rng.integers(0, 200, (n, 4, 4)) + bright
    batch = pa.record_batch(
        {
            "note": texts,
            "embedding": vectors,
            "photo": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels.astype(np.uint8)),
        }
    )
    return table_of("t", [batch])


@given(VECTORS)
def test_an_embedding_gives_the_same_numbers_in_every_batch(vectors):
    cells = pa.array(vectors, pa.list_(pa.float32()))
    found, missing = measures.of_vectors(cells)
    alone = [measures.of_vectors(cells.slice(i, 1)) for i in range(len(cells))]
    assert missing == sum(n for _, n in alone)
    for name, values in found.items():
        assert np.isfinite(values).all()
        assert values.tolist() == [x for one, _ in alone for x in one[name].tolist()]


@given(TEXTS)
def test_a_text_gives_the_same_numbers_in_every_batch(texts):
    cells = pa.array(texts, pa.string())
    found = measures.of_texts(cells)
    alone = [measures.of_texts(cells.slice(i, 1)) for i in range(len(cells))]
    for name, values in found.items():
        assert values.tolist() == [x for one in alone for x in one[name].tolist()]


@pytest.mark.parametrize("kind", ["list", "fixed", "tensor"])
def test_an_embedding_is_one_however_it_is_stored(kind):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    flat = pa.array(values.ravel())
    cells = {
        "list": pa.array(values.tolist(), pa.list_(pa.float32())),
        "fixed": pa.FixedSizeListArray.from_arrays(flat, 4),
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(values),
    }[kind]
    assert measures.is_vector(cells.type)
    found, missing = measures.of_vectors(cells)
    assert missing == 0
    assert found["size"].tolist() == [1.5, 5.5, 9.5]


def test_embeddings_are_no_names_in_a_profile():
    profile = profile_of(table(1, 50))
    column = Profile.from_bytes(profile.to_bytes()).column("embedding")
    assert column.values is None
    assert set(column.numbers) == set(measures.OF_VECTOR)


CHANGES = {
    "note": {"words": MEDICINE},
    "embedding": {"moved": 0.5},
    "photo": {"bright": 40},
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_column_that_comes_from_elsewhere_has_drifted_and_no_other(column):
    reference = profile_of(table(1))
    live = table(2, **CHANGES[column])
    found = distance(reference, live_profile(live, reference))
    assert {item.name for item in found if item.drifted} == {column}
    window = Window(profile=reference.to_bytes(), live=live)
    assert [f.location.field for f in InputDrift().check(window)] == [column]
    grid = grid_of(reference)
    counts = sum(grid.count(batch) for batch in live.read())
    assert {item.name for item in grid.distances(counts) if item.drifted} == {column}


def test_rows_of_the_same_source_have_not_drifted():
    reference = profile_of(table(1))
    grid = grid_of(reference)
    for seed in range(2, 8):
        live = table(seed)
        found = distance(reference, live_profile(live, reference))
        assert not [item.label for item in found if item.drifted]
        counts = sum(grid.count(batch) for batch in live.read())
        assert not [item.label for item in grid.distances(counts) if item.drifted]


def test_embeddings_that_turned_into_something_else_are_missing_cells():
    reference = profile_of(table(1))
    words = pa.record_batch({"embedding": pa.array([["a"], ["b"]] * 100)})
    live = live_profile(table_of("t", [words]), reference)
    found = [item for item in distance(reference, live) if item.drifted]
    assert {item.question for item in found} == {"missing"}


def test_texts_that_became_short_are_still_held_against_texts():
    reference = profile_of(table(1))
    short = table_of("t", [pa.record_batch({"note": ["x"] * 500})])
    found = distance(reference, live_profile(short, reference))
    assert {item.label for item in found if item.drifted} >= {"note"}


def test_bins_of_several_measures_of_a_column_count_every_row_once():
    reference = profile_of(table(1))
    grid = grid_of(reference)
    names = [axis.label for axis in grid.axes]
    assert len(set(names)) == len(names) == 8 + 9 + 8
    batch = next(table(3, 100).read())
    for _, counts in grid.cut(grid.count(batch)):
        assert int(counts.sum()) == 100


def counting(start, n, *, unit=1, day=0):
    times = np.datetime64("2024-05-01") + np.arange(n) * np.timedelta64(60, "s")
    cells = times.astype("datetime64[us]") + np.timedelta64(day, "D")
    batch = pa.record_batch({"number": np.arange(start, start + n) * unit, "at": cells})
    return table_of("t", [batch])


def moved(first, second):
    reference = profile_of(first)
    return {i.name for i in distance(reference, live_profile(second, reference)) if i.drifted}


def test_times_and_row_numbers_that_go_on_have_not_drifted():
    assert moved(counting(0, 2000), counting(2000, 1500, day=9)) == set()


def test_a_number_whose_unit_changed_is_no_row_number():
    assert moved(counting(0, 2000), counting(2000, 1500, unit=100, day=9)) == {"number"}


def test_times_that_go_back_have_drifted():
    assert moved(counting(0, 2000), counting(2000, 1500, day=-900)) == {"at"}


@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 3), (3, 12, 12)])
def test_pictures_that_lie_on_their_side_have_drifted_though_their_pixels_are_alike(shape):
    def pictures(seed, *, turned=False):
        rng = np.random.default_rng(seed)
        values = rng.integers(0, 60, (1200, *shape))
        high = [place for place, size in enumerate(shape) if size > 3]
        bar = [slice(None)] * (len(shape) + 1)
        bar[1 + high[0 if not turned else 1]] = slice(0, 4)
        values[tuple(bar)] += 120
        cells = pa.FixedShapeTensorArray.from_numpy_ndarray(values.astype(np.uint8))
        return table_of("t", [pa.record_batch({"photo": cells})])

    reference = profile_of(pictures(1))
    for live, expected in ((pictures(2), set()), (pictures(3, turned=True), {"photo"})):
        found = distance(reference, live_profile(live, reference))
        assert {item.name for item in found if item.drifted} == expected
