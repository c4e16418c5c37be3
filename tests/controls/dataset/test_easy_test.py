"""Test parts of easy rows, and parts that were drawn as the training part was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hauberk.controls.dataset.easy_test import EasyTest
from hauberk.core.artifact import Splits
from hauberk.core.control import NotApplicable, findings_of
from hauberk.core.finding import Level
from hauberk.formats.tables import table_of


def rows(seed: int, n: int = 1_200) -> tuple[pd.DataFrame, np.ndarray]:
    """A table with a label that follows in part, and how far each row is from the boundary."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    kind = rng.choice(list("abc"), n)
    score = x[:, 0] + 0.6 * x[:, 1] + (kind == "a")
    frame = pd.DataFrame(x.round(4), columns=["x", "y", "z"]).assign(kind=kind)
    frame["label"] = np.where(score + rng.normal(size=n) * 0.6 > 0.3, "yes", "no")
    return frame, np.abs(score - 0.3)


def part(name: str, frame: pd.DataFrame):
    batch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    return table_of(name, [batch], label="label")


def found_in(frame, test):
    kept = np.setdiff1d(np.arange(len(frame)), test)
    splits = Splits(train=part("train", frame.iloc[kept]), test=part("test", frame.iloc[test]))
    return list(findings_of(EasyTest().check(splits)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_part_of_sure_rows_is_told_for_review(seed):
    frame, distance = rows(seed)
    easy = np.random.default_rng(seed).permutation(np.flatnonzero(distance > 0.9))[:250]
    (finding,) = found_in(frame, easy)
    assert finding.level is Level.REVIEW
    assert "easier than those it was parted from" in finding.message


@pytest.mark.parametrize("seed", range(11, 17))
def test_parts_that_were_drawn_alike_are_not(seed):
    frame, _ = rows(seed)
    assert found_in(frame, np.random.default_rng(seed).permutation(len(frame))[:300]) == []


def test_a_harder_part_is_nobodys_gain():
    frame, distance = rows(21)
    assert found_in(frame, np.argsort(distance)[:250]) == []


def test_few_rows_and_amounts_prove_nothing():
    frame, _ = rows(31)
    with pytest.raises(NotApplicable, match="60 are needed"):
        found_in(frame, np.arange(20))
    with pytest.raises(NotApplicable):
        found_in(frame.assign(label=frame.x), np.arange(200))
