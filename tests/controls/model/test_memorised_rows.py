from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.model.memorised_rows import MemorisedRows
from hauberk.core.artifact import Evaluation, ModelFile
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Level
from hauberk.formats.tables import table_of


class _Sure:
    """A model that is surer of rows with a small number than of others."""

    classes = ("0", "1")

    def __init__(self, boost: float) -> None:
        self._boost = boost

    def scores(self, batch: Any) -> Any:
        x = batch.column("x").to_numpy()
        label = batch.column("y").to_numpy()
        rng = np.random.default_rng(int(x[0]))
        logit = rng.normal(2, 1, len(x)) + np.where(x < 10_000, self._boost, 0)
        own = 1 / (1 + np.exp(-logit))
        return np.where(label[:, None] == np.array([0, 1]), own[:, None], 1 - own[:, None])


def _evaluation(boost: float, n_test: int = 1000, *, train: bool = True) -> Evaluation:
    def rows(start: int, n: int) -> Any:
        cells = {"x": list(range(start, start + n)), "y": [i % 2 for i in range(n)]}
        return table_of("t", [pa.record_batch(cells)], label="y")

    return Evaluation(
        model=ModelFile(name="m", path=Path("m")),
        predictor=_Sure(boost),
        data=rows(10_000, n_test),
        train=rows(0, 1000) if train else None,
    )


def test_a_model_that_is_much_surer_of_training_rows_is_named():
    (finding,) = MemorisedRows().check(_evaluation(boost=3.0))
    assert finding.evidence.value > 0.5


def test_a_model_that_is_as_sure_of_other_rows_is_silent():
    assert list(MemorisedRows().check(_evaluation(boost=0.0))) == []


def test_what_is_recognised_by_chance_is_about_the_false_positive_rate():
    leak = MemorisedRows().leak(_evaluation(boost=0.0))
    assert leak.rate < 0.03
    assert leak.false_rate <= 0.01


class _Tree:
    """A full tree: sure of everything, right for all training rows and for some of the others."""

    classes = ("0", "1")

    def __init__(self, right: float) -> None:
        self._right = right

    def scores(self, batch: Any) -> Any:
        x, label = batch.column("x").to_numpy(), batch.column("y").to_numpy()
        knows = (x < 10_000) | (np.random.default_rng(int(x[0])).random(len(x)) < self._right)
        given = np.where(knows, label, 1 - label)
        return (given[:, None] == np.array([0, 1])).astype(float)


def _over_fitted(right: float) -> Evaluation:
    return replace(_evaluation(boost=0.0), predictor=_Tree(right))


def test_tied_confidences_are_no_proof_of_safety_and_answers_tell_members():
    leak = MemorisedRows().leak(_over_fitted(0.6))
    assert leak.tied[0] == 1.0
    assert 0.5 < leak.tied[1] < 0.7
    (finding,) = MemorisedRows().check(_over_fitted(0.6))
    assert finding.level is Level.REVIEW
    assert 0.3 < finding.evidence.value < 0.4


def test_a_small_gap_of_right_answers_is_no_finding():
    assert list(MemorisedRows().check(_over_fitted(0.9))) == []


def test_too_few_other_rows_prove_no_rate():
    with pytest.raises(NotApplicable, match="299 are needed"):
        list(MemorisedRows().check(_evaluation(boost=3.0, n_test=200)))


def test_without_training_rows_there_is_nothing_to_compare():
    with pytest.raises(NotApplicable, match="not given"):
        list(MemorisedRows().check(_evaluation(boost=0.0, train=False)))
