"""Identifiers are found by their check digits, places and columns, in linear time."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.formats.tables import table_of
from hauberk.methods.identifiers import (
    MAX_CELL_CHARACTERS,
    IdentifierKind,
    columns_of_kind,
    every_identifier,
    find_identifiers,
    identifying_columns,
    mask_identifiers,
    passes_luhn,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jo.doe+x@mail.example.org now", IdentifierKind.EMAIL),
        ("card 4111 1111 1111 1111.", IdentifierKind.CARD),
        ("DE89 3704 0044 0532 0130 00", IdentifierKind.IBAN),
        ("ssn 078-05-1120", IdentifierKind.US_SSN),
        ("12345678Z", IdentifierKind.NATIONAL_ID),
        ("131052A308T", IdentifierKind.NATIONAL_ID),
        ("44051401359", IdentifierKind.NATIONAL_ID),
        ("529.982.247-25", IdentifierKind.NATIONAL_ID),
        ("from 192.168.10.7", IdentifierKind.IP_ADDRESS),
        ("from 2400:c401::5054:ff:fe1b:b031.", IdentifierKind.IP_ADDRESS),
        ("at [2607:f8b0:4005:805:0:0:0:200e]:443", IdentifierKind.IP_ADDRESS),
        ("call +49 30 1234567", IdentifierKind.PHONE),
        ("call (030) 123 4567", IdentifierKind.PHONE),
    ],
)
def test_each_kind_is_found_at_its_place(text, kind):
    (found,) = find_identifiers(text)
    assert found.kind is kind
    assert text[found.start : found.end].strip() in text


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "DE89 3704 0044 0532 0130 01",
        "000-12-3456",
        "12345678A",
        "44051401358",
        "529.982.247-26",
        "111.111.111-11",
        "999.1.1.1",
        "1.2.3.4.5",
        "2001:db8::1",
        "fe80::1",
        "2024:01:02 and 2024::x",
        "2a3b:aa:bb:cc:dd:ee:ff",
        "a@b",
        "room 12, row 7",
        "2020-01-02",
        "0.123456",
        "",
    ],
)
def test_numbers_that_fail_their_check_are_not_found(text):
    assert list(find_identifiers(text)) == []


@given(st.text(max_size=200))
def test_places_lie_inside_and_do_not_overlap(text):
    found = list(find_identifiers(text))
    assert all(0 <= item.start < item.end <= len(text) for item in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


@given(st.integers(0, 10**17))
def test_one_check_digit_of_ten_fits(number):
    assert sum(passes_luhn(f"{number}{digit}") for digit in range(10)) == 1


@pytest.mark.parametrize("unit", ["a", "1", "1 ", "1-", "a@", "+", "a.", "DE11", "0", "1."])
def test_long_runs_cost_no_more_than_their_length(unit):
    assert list(find_identifiers(unit * 50_000)) is not None


def test_columns_are_named_with_their_share():
    rows = pa.RecordBatch.from_pydict(
        {
            "mail": [f"u{i}@example.org" if i % 2 else "none" for i in range(100)],
            "number": list(range(100)),
            "measure": [i / 7 for i in range(100)],
            "city": ["x", "y"] * 50,
            "gap": [None] * 100,
            "y": [0, 1] * 50,
        }
    )
    found = identifying_columns(table_of("t", [rows], label="y"))
    assert [(c.name, c.kind) for c in found] == [
        ("mail", IdentifierKind.EMAIL),
        ("number", IdentifierKind.UNIQUE),
    ]
    assert found[0].share == 0.5
    assert found[0].rows[:2] == (1, 3)
    assert [c.name for c in columns_of_kind(found, share=0.9)] == ["number"]


def test_an_identifier_far_behind_is_found_and_masked():
    text = "a " * 90_000 + "ana@mill.example " + "b " * 90_000
    assert [found.kind for found in every_identifier(text)] == [IdentifierKind.EMAIL]
    assert "ana@mill.example" not in mask_identifiers(text)


@pytest.mark.parametrize("place", range(MAX_CELL_CHARACTERS - 600, MAX_CELL_CHARACTERS + 60, 13))
def test_an_identifier_on_the_border_of_windows_is_found_once(place):
    text = ("a " * (place // 2)) + "ana@mill.example" + " b" * 60_000
    assert [text[found.start : found.end] for found in every_identifier(text)] == [
        "ana@mill.example"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "AL47 2121 1009 0000 0002 3569 8741 IN CAPITALS",
        "PAY DE89370400440532013000 NOW",
        "NO9386011117947 OR ELSE",
        "GB82 WEST 1234 5698 7654 32 AND MORE WORDS IN CAPITALS",
    ],
)
def test_words_behind_an_account_number_are_no_part_of_it(text):
    found = [one for one in find_identifiers(text) if one.kind is IdentifierKind.IBAN]
    assert len(found) == 1
    assert text[found[0].start : found[0].end].split()[-1].isalnum()
    assert not text[found[0].start : found[0].end].endswith(("CAPITALS", "NOW", "ELSE"))
