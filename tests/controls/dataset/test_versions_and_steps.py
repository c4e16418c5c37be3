"""Steps against their contracts, versions against the first, parts against their source."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pyarrow as pa
import pytest

from hauberk.attacks.dataset.creep_labels import CreepLabels
from hauberk.attacks.dataset.edit_scaler import EditScaler
from hauberk.attacks.dataset.steer_selection import SteerSelection
from hauberk.attacks.dataset.thin_cell import ThinCell
from hauberk.controls.dataset.creeping_poison import CreepingPoison
from hauberk.controls.dataset.misfitted_transforms import MisfittedTransforms
from hauberk.controls.dataset.overlaid_signals import OverlaidSignals
from hauberk.controls.dataset.skewed_cells import SkewedCells
from hauberk.controls.dataset.steered_features import SteeredFeatures
from hauberk.controls.dataset.undeclared_changes import UndeclaredChanges
from hauberk.core.artifact import ROW_COLUMN, ColumnChange, Comparison, History, Transformation
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.errors import ArtifactError
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.scenarios.pk_3 import credit
from hauberk.range.scenarios.pp_5 import scaled
from hauberk.range.subjects import digits, images_with_labels, tumours
from hauberk.range.worlds.drawn import releases

DOUBLE = (ColumnChange(column="x", deed="multiply", numbers={"factor": 2.0}),)


def table(name="t", label="y", **columns):
    return table_of(name, [pa.RecordBatch.from_pydict(columns)], label=label)


# Contracts ---------------------------------------------------------------------------


def test_a_label_that_a_declared_step_changed_is_critical():
    old, new = table(x=[1.0, 2.0], y=["a", "b"]), table(x=[2.0, 4.0], y=["a", "a"])
    found = list(UndeclaredChanges().check(Transformation(old=old, new=new, declared=DOUBLE)))
    assert [(f.location.field, f.severity.value, f.location.rows) for f in found] == [
        ("y", "critical", (1,))
    ]


def test_a_declared_map_of_labels_is_no_finding():
    relabel = ColumnChange(column="y", deed="map", words={"b": "c"})
    old, new = table(x=[1.0, 2.0], y=["a", "b"]), table(x=[1.0, 2.0], y=["a", "c"])
    step = Transformation(old=old, new=new, declared=(relabel,))
    assert not list(UndeclaredChanges().check(step))


def test_rows_that_carry_ids_may_be_dropped():
    old = table(x=[1.0, 2.0, 3.0], y=["a", "b", "a"], **{ROW_COLUMN: ["p", "q", "r"]})
    new = table(x=[6.0, 2.0], y=["a", "a"], **{ROW_COLUMN: ["r", "p"]})
    assert not list(UndeclaredChanges().check(Transformation(old=old, new=new, declared=DOUBLE)))


def test_rows_without_ids_that_went_cannot_be_matched():
    old, new = table(x=[1.0, 2.0], y=["a", "b"]), table(x=[2.0], y=["a"])
    with pytest.raises(ArtifactError, match="cannot be told apart"):
        list(UndeclaredChanges().check(Transformation(old=old, new=new, declared=DOUBLE)))


def test_a_column_that_appeared_is_named():
    old, new = table(x=[1.0, 2.0], y=["a", "b"]), table(x=[2.0, 4.0], y=["a", "b"], z=[1, 1])
    found = list(UndeclaredChanges().check(Transformation(old=old, new=new, declared=DOUBLE)))
    assert [f.message for f in found] == ["column z of t appeared"]


def test_single_precision_is_no_undeclared_change():
    old = table(x=[0.1, 0.2], y=["a", "b"])
    new = table(x=pa.array([0.2, 0.4], pa.float32()), y=["a", "b"])
    assert not list(UndeclaredChanges().check(Transformation(old=old, new=new, declared=DOUBLE)))


def test_an_edited_scaler_is_named_though_the_output_agrees_with_it():
    attacked = EditScaler().apply(scaled(tumours(5, 200)), Random(5))
    found = list(MisfittedTransforms().check(attacked.subject))
    assert [f.location.field for f in found] == [attacked.truth["column"]]
    assert not list(UndeclaredChanges().check(attacked.subject))


def test_a_scaler_that_saw_test_rows_does_not_fit_the_training_rows():
    step = scaled(tumours(5, 200))
    training = rewrite.twin(step.old, rewrite.table(step.old).slice(0, 100))
    assert list(MisfittedTransforms().check(replace(step, training=training)))


# Pictures ----------------------------------------------------------------------------


def test_a_wave_over_a_third_of_a_class_is_found_row_by_row():
    rng = np.random.default_rng(4)
    images = rng.integers(80, 100, (400, 12, 12)).astype(float)
    labels = np.repeat(["a", "b", "c", "d"], 100)
    marked = np.arange(100, 130)
    images[marked] += 20 * np.sin(np.arange(12) * 2.6)
    pictures = images_with_labels("p", images.round().astype(np.uint8), labels, label="y")
    scores, finding = OverlaidSignals().check(pictures)
    assert isinstance(scores, RowScores)
    assert finding.level is Level.REVIEW
    assert set(finding.location.rows) <= set(marked.tolist())
    assert finding.evidence.facts["label"] == "b"


# Versions ----------------------------------------------------------------------------


def test_labels_that_creep_in_are_named_with_their_pair():
    history = CreepLabels(share=0.004).apply(releases(digits(3, 1000), 6), Random(3))
    found = [f for f in CreepingPoison().check(history.subject) if isinstance(f, Finding)]
    assert [(f.evidence.facts["looks like"], f.evidence.facts["called"]) for f in found] == [
        history.truth["pair"]
    ]
    assert set(found[0].location.rows) <= set(history.rows)


def test_relabelling_beyond_the_budget_is_a_defect():
    first = table(x=[float(i) for i in range(50)], y=["a", "b"] * 25)
    second = rewrite.with_cells(first, "y", [0, 1], ["b", "a"])
    history = History(versions=(first, second))
    found = [f for f in CreepingPoison().check(history) if isinstance(f, Finding)]
    assert [(f.level, f.location.field) for f in found] == [(Level.DEFECT, "y")]


# Parts and predecessors --------------------------------------------------------------


def test_the_thinned_class_and_group_are_named_first():
    clean = credit(6, 3_000)
    attacked = ThinCell(share=0.3).apply(clean, Random(6))
    truth = attacked.truth
    found = list(SkewedCells().check(Comparison(old=clean, new=attacked.subject)))
    assert {"class": truth["label"], "group": f"{truth['group']}={truth['level']}"} in [
        dict(f.evidence.facts) for f in found
    ]


def test_an_honest_training_part_has_no_skewed_cell():
    clean = credit(6, 3_000)
    part = rewrite.twin(clean, rewrite.table(clean).slice(0, 2_000))
    assert not list(SkewedCells().check(Comparison(old=clean, new=part)))


def test_the_lifted_column_is_named():
    clean = tumours(4, 400)
    attacked = SteerSelection().apply(clean, Random(4))
    found = list(SteeredFeatures().check(Comparison(old=clean, new=attacked.subject)))
    assert attacked.truth["column"] in {f.location.field for f in found}
