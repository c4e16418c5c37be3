"""Identifiers and hidden bytes in prepared tables."""

from __future__ import annotations

import base64
from random import Random

import numpy as np
import pyarrow as pa
import pytest

from hauberk.attacks.dataset.leave_identifiers import LeaveIdentifiers
from hauberk.controls.dataset.embedded_identifiers import EmbeddedIdentifiers
from hauberk.core.control import findings_of
from hauberk.core.finding import Level, Severity
from hauberk.formats.tables import table_of
from hauberk.methods.identifiers import passes_luhn
from hauberk.range.subjects import tumours


def judged(columns):
    table = table_of("t", [pa.record_batch(columns)])
    return findings_of(EmbeddedIdentifiers().check(table))


@pytest.mark.parametrize(
    "kind",
    ["email", "national number", "account", "card", "phone", "serial", "hidden bytes"],
)
def test_a_column_under_an_innocent_name_is_found(kind):
    attacked = LeaveIdentifiers(kind=kind).apply(tumours(2), Random(2))
    (finding,) = findings_of(EmbeddedIdentifiers().check(attacked.subject))
    assert finding.location.field == attacked.truth["column"]


def test_a_few_addresses_in_a_text_ask_for_review():
    texts = ["please write to the office about the matter at hand"] * 60
    texts[3:6] = [f"please write to p{n}@mail.example about the matter at hand" for n in range(3)]
    (finding,) = judged({"text": texts})
    assert finding.level is Level.REVIEW


def test_encoded_bytes_in_a_cell_are_found():
    texts = ["a plain remark"] * 40
    texts[9] = base64.b64encode(np.random.default_rng(1).bytes(300)).decode()
    (finding,) = judged({"remark": texts})
    assert finding.location.rows == (9,)


def test_text_in_the_mantissa_of_floats_is_found():
    message = b"The patient in row one is Ada Lovelace of London, aged 36. " * 4
    bits = np.unpackbits(np.frombuffer(message, np.uint8))
    values = np.random.default_rng(2).normal(0, 1, bits.size).view(np.uint64)
    hidden = ((values & ~np.uint64(1)) | bits.astype(np.uint64)).view(np.float64)
    (finding,) = judged({"reading": hidden})
    assert "lowest bit" in finding.message


@pytest.mark.parametrize(
    "values",
    [
        np.arange(4000) % 2,
        np.tile([0, 1, 0, 1, 0, 1, 0, 1], 500),
        np.random.default_rng(3).integers(0, 1000, 4000),
        np.random.default_rng(4).normal(0, 1, 4000),
        np.random.default_rng(5).integers(60, 120, 4000),
    ],
)
def test_ordinary_numbers_carry_nothing(values):
    assert not judged({"x": values})


def checked(body):
    """``body`` with the digit behind it that makes it a card number."""
    return next(f"{body}{d}" for d in range(10) if passes_luhn(f"{body}{d}"))


def notes(numbers, n=300):
    texts = [f"The customer called about the order of day {i} and was content." for i in range(n)]
    for place, number in enumerate(numbers):
        texts[place * 7] += f" The number is {number}, thanks."
    return {"note": texts}


def test_card_numbers_inside_of_notes_are_a_defect():
    rng = Random(3)
    cards = [checked(f"4{rng.randrange(10**14):014d}") for _ in range(12)]
    (finding,) = judged(notes(cards))
    assert (finding.level, finding.severity) == (Level.DEFECT, Severity.HIGH)
    assert "12 cells of column note" in finding.message


def test_order_numbers_whose_check_digits_agree_by_chance_are_no_cards():
    rng = Random(4)
    orders = [f"4{rng.randrange(10**15):015d}" for _ in range(42)]
    assert any(map(passes_luhn, orders))
    assert judged(notes(orders)) == ()


def test_account_numbers_inside_of_notes_are_a_defect():
    accounts = ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606"]
    (finding,) = judged(notes(accounts))
    assert finding.level is Level.DEFECT


def test_international_phone_numbers_inside_of_notes_ask_for_review():
    (finding,) = judged(notes([f"+49 30 {n} {n + 17}" for n in range(2345, 2355)]))
    assert finding.level is Level.REVIEW
    assert "hold a phone" in finding.message


def test_turns_of_nested_chats_are_searched():
    said = [[{"role": "user", "content": f"Hello number {i}, what now?"}] for i in range(80)]
    for i in range(5):
        said[i * 9][0]["content"] += f" Pay with {checked(f'51050000000{i:04d}')} please."
    (finding,) = judged({"messages": said})
    assert finding.level is Level.DEFECT


@pytest.mark.parametrize("step", [1, 3])
def test_numbers_in_order_hold_no_text(step):
    found = judged({"loan_id": list(range(10_000, 10_000 + 40_000 * step, step))})
    assert not [finding for finding in found if "carries" in finding.message]


def test_text_in_the_last_bytes_of_numbers_is_found():
    words = "the ward keeps a list of everybody who came in the spring, with names. " * 60
    ids = [(place * 7919 % 9973 + 100 << 8) | byte for place, byte in enumerate(words.encode())]
    assert [finding for finding in judged({"loan_id": ids}) if "carries" in finding.message]
