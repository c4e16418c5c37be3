from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.model.copied_set import CopiedSet
from hauberk.core.artifact import Dataset, Evaluation, ModelFile
from hauberk.core.control import NotApplicable
from hauberk.formats.tables import table_of
from hauberk.methods.ownership import sureness


def _rows(seed: int, n: int) -> Dataset:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    hard = x + rng.normal(0, 0.5, n) > 0
    return table_of("t", [pa.record_batch({"x": x, "y": hard.astype(int)})], label="y")


class _Knows:
    """A model that is right about `x`, and a little surer of the rows that it was given."""

    classes = ("0", "1")

    def __init__(self, known: Dataset, boost: float) -> None:
        self._boost = boost
        self._known = {value for batch in known.read() for value in batch.column("x").to_pylist()}

    def scores(self, batch: Any) -> Any:
        x = batch.column("x").to_numpy()
        sign = np.where(batch.column("y").to_numpy() == 1, 1.0, -1.0)
        seen = np.array([value in self._known for value in x.tolist()])
        one = 1 / (1 + np.exp(-(3 * x + sign * self._boost * seen)))
        return np.stack([1 - one, one], axis=1)


def _suspect(boost: float, n: int = 300) -> Evaluation:
    own = _rows(1, n)
    return Evaluation(
        model=ModelFile(name="rival", path=Path("rival")),
        predictor=_Knows(own, boost),
        data=_rows(2, n),
        train=own,
    )


def test_a_model_that_knows_the_rows_a_little_better_is_named():
    (finding,) = CopiedSet().check(_suspect(boost=0.5))
    assert finding.evidence.value <= 0.001
    assert "rival is surer of 300 rows of the set" in finding.message


def test_a_model_to_which_both_kinds_are_new_is_let_pass():
    assert list(CopiedSet().check(_suspect(boost=0.0))) == []


def test_p_values_of_models_that_saw_neither_kind_are_spread_over_all_values():
    values = []
    for seed in range(20, 26):
        held, own = _rows(seed, 150), _rows(seed + 100, 150)
        subject = replace(_suspect(0.0), predictor=_Knows(held, 0.0), data=held, train=own)
        values.append(sureness(subject, max_rows=150, seed=0).p_value)
    assert min(values) > 0.001
    assert 0.1 < np.median(values) < 0.9


def test_rows_in_both_files_are_left_out():
    subject = _suspect(boost=0.5)
    assert subject.train is not None
    both = [*subject.data.read(), *subject.train.read()]
    mixed = replace(subject, data=table_of("mixed", both, label="y"))
    found = sureness(mixed, max_rows=1000, seed=0)
    assert (found.n_shared, len(found.held_back)) == (300, 300)


def test_no_more_rows_are_looked_at_than_allowed():
    found = CopiedSet(max_rows=120).told(_suspect(boost=0.5))
    assert (len(found.own), len(found.held_back)) == (120, 120)


def test_without_the_set_nothing_is_told():
    with pytest.raises(NotApplicable, match="rows of the set are not given"):
        CopiedSet().told(replace(_suspect(0.5), train=None))


def test_numbers_in_place_of_probabilities_are_not_judged():
    subject = _suspect(0.5)

    class _Numbers:
        classes = ("0", "1")

        def scores(self, batch: Any) -> Any:
            return np.full((batch.num_rows, 2), 7.0)

    with pytest.raises(NotApplicable, match="no probabilities"):
        CopiedSet().told(replace(subject, predictor=_Numbers()))
