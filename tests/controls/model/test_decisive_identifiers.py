"""Identifiers that decide what a model answers."""

from __future__ import annotations

from random import Random

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
