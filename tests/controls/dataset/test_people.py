"""Annotators and contributors who stand out."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.controls.dataset.annotator_errors import AnnotatorErrors
from hauberk.controls.dataset.contributor_errors import ContributorErrors
from hauberk.core.control import NotApplicable, findings_of
from hauberk.core.finding import RowScores
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.subjects import digits, tumours


def crowd(role: str, *, flipped: bool, seed: int = 3):
    """Digits by eight people, the third of whom calls every one a seven."""
    rows = rewrite.table(digits(seed, 800))
    who = np.array([f"p{row % 8}" for row in range(800)])
    labels = np.array(rows.column("digit").to_pylist())
    if flipped:
        labels[(who == "p2") & (labels == "1")] = "7"
    import pyarrow as pa

    batch = pa.RecordBatch.from_arrays(
        [rows.column("image"), pa.array(labels), pa.array(who)], names=["image", "digit", "who"]
    )
    return table_of("crowd", [batch], label="digit", **{role: "who"})


@pytest.mark.parametrize(
    ("control", "role"), [(AnnotatorErrors(), "annotator"), (ContributorErrors(), "source")]
)
def test_the_person_and_the_pair_are_named(control, role):
    (finding,) = findings_of(control.check(crowd(role, flipped=True)))
    assert "p2" in finding.message
    assert "1 labelled 7" in finding.message


@pytest.mark.parametrize(
    ("control", "role"), [(AnnotatorErrors(), "annotator"), (ContributorErrors(), "source")]
)
def test_honest_people_pass(control, role):
    assert not findings_of(control.check(crowd(role, flipped=False)))


def test_wrong_rows_of_bad_people_score_highest():
    table = crowd("source", flipped=True)
    scores = next(r for r in ContributorErrors().check(table) if isinstance(r, RowScores))
    ((_, values),) = scores.read()
    batch = next(table.read())
    digit, who = (np.array(batch.column(name).to_pylist()) for name in ("digit", "who"))
    true = np.array(rewrite.table(digits(3, 800)).column("digit").to_pylist())
    wrong = np.flatnonzero((digit != true) & (who == "p2"))
    best = np.argsort(-np.array(values))[: wrong.size]
    assert np.isin(wrong, best).mean() > 0.8


def test_without_a_column_of_people_nothing_is_judged():
    with pytest.raises(NotApplicable):
        list(AnnotatorErrors().check(tumours(1)))
