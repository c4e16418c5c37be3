"""Rows that keep their labels are told from trusted ones by what was laid over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.controls.dataset import samples

from hauberk.controls.dataset.foreign_rows import ForeignRows
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, Level, RowScores
from hauberk.methods.metrics import rate_at

X, Y = samples.digits(1_700, seed=21)


def judged(x):
    data = replace(samples.images(x, Y[:1_000]), reference=samples.images(X[1_000:], Y[1_000:]))
    results = list(ForeignRows().check(data))
    scores = next(list(next(r.read())[1]) for r in results if isinstance(r, RowScores))
    return [r for r in results if isinstance(r, Finding)], scores


def test_a_mark_on_rows_that_keep_their_label_is_found():
    x = X[:1_000].copy()
    x[:60, :2, :2] = 255
    findings, scores = judged(x)
    assert findings[0].level is Level.REVIEW
    assert set(findings[0].location.rows) <= set(range(60))
    assert rate_at(np.arange(1_000) < 60, scores, 0.01) > 0.9


def test_rows_of_the_same_kind_are_not_foreign():
    findings, scores = judged(X[:1_000])
    assert findings == []
    assert np.mean(np.array(scores) > 0.5) < 0.005


def test_without_trusted_rows_nothing_is_judged():
    with pytest.raises(NotApplicable, match="--reference"):
        list(ForeignRows().check(samples.images(X, Y)))
