"""A part without a class is named; shares that differ are not."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from hauberk.controls.dataset.lopsided_split import LopsidedSplit
from hauberk.controls.dataset.skewed_cells import SkewedCells
from hauberk.core.artifact import Comparison, Splits
from hauberk.core.control import NotApplicable
from hauberk.formats.tables import table_of


def part(name, labels):
    return table_of(name, [pa.RecordBatch.from_pydict({"y": labels})], label="y")


def fields(train, test):
    splits = Splits(train=part("train", train), test=part("test", test))
    return [f.evidence.facts["class"] for f in LopsidedSplit().check(splits)]


def test_a_class_that_the_test_part_lacks_is_named():
    assert fields(["a", "b", "b"] * 60, ["b"] * 80) == ["a"]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (["a", "b"] * 100, ["a"] * 70 + ["b"]),
        (["a"] * 500 + ["b"] * 3, ["a"] * 200),
        (["a", "b"] * 100, ["a"] * 5),
    ],
)
def test_rarer_classes_rare_ones_and_small_parts_pass(train, test):
    assert fields(train, test) == []


def test_a_number_of_many_values_is_no_class():
    with pytest.raises(NotApplicable):
        fields(list(range(300)), [1, 2, 3])


def test_numbers_of_findings_on_moved_versions_can_be_written_as_json():
    rows = [("f", "no"), ("m", "yes")] * 300 + [("f", "yes")] * 300 + [("m", "no")] * 300
    kept = rows[:600] + rows[660:]
    old, new = (
        table_of(
            name,
            [pa.RecordBatch.from_pydict({"sex": [s for s, _ in part], "y": [y for _, y in part]})],
            label="y",
        )
        for name, part in (("old", rows), ("new", kept))
    )
    findings = list(SkewedCells().check(Comparison(old=old, new=new)))
    assert json.dumps([[f.evidence.value, f.evidence.threshold] for f in findings]) != "[]"
