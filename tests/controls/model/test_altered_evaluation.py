from dataclasses import replace
from random import Random

import pytest

from hauberk.attacks.model.poison_evaluation import PoisonEvaluation
from hauberk.controls.model.altered_evaluation import AlteredEvaluation
from hauberk.core.control import NotApplicable
from hauberk.methods import rewrite
from hauberk.methods.sealed_rows import seal_of
from hauberk.range.scenarios.va_1 import candidates
from hauberk.range.scenarios.va_4 import evaluation


def test_sealed_rows_are_let_through_in_any_order():
    _, bad = candidates(1)
    rows = rewrite.table(bad.data)
    turned = rewrite.twin(bad.data, rows.take(list(reversed(range(rows.num_rows)))))
    assert list(AlteredEvaluation().check(replace(bad, data=turned))) == []


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_one_stamped_row_is_enough_to_be_refused(share):
    _, bad = candidates(1)
    attacked = PoisonEvaluation(share=share).apply(bad, Random(1)).subject
    (finding,) = AlteredEvaluation().check(attacked)
    assert finding.evidence.facts["sealed"] == bad.sealed


def test_a_missing_and_a_repeated_row_break_the_seal():
    _, bad = candidates(1)
    rows = rewrite.table(bad.data)
    for places in (range(1, rows.num_rows), [0, *range(rows.num_rows)]):
        assert seal_of(rewrite.twin(bad.data, rows.take(list(places)))) != bad.sealed


def test_without_a_seal_nothing_is_said():
    with pytest.raises(NotApplicable, match="sealed"):
        list(AlteredEvaluation().check(evaluation(1)))
