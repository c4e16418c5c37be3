from random import Random

import pytest

from hauberk.attacks.model.penalise_group import PenaliseGroup
from hauberk.controls.model.unfair_decisions import UnfairDecisions
from hauberk.errors import UsageError
from hauberk.range.outcomes import denied
from hauberk.range.scenarios.va_4 import evaluation
from hauberk.range.scenarios.va_6 import people


def test_the_penalised_group_is_found_among_those_that_are_not():
    fair = people(1)
    attacked = PenaliseGroup(gap=0.2).apply(fair, Random(1))
    control = UnfairDecisions(tolerance=0.0)
    assert denied(control, attacked.subject)
    assert not denied(control, fair)


def test_without_a_sensitive_column_there_is_no_group():
    with pytest.raises(UsageError):
        PenaliseGroup().apply(evaluation(1), Random(1))
