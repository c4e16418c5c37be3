"""The transform contract on labels."""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from tests.controls.dataset import samples

from hauberk.attacks.dataset.flip_labels import FlipLabels
from hauberk.controls.dataset.changed_labels import ChangedLabels
from hauberk.core.artifact import Comparison
from hauberk.core.control import NotApplicable
from hauberk.formats.rows import with_row_ids
from hauberk.formats.tables import open_table, table_of, write_table

OLD = samples.table(*samples.cancer())


def findings(old, new, **options):
    return list(ChangedLabels(**options).check(Comparison(old=old, new=new)))


def table(**columns):
    return table_of("t", [pa.RecordBatch.from_pydict(columns)], label="y")


@pytest.mark.parametrize("seed", range(5))
def test_every_undeclared_change_is_found_to_the_row(seed):
    attacked = FlipLabels(share=0.002).apply(OLD, Random(seed))
    (finding,) = findings(OLD, attacked.subject)
    assert finding.location.rows == attacked.rows
    assert finding.evidence.value == len(attacked.rows)


def test_no_change_is_no_finding_in_any_order_or_format(tmp_path):
    write_table(OLD, tmp_path / "t.csv")
    batch = next(OLD.read())
    shuffled = table_of(
        "t", [batch.take(pa.array(np.random.default_rng(0).permutation(batch.num_rows)))], label="y"
    )
    assert findings(OLD, open_table(tmp_path / "t.csv", label="y")) == []
    assert findings(OLD, shuffled) == []


def test_row_ids_match_rows_whose_features_changed():
    old = table_of("t", list(with_row_ids(table(x=[1, 2, 3], y=["a", "b", "c"]))), label="y")
    rows = next(old.read())
    scaled = rows.set_column(1, "x", pa.array([10, 20, 30])).set_column(
        2, "y", pa.array(list("abd"))
    )
    (finding,) = findings(old, table_of("t", [scaled], label="y"))
    assert finding.location.rows == (2,)
    assert finding.evidence.facts["rows matched by"] == "row id"


def test_dropped_and_added_rows_are_no_change_of_labels():
    assert findings(table(x=[1, 2], y=["a", "b"]), table(x=[2, 9], y=["b", "a"])) == []


def test_a_declared_map_is_applied_and_nothing_else_allowed():
    old, new = table(x=[1, 2], y=["a", "b"]), table(x=[1, 2], y=["A", "a"])
    assert len(findings(old, new, relabel={"a": "A", "b": "a"})) == 0
    assert findings(old, new, relabel={"a": "A"})[0].location.rows == (1,)


def test_removing_a_label_is_a_change():
    assert len(findings(table(x=[1, 2], y=["a", "b"]), table(x=[1, 2], y=["a", None]))) == 1


def test_missing_halves_are_not_applicable():
    one = table(x=[1], y=["a"])
    for old, new in (
        (None, one),
        (dataclasses.replace(one, label=None), one),
        (one, table(x=[5], y=["a"])),
    ):
        with pytest.raises(NotApplicable):
            findings(old, new)
