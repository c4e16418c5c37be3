"""Attacks do what they say, to the rows they name, and nothing else."""

from __future__ import annotations

from random import Random

import numpy as np
import pyarrow as pa
import pytest

from hauberk.attacks.dataset.flip_labels import FlipLabels
from hauberk.attacks.dataset.leak_rows import LeakRows
from hauberk.attacks.dataset.stamp_trigger import StampTrigger
from hauberk.core.artifact import Splits
from hauberk.errors import UsageError
from hauberk.formats.rows import row_digests
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite

RNG = np.random.default_rng(0)
TABLE = table_of(
    "t",
    [
        pa.RecordBatch.from_pydict(
            {
                "a": RNG.normal(size=200),
                "b": RNG.integers(0, 9, 200),
                "w": [f"{'plain words ' * 5}{i}" for i in range(200)],
                "y": RNG.choice(["p", "q", "r"], 200),
            }
        )
    ],
    label="y",
)
IMAGES = table_of(
    "i",
    [
        pa.RecordBatch.from_arrays(
            [
                pa.FixedShapeTensorArray.from_numpy_ndarray(
                    RNG.integers(0, 200, (100, 9, 9)).astype(np.uint8)
                ),
                pa.array(RNG.integers(0, 3, 100)),
            ],
            names=["X", "y"],
        )
    ],
    label="y",
)


def changed_rows(old, new):
    before, after = (row_digests(rewrite.table(part)) for part in (old, new))
    return tuple(i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)


def cells(dataset, name):
    return rewrite.table(dataset).column(name).to_pylist()


@pytest.mark.parametrize("choice", ["random", "boundary", "targeted"])
def test_flips_change_exactly_the_named_labels(choice):
    attacked = FlipLabels(share=0.1, choice=choice).apply(TABLE, Random(1_000))
    assert changed_rows(TABLE, attacked.subject) == attacked.rows
    assert cells(attacked.subject, "a") == cells(TABLE, "a")
    assert set(cells(attacked.subject, "y")) <= {"p", "q", "r"}


def test_random_flips_take_the_stated_share():
    assert len(FlipLabels(share=0.1).apply(TABLE, Random(0)).rows) == 20


@pytest.mark.parametrize("pattern", ["patch", "anywhere", "pixel", "blended", "jittered", "warp"])
def test_stamped_images_carry_pattern_and_target(pattern):
    attacked = StampTrigger(share=0.05, pattern=pattern).apply(IMAGES, Random(1_000))
    labels = cells(attacked.subject, "y")
    assert len(attacked.rows) == 5
    assert changed_rows(IMAGES, attacked.subject) == attacked.rows
    assert {str(labels[row]) for row in attacked.rows} == {attacked.truth["target"]}
    assert rewrite.table(attacked.subject).schema == rewrite.table(IMAGES).schema


@pytest.mark.parametrize("pattern", ["value", "range", "pair", "word"])
def test_stamped_tables_carry_pattern_and_target(pattern):
    attacked = StampTrigger(share=0.05, pattern=pattern).apply(TABLE, Random(1_000))
    labels = cells(attacked.subject, "y")
    assert len(attacked.rows) == 10
    assert changed_rows(TABLE, attacked.subject) == attacked.rows
    assert {labels[row] for row in attacked.rows} == {attacked.truth["target"]}
    for name in attacked.truth["columns"]:
        marked = {cells(attacked.subject, name)[row] for row in attacked.rows}
        assert len(marked) == 1 or pattern == "word"


def test_all_to_all_gives_each_row_the_next_class():
    attacked = StampTrigger(share=0.1, goal="each").apply(TABLE, Random(4))
    after = {"p": "q", "q": "r", "r": "p"}
    old, new = cells(TABLE, "y"), cells(attacked.subject, "y")
    assert all(new[row] == after[old[row]] for row in attacked.rows)
    assert attacked.truth["target"] is None


def test_auto_fits_the_data():
    assert StampTrigger().apply(IMAGES, Random(0)).truth["pattern"] == "patch"
    assert StampTrigger().apply(TABLE, Random(0)).truth["pattern"] == "value"


@pytest.mark.parametrize("disguise", ["exact", "jitter"])
def test_leaks_replace_exactly_the_named_test_rows(disguise):
    attacked = LeakRows(share=0.05, disguise=disguise).apply(
        Splits(train=TABLE, test=rewrite.twin(TABLE, rewrite.table(TABLE).slice(150))), Random(3)
    )
    assert set(
        changed_rows(rewrite.twin(TABLE, rewrite.table(TABLE).slice(150)), attacked.subject.test)
    ) <= set(attacked.rows)
    assert len(attacked.rows) == len(attacked.truth["train_rows"]) == 2


@pytest.mark.parametrize(
    "attack",
    [FlipLabels(share=0.1), StampTrigger(share=0.1), StampTrigger(share=0.1, pattern="range")],
)
def test_the_same_seed_gives_the_same_twin(attack):
    one, two = (attack.apply(TABLE, Random(9)) for _ in range(2))
    assert one.rows == two.rows
    assert changed_rows(one.subject, two.subject) == ()


@pytest.mark.parametrize(
    "attack",
    [
        FlipLabels(choice="nonsense"),
        StampTrigger(pattern="nonsense"),
        StampTrigger(goal="nonsense"),
        StampTrigger(pattern="patch"),
    ],
)
def test_attacks_that_do_not_fit_are_refused(attack):
    with pytest.raises(UsageError):
        attack.apply(TABLE, Random(0))


def test_attacks_on_labels_need_labels():
    bare = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0], "y": [1]})])
    single = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0], "y": [1]})], label="y")
    for attack, table in ((FlipLabels(), bare), (StampTrigger(), bare), (FlipLabels(), single)):
        with pytest.raises(UsageError):
            attack.apply(table, Random(0))
