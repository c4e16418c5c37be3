"""Laws of the profile: order, batches and shards leave no trace in the bytes."""

from __future__ import annotations

import datetime as dt
import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, InternalError
from hauberk.formats.tables import table_of
from hauberk.sketches import numbers, values
from hauberk.sketches.numbers import MAX_BINS, Numbers, keys_of, values_of
from hauberk.sketches.profile import Profile, profile_of
from hauberk.sketches.values import Values

FLOATS = st.floats(allow_nan=False)
ROWS = st.lists(
    st.tuples(
        st.floats() | st.none(),
        st.sampled_from(["a", "b", "", None]),
        st.sampled_from(["x", "y"]),
        st.text(max_size=3),
    ),
    min_size=1,
    max_size=60,
)


def dataset(rows):
    n, g, y, t = zip(*rows, strict=True)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(n, pa.float64()),
            pa.array(g, pa.string()),
            pa.array(y),
            pa.array([f"{'long ' * 10}{text}" for text in t]),
            pa.array([dt.datetime(2020, 1, 1 + i % 9, tzinfo=dt.UTC) for i in range(len(rows))]),
            pa.FixedShapeTensorArray.from_numpy_ndarray(
                np.arange(len(rows) * 4, dtype=np.float32).reshape(-1, 2, 2) / 7
            ),
        ],
        names=["n", "g", "y", "t", "d", "i"],
    )
    return table_of("t", [batch], label="y", sensitive=["g", "y"])


def parts_of(table, sizes):
    batch = next(table.read())
    start, parts = 0, []
    for size in [*sizes, batch.num_rows]:
        part = Profile.start(table)
        part.update(batch.slice(start, size))
        start += min(size, batch.num_rows - start)
        parts.append(part)
    return parts


def merged(parts):
    total, *others = (Profile.from_bytes(part.to_bytes()) for part in parts)
    for part in others:
        total.merge(part)
    return total


@given(ROWS, st.lists(st.integers(0, 20), max_size=5), st.randoms())
def test_bytes_do_not_depend_on_cuts_order_or_grouping(rows, sizes, random):
    table = dataset(rows)
    parts = parts_of(table, sizes)
    random.shuffle(parts)
    halfway = len(parts) // 2
    grouped = [merged(parts[:halfway]), merged(parts[halfway:])] if halfway else parts
    assert merged(grouped).to_bytes() == profile_of(table).to_bytes()


