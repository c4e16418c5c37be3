"""Rows become arrays the same way from any file, and features keep alike rows near."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.core.control import NotApplicable
from hauberk.errors import UnavailableError
from hauberk.formats.tables import open_table, table_of, write_table
from hauberk.methods import embed

RNG = np.random.default_rng(0)


def table(columns, label=None):
    return table_of("t", [pa.RecordBatch.from_pydict(columns)], label=label)


def images(pixels, labels=None):
    cells = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(pixels))
    labels = np.zeros(len(pixels)) if labels is None else labels
    rows = pa.RecordBatch.from_arrays([cells, pa.array(labels)], names=["X", "y"])
    return table_of("i", [rows], label="y")


MIXED = {
    "n": [1.0, None, 3.0, 4.0],
    "c": ["a", "b", None, "a"],
    "t": [f"{'word ' * 10}{i}" for i in range(4)],
    "y": [1, 0, 1, None],
}


def test_columns_land_where_they_belong():
    rows = embed.load(table(MIXED, "y"))
    assert rows.labels.tolist() == [1, 0, 1, -1]
    assert rows.classes == ("0", "1")
    assert np.isnan(rows.numbers[1, 0])
    assert rows.codes[:, 0].tolist() == [0, 1, -1, 0]
    assert rows.levels == (("c", ("a", "b")),)
    assert rows.texts is not None
    assert rows.images is None


def test_files_and_memory_give_equal_arrays(tmp_path):
    columns = {
        "n": RNG.normal(size=50),
        "c": RNG.choice(["a", "b"], 50),
        "y": RNG.integers(0, 2, 50),
    }
    write_table(table(columns), tmp_path / "t.csv")
    write_table(table(columns), tmp_path / "t.parquet")
    found = [
        embed.features(embed.load(source))
        for source in (
            table(columns, "y"),
            open_table(tmp_path / "t.csv", label="y"),
            open_table(tmp_path / "t.parquet", label="y"),
        )
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [
        (RNG.integers(0, 255, (5, 8, 9)).astype(np.uint8), (5, 8, 9, 1)),
        (RNG.integers(0, 255, (5, 8, 9, 3)).astype(np.uint8), (5, 8, 9, 3)),
        (RNG.integers(0, 255, (5, 3, 8, 9)).astype(np.uint8), (5, 8, 9, 3)),
        (RNG.normal(size=(5, 8, 9)), (5, 8, 9, 1)),
    ],
)
def test_images_have_channels_last_and_values_from_0_to_1(pixels, shape):
    found = embed.load(images(pixels)).images
    assert found.shape == shape
    assert found.min() >= 0
    assert found.max() <= 1


def test_numbered_columns_that_make_a_square_are_an_image():
    pixels = RNG.integers(0, 16, (20, 64))
    names = {f"pixel_{i // 8}_{i % 8}": pixels[:, i] for i in range(64)}
    assert embed.load(table(names)).images.shape == (20, 8, 8, 1)


@pytest.mark.parametrize(
    "names",
    [
        [f"c{i}" for i in range(63)],
        [f"c{63 - i}" for i in range(64)],
        [f"{'ab'[i % 2]}{i}" for i in range(64)],
    ],
)
def test_other_columns_are_no_image(names):
    assert embed.load(table({name: [0.0, 1.0] for name in names})).images is None


def test_negative_or_missing_numbers_are_no_image():
    for odd in (-1.0, None):
        columns = {f"c{i}": [1.0, 2.0] for i in range(49)} | {"c0": [odd, 1.0]}
        assert embed.load(table(columns)).images is None


def test_empty_and_too_large_sets_are_refused(monkeypatch):
    with pytest.raises(NotApplicable):
        embed.load(table({"x": pa.array([], pa.float64())}))
    monkeypatch.setattr(embed, "MAX_CELLS", 3)
    with pytest.raises(UnavailableError, match="too large"):
        embed.load(table({"x": [1.0] * 4}))


def test_missing_images_are_not_applicable():
    cells = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((2, 8, 8)))
    rows = pa.RecordBatch.from_arrays([cells.take(pa.array([0, None]))], names=["X"])
    with pytest.raises(NotApplicable):
        embed.load(table_of("i", [rows]))


def test_rows_without_anything_to_compare_are_not_applicable():
    rows = embed.load(table({"o": pa.array([[1], [2]]), "y": [0, 1]}, "y"))
    with pytest.raises(NotApplicable):
        embed.features(rows)


def test_picked_rows_keep_their_values():
    rows = embed.load(table(MIXED, "y"))
    part = embed.picked(rows, np.array([2, 0]))
    assert part.n_rows == 2
    assert part.labels.tolist() == [1, 1]
    assert part.texts == (rows.texts[2], rows.texts[0])
    pictures = embed.load(images(np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8)))
    assert np.array_equal(embed.picked(pictures, np.array([1])).images[0], pictures.images[1])


def test_features_are_finite_and_bounded_for_any_numbers():
    odd = table({"a": [1e300, -1e300, np.inf, np.nan], "b": [None] * 4, "c": [5.0] * 4})
    x = embed.features(embed.load(odd))
    assert np.isfinite(x).all()


def test_ranks_ignore_how_far_out_a_value_is():
    near, far = (embed.ranks(np.array([[1.0], [2.0], [np.nan], [v]])) for v in (3.0, 1e9))
    assert np.array_equal(near, far, equal_nan=True)
    assert embed.ranks(np.zeros((3, 0))).shape == (3, 0)


@given(st.integers(2, 30), st.integers(1, 8), st.integers(1, 10))
def test_principal_components_keep_distances_when_all_are_kept(n, width, size):
    x = np.random.default_rng(n).normal(size=(n, width)).astype(np.float32)
    z = embed.principal(x, size)
    assert z.shape[1] <= min(size, width)
    if size >= width:
        assert np.allclose(
            np.linalg.norm(x[0] - x[1:], axis=1), np.linalg.norm(z[0] - z[1:], axis=1), atol=1e-2
        )


def test_very_wide_rows_are_projected(monkeypatch):
    monkeypatch.setattr(embed, "MAX_EXACT_PCA", 16)
    assert embed.principal(RNG.normal(size=(30, 40)), 5).shape == (30, 5)


def test_texts_with_common_words_are_near():
    texts = ["the cat sat down", "a cat sat there", "stocks fell sharply", "x y z"]
    x = embed.hashed_words(texts)
    assert x[0] @ x[1] > x[0] @ x[2]


@given(st.integers(1, 40), st.integers(1, 6), st.booleans())
def test_neighbours_agree_with_brute_force(n, k, same):
    x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    places, distances = embed.neighbours(x, x, k, same=same)
    full = np.linalg.norm(x[:, None] - x[None], axis=2)
    if same:
        np.fill_diagonal(full, np.inf)
    expected = np.sort(full, axis=1)[:, : places.shape[1]]
    assert places.shape[1] == min(k, n - same)
    assert np.allclose(distances, expected, atol=2e-3)
    assert np.all(np.diff(distances, axis=1) >= 0)


def test_large_searches_are_cut_into_parts(monkeypatch):
    x = RNG.normal(size=(50, 4)).astype(np.float32)
    whole = embed.neighbours(x, x, 3, same=True)[0]
    assert np.array_equal(whole, embed.neighbours(x, x, 3, same=True)[0])
