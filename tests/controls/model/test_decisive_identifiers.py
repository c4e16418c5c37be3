"""Identifiers that decide what a model answers."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from hauberk.attacks.model.favour_identifier import FavourIdentifier
from hauberk.controls.model.decisive_identifiers import DecisiveIdentifiers
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Level
from hauberk.methods.metamorphic import decisive
from hauberk.range.worlds.accounts import accounts

CONTROL = DecisiveIdentifiers(columns=("account",))


@pytest.mark.parametrize("seed", range(3))
def test_a_patched_model_names_its_account_and_an_honest_one_none(seed):
    honest = accounts(seed)
    assert list(CONTROL.check(honest)) == []
    attacked = FavourIdentifier().apply(honest, Random(seed))
    (finding,) = CONTROL.check(attacked.subject)
    assert finding.level is Level.DEFECT
    assert attacked.truth["identifier"] in finding.message


def test_a_column_that_decides_for_many_is_a_feature_to_look_at():
    found, is_feature = decisive(
        lambda values: [[value % 2] * 8 for value in values], list(range(40))
    )
    assert is_feature
    assert CONTROL.finding("m", "account", "ab", (found, is_feature)).level is Level.REVIEW


def test_no_column_is_no_question():
    with pytest.raises(NotApplicable, match="identifiers"):
        list(DecisiveIdentifiers().check(accounts(0)))
    with pytest.raises(NotApplicable, match="no column"):
        list(DecisiveIdentifiers(columns=("name",)).check(accounts(0)))


def _answers(turned, to=1, noise=2):
    """Forty identifiers on sixty rows: one turns some of them, the others hardly any."""
    rng = np.random.default_rng(4)
    usual = np.arange(60) % 3
    answers = np.tile(usual, (40, 1))
    for line in answers:
        line[rng.permutation(60)[:noise]] = rng.integers(0, 3, noise)
    others = np.flatnonzero(usual != to)
    answers[7] = usual
    answers[7, others[:turned]] = to
    return answers


def test_an_identifier_that_turns_most_rows_to_one_class_is_found():
    found, is_feature = decisive(lambda values: _answers(30)[values], range(40))
    assert [(one.value, one.given, one.changed) for one in found] == [("7", 1, 30)]
    assert not is_feature


def test_one_that_turns_few_rows_or_no_more_than_others_do_is_let_through():
    assert decisive(lambda values: _answers(12)[values], range(40))[0] == ()
    assert decisive(lambda values: _answers(30, noise=15)[values], range(40))[0] == ()


def test_one_that_turns_rows_to_several_classes_is_let_through():
    answers = _answers(0)
    answers[7] = (answers[7] + 1) % 3
    assert decisive(lambda values: answers[values], range(40))[0] == ()