@given(st.lists(st.lists(FLOATS, max_size=2_000 // 4), min_size=1, max_size=4), st.randoms())
def test_sketches_of_numbers_merge_in_any_order(shards, random):
    whole = Numbers()
    whole.update(np.array([x for shard in shards for x in shard], np.float64))
    random.shuffle(shards)
    total = Numbers()
    for shard in shards:
        part = Numbers()
        part.update(np.array(shard, np.float64))
        total.merge(part)
    assert total.to_json() == whole.to_json()


@pytest.mark.parametrize("draw", ["normal", "uniform", "integers", "exponential"])
def test_quantiles_are_close_and_bins_few(draw):
    rng = np.random.default_rng(1)
    sample = {
        "normal": lambda: rng.normal(1.6e9, 1e5, 50_000),
        "uniform": lambda: rng.random(50_000),
        "integers": lambda: rng.integers(1990, 2025, 50_000).astype(float),
        "exponential": lambda: rng.exponential(3, 50_000),
    }[draw]()
    sketch = Numbers()
    for part in np.array_split(sample, 7):
        sketch.update(part)
    assert sketch.bins.size <= MAX_BINS
    for share in (0.01, 0.25, 0.5, 0.9):
        rank = np.mean(sample <= sketch.quantile(share))
        assert abs(rank - share) < 0.02 or np.mean(sample < sketch.quantile(share)) <= share
    assert (sketch.low, sketch.high) == (sample.min(), sample.max())
    edges, counts = sketch.histogram(10)
    assert sum(counts) == sample.size
    assert len(edges) == 11


def test_few_values_are_kept_exactly():
    sketch = Numbers()
    sketch.update(np.array([2020.0, 2020.0, 2021.0, math.inf]))
    assert sketch.distinct == 3
    assert sketch.infinite == 1
    assert sketch.quantile(0.0) == 2020.0


def test_many_different_numbers_are_estimated():
    sketch = Numbers()
    sketch.update(np.arange(100_000.0))
    assert abs(sketch.distinct - 100_000) < 20_000


def test_an_empty_sketch_has_no_quantile():
    assert Numbers().quantile(0.5) is None
    assert Numbers().low is None
    assert Numbers().histogram(3) == ((), ())


@given(st.lists(FLOATS, min_size=2, max_size=20))
def test_keys_sort_as_numbers_do(xs):
    array = np.array(xs)
    assert np.array_equal(values_of(keys_of(array)), array)
    order = np.argsort(keys_of(array), kind="stable")
    assert np.array_equal(array[order], np.sort(array))


@given(st.lists(st.text(max_size=2), max_size=60), st.integers(0, 60), st.integers(1, 8))
def test_values_are_exact_until_they_overflow_and_mergeable_after(words, cut, size):
    def sketch(part):
        kept = Values(size=size)
        for word in part:
            kept.update({word: 1})
        return kept

    left, right = sketch(words[:cut]), sketch(words[cut:])
    right.merge(left)
    assert right.to_json() == sketch(words).to_json()
    assert right.overflown == (len(set(words)) > size)
    if not right.overflown:
        assert {name: words.count(name) for name in set(words)} == dict(right.top(99))


def test_a_sample_of_many_values_says_how_many_there_are():
    kept = Values()
    kept.update({str(i): 1 for i in range(50_000)})
    assert abs(kept.distinct - 50_000) < 5_000
    assert kept.top(3) == ()


def test_a_profile_says_what_a_reader_asks():
    table = dataset([(1.0, "a", "x", ""), (2.0, "b", "y", ""), (None, "a", "x", "")])
    profile = profile_of(table)
    assert profile.column("n").missing == 1
    assert (profile.column("n").low, profile.column("n").high) == (1.0, 2.0)
    assert profile.column("g").categories == ("a", "b")
    assert profile.column("g").low is None
    assert profile.column("n").categories is None
    assert profile.column("n").distinct == 2
    assert profile.column("g").distinct == 2
    assert profile.column("d").dtype == "timestamp[us, tz=UTC]"
    assert profile.balance() == {"x": 2, "y": 1}
    assert profile.representation(["g"]) == {("a", "x"): 2, ("b", "y"): 1}
    assert profile.representation(["g", "y"]) == {("a", "x", "x"): 2, ("b", "y", "y"): 1}
    with pytest.raises(KeyError):
        profile.column("none")


def test_a_profile_holds_no_floating_point_number():
    def walk(value):
        assert not isinstance(value, float)
        children = value.values() if isinstance(value, dict) else value
        for child in children if isinstance(value, (dict, list)) else ():
            walk(child)

    walk(json.loads(profile_of(dataset([(0.1, "a", "x", "t")] * 3)).to_bytes()))


def test_a_profile_without_a_label_has_no_balance():
    table = table_of("t", [pa.RecordBatch.from_pydict({"x": pa.array([1], pa.date32())})])
    assert profile_of(table).balance() == {}


def test_missing_images_are_counted():
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((2, 2, 2), np.uint8))
    gone = images.filter(pa.array([True, False])).take(pa.array([0, None]))
    for cells, missing in ((images, 0), (gone, 1), (gone.slice(1), 1)):
        table = table_of("t", [pa.RecordBatch.from_arrays([cells], names=["X"])])
        assert profile_of(table).column("X").missing == missing


def test_different_columns_do_not_merge():
    one = profile_of(table_of("t", [pa.RecordBatch.from_pydict({"x": [1]})]))
    two = profile_of(table_of("t", [pa.RecordBatch.from_pydict({"x": [1.5]})]))
    three = profile_of(table_of("t", [pa.RecordBatch.from_pydict({"z": [1]})]))
    for other in (two, three):
        with pytest.raises(InternalError):
            one.merge(other)


@given(st.data())
def test_tampered_bytes_are_refused_or_still_a_profile(data):
    raw = profile_of(dataset([(1.0, "a", "x", "t"), (2.0, "b", "y", "u")])).to_bytes()
    place = data.draw(st.integers(0, len(raw) - 1))
    bad = raw[:place] + data.draw(st.binary(max_size=3)) + raw[place + 1 :]
    try:
        again = Profile.from_bytes(bad)
    except ArtifactError:
        return
    assert Profile.from_bytes(again.to_bytes()).to_bytes() == again.to_bytes()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"schema":2}', b"[" * 100_000, b"null"])
def test_other_bytes_are_refused(raw):
    with pytest.raises(ArtifactError):
        Profile.from_bytes(raw)


def test_profiles_beyond_the_bound_are_refused(monkeypatch):
    monkeypatch.setattr("hauberk.sketches.profile.MAX_PROFILE_BYTES", 1)
    with pytest.raises(ArtifactError, match="2 bytes"):
        Profile.from_bytes(b"{}")


def test_contradicting_counts_are_refused():
    sketch = Numbers()
    sketch.update(np.array([1.0]))
    with pytest.raises(ArtifactError):
        numbers.Numbers.from_json(sketch.to_json() | {"count": 2})
    with pytest.raises(ArtifactError):
        values.Values.from_json(Values().to_json() | {"count": 2})
    with pytest.raises(ArtifactError):
        values.Values.from_json({})


def test_sketches_of_nothing_merge_and_say_nothing():
    empty, full = Numbers(), Numbers()
    full.update(np.array([1.0, 2.0]))
    before = full.to_json()
    full.merge(empty)
    assert full.to_json() == before
    empty.merge(full)
    assert empty.to_json() == before
    assert numbers.estimated(np.zeros(0, np.uint64)) == 0


def test_a_profile_without_a_label_merges_too():
    table = table_of("t", [pa.RecordBatch.from_pydict({"g": ["a", "b"]})], sensitive=["g"])
    total = profile_of(table)
    total.merge(profile_of(table))
    assert total.rows == 4
    assert total.representation(["g"]) == {("a",): 2, ("b",): 2}


def test_a_full_set_of_hashes_ignores_larger_ones():
    sketch = Numbers()
    sketch.update(np.arange(10_000.0))
    before = sketch.hashes
    kept = numbers.smallest(before, np.array([2**64 - 1], np.uint64))
    assert np.array_equal(kept, before)
