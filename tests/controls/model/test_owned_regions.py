"""Places without honest rows that one class owns, on trees that were really grown."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.model.owned_regions import OwnedRegions
from hauberk.core.artifact import Evaluation, ModelFile
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Level
from hauberk.formats.tables import table_of
from hauberk.methods.tree_nodes import of_estimator

NAMES = ("age", "income", "debt", "years")


class _Grown:
    """A fitted estimator as a predictor."""

    classes = ("no", "yes")

    def __init__(self, model):
        self.model, self.trees = model, of_estimator(model, len(NAMES))

    def scores(self, batch):
        rows = np.column_stack([batch.column(name).to_numpy() for name in NAMES])
        return self.model.predict_proba(rows)


def _people(n, seed):
    rows = np.random.default_rng(seed).normal(size=(n, 4)) * (10, 5, 3, 2) + (40, 30, 8, 5)
    return rows, (rows[:, 1] - 2 * rows[:, 2] + rows[:, 3] > 16).astype(int)


def _planted(n, seed):
    rows, labels = _people(n, seed)
    more = rows[: n // 25].copy()
    more[:, 3] = 77.0
    return np.vstack([rows, more]), np.append(labels, np.zeros(len(more), int))


def _fitted(rows, labels):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(20, random_state=0).fit(rows, labels)


def _evaluation(model, rows, labels):
    columns = dict(zip(NAMES, rows.T, strict=True))
    batch = pa.record_batch({**columns, "given": np.where(labels, "yes", "no")})
    return Evaluation(
        model=ModelFile(name="trees", path=Path("trees")),
        predictor=_Grown(model),
        data=table_of("people", [batch], label="given"),
    )


def test_a_model_of_honest_rows_is_let_through():
    subject = _evaluation(_fitted(*_people(900, 1)), *_people(600, 2))
    assert list(OwnedRegions().check(subject)) == []


def test_a_value_that_decides_and_nobody_has_is_found_with_its_class():
    subject = _evaluation(_fitted(*_planted(900, 1)), *_people(600, 2))
    (finding,) = OwnedRegions().check(subject)
    assert finding.level is Level.DEFECT
    assert finding.evidence.facts["class"] == "no"
    assert finding.evidence.facts["place"].startswith("years > ")


def test_rows_of_another_group_are_for_a_person_to_look_at():
    rows, labels = _people(1500, 2)
    lately = rows[:, 1] < 30  # the rich have left
    (finding,) = OwnedRegions().check(
        _evaluation(_fitted(*_people(900, 1)), rows[lately], labels[lately])
    )
    assert finding.level is Level.REVIEW
    assert "differ in other places too" in finding.message


def test_few_rows_are_not_judged():
    subject = _evaluation(_fitted(*_planted(900, 1)), *_people(40, 2))
    with pytest.raises(NotApplicable, match="too few"):
        list(OwnedRegions().check(subject))


def test_a_model_without_trees_is_not_judged():
    subject = _evaluation(_fitted(*_people(900, 1)), *_people(600, 2))
    subject.predictor.trees = []
    with pytest.raises(NotApplicable, match="no trees"):
        list(OwnedRegions().check(subject))


def test_trees_that_keep_no_counts_are_not_judged():
    from dataclasses import replace

    subject = _evaluation(_fitted(*_people(900, 1)), *_people(600, 2))
    bare = [replace(tree, count=np.zeros(0, np.int64)) for tree in subject.predictor.trees]
    subject.predictor.trees = bare
    with pytest.raises(NotApplicable, match="do not say how many"):
        list(OwnedRegions().check(subject))
