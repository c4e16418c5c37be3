"""Names and values that stand for somebody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.methods.identity_words import Grade, Shape, grade_of, is_outcome, shape_of


@pytest.mark.parametrize("name", ["customer_id", "accountId", "IBAN", "user_email", "userid"])
def test_names_of_identifiers(name):
    assert grade_of(name) is Grade.STRONG


@pytest.mark.parametrize("name", ["account_type", "valid", "grid", "token_id", "dtype_id", "x"])
def test_names_of_other_things(name):
    assert grade_of(name) is Grade.NONE


@pytest.mark.parametrize("value", ["ACC-48213", "jo@mail.org", 48213, "DE89370400440532013000"])
def test_values_that_pick_one(value):
    assert shape_of(value) is Shape.SHAPED


@pytest.mark.parametrize("value", ["float64", "sha256", "2024-01-31", "1.2.3", "utf-16", 64])
def test_values_that_are_technical(value):
    assert shape_of(value) is not Shape.SHAPED


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.booleans(), st.floats()))
def test_any_constant_has_a_shape(value):
    assert shape_of(value) in Shape


def test_outcomes_are_known_by_any_of_their_words():
    assert is_outcome("sample_weight")
    assert is_outcome("isApproved")
    assert not is_outcome("income")
