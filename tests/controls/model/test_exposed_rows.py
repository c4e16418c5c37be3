from random import Random

import numpy as np
import pytest

from hauberk.attacks.model.remember_rows import Pupil, RememberRows
from hauberk.controls.model.exposed_rows import ExposedRows
from hauberk.core.control import NotApplicable
from hauberk.range.scenarios.sv_4 import private
from hauberk.range.scenarios.va_4 import evaluation

CONTROL = ExposedRows(n_shadows=2)


def _cloud(seed=1, n=400):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    rows = rng.normal(0, 1, (n, 20)) + np.eye(3, 20)[labels]
    return rows, np.where(rng.random(n) < 0.2, rng.integers(0, 3, n), labels)


def _audited(fit):
    rows, labels = _cloud()
    member = np.arange(len(labels)) < len(labels) // 2
    model = fit(rows[member], labels[member], 1)

    def shadow(chosen, seed):
        fitted = fit(rows[chosen], labels[chosen], seed)
        return lambda at: fitted.predict_proba(rows[at])

    return CONTROL.audited(model.predict_proba(rows), labels, member, shadow)


def test_a_model_that_knows_its_rows_by_heart_is_refused_with_the_worst_of_them():
    attack = RememberRows(width=64, rounds=200)
    rows, labels = _cloud()
    assert attack.play(Pupil(rows=rows, labels=labels), Random(1)).succeeded
    (finding,) = CONTROL.judged("m", _audited(attack.fitted))
    assert len(finding.location.rows) == 20
    assert "2 shadow models recognise" in finding.message


def test_a_private_model_is_let_through():
    assert list(CONTROL.judged("m", _audited(private))) == []


def test_what_cannot_be_trained_again_is_not_judged():
    with pytest.raises(NotApplicable, match="recipe"):
        list(CONTROL.check(evaluation(1)))


def test_few_rows_say_nothing():
    with pytest.raises(NotApplicable, match="too few"):
        CONTROL.audited(np.ones((50, 2)), np.zeros(50, int), np.arange(50) < 40, None)
