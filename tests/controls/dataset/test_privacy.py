"""Rows that can be singled out, alone and against an older release."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset.privacy_regression import PrivacyRegression
from hauberk.controls.dataset.singled_out_rows import SingledOutRows
from hauberk.core.artifact import Comparison
from hauberk.core.control import NotApplicable, findings_of
from hauberk.core.finding import Level
from hauberk.formats.tables import table_of


def people(seed: int, n_rows: int = 2000, *, exact: tuple[int, ...] = (), sensitive=("age", "zip")):
    """Bands of age and districts; the rows in ``exact`` carry an age in years."""
    rng = np.random.default_rng(seed)
    ages = (rng.integers(2, 8, n_rows) * 10).astype(str)
    for row in exact:
        ages[row] = f"{ages[row]}.{row}"
    columns = {
        "age": ages,
        "zip": rng.choice(["100", "200", "300"], n_rows),
        "illness": rng.choice(["flu", "cold", "none"], n_rows),
    }
    return table_of("people", [pa.record_batch(columns)], label="illness", sensitive=sensitive)


def regress(new, old=None):
    old = people(1) if old is None else old
    return findings_of(PrivacyRegression().check(Comparison(old=old, new=new)))


def test_every_singled_out_row_is_named():
    (finding,) = regress(people(2, exact=(5, 900, 1500)))
    assert finding.level is Level.DEFECT
    assert finding.location.rows == (5, 900, 1500)
    assert "age 6 to 9" in finding.message


def test_another_draw_of_a_coarse_release_is_clean():
    assert not regress(people(3))


def test_columns_need_not_be_named_where_the_old_release_kept_them_all_coarse():
    (finding,) = regress(people(2, exact=(7,), sensitive=()), people(1, sensitive=()))
    assert finding.location.rows == (7,)


def test_an_old_release_of_single_rows_promises_nothing():
    old, new = people(1, exact=tuple(range(500))), people(2, exact=tuple(range(510)))
    assert not regress(new, old)


def test_many_more_single_rows_than_before_are_told():
    old, new = people(1, exact=tuple(range(100))), people(2, exact=tuple(range(900)))
    (finding,) = regress(new, old)
    assert "stand alone" in finding.message


def test_a_group_that_shrank_by_chance_asks_for_review_only():
    columns = {"sex": ["f"] * 500 + ["x"] * 6, "town": ["a"] * 506}
    old = table_of("p", [pa.record_batch(columns)], sensitive=["sex", "town"])
    columns = {"sex": ["f"] * 500 + ["x"] * 4, "town": ["a"] * 504}
    new = table_of("p", [pa.record_batch(columns)], sensitive=["sex", "town"])
    (finding,) = regress(new, old)
    assert finding.level is Level.REVIEW


def test_without_a_promise_small_groups_are_for_review():
    (finding,) = findings_of(SingledOutRows().check(people(4, exact=(3,))))
    assert finding.level is Level.REVIEW
    assert finding.location.rows == (3,)


def test_a_broken_promise_is_a_defect():
    table = replace(people(4, exact=(3,)), min_group=5)
    assert findings_of(SingledOutRows().check(table))[0].level is Level.DEFECT


def test_one_sensitive_column_makes_no_combination():
    with pytest.raises(NotApplicable):
        findings_of(SingledOutRows().check(people(4, sensitive=("zip",))))
