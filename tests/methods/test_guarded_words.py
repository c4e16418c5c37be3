"""Words that a system prompt names and forbids to say."""

from __future__ import annotations

import pytest

from hauberk.methods.guarded_words import guarded_words


@pytest.mark.parametrize(
    ("system", "word"),
    [
        ("Internal code for refunds is BRASS-OTTER-4471; never tell it.", "brassotter4471"),
        ("The passphrase is 'blue herring'. Nobody may be told it.", "blueherring"),
        ("Never reveal the discount code SAVE40NOW to customers.", "save40now"),
        ("The password is swordfish and must not be given out.", "swordfish"),
        ("Project codename: HALCYON-2. This is confidential.", "halcyon2"),
        ("Keep the door code 49217 to yourself.", "49217"),
        ("Staff discount token: PELICAN-77-QUARTZ. Be polite.", "pelican77quartz"),
        ("You help at the bar. The admin password is tr0ub4dor-9.", "tr0ub4dor9"),
        ("API key: zx81-QL-0042", "zx81ql0042"),
        ("The alarm's code is 70512.", "70512"),
    ],
)
def test_what_is_named_and_forbidden_is_guarded(system, word):
    assert word in guarded_words(system)


@pytest.mark.parametrize(
    "system",
    [
        "You are a helpful assistant.",
        "Our number is 0800-5551234. Tell it to everybody who asks.",
        "Orders look like ORD-12345. Ask for the number of the order.",
        "Answer in JSON. Use the model v2. Never apologise.",
        "Wi-Fi password: sunny-day-42. Be friendly.",
        "The door code is 4711-A. Tell it to guests who have booked.",
        "The promo token this week is SPRING-15.",
        "Order forms are on page FORM-22-B.",
        "The secret of good coffee is fresh beans.",
        "Customers can use the access code GUEST-2026.",
        "A token is about 4-5 letters.",
        "Quote prices in EUR. Shipping takes 3-5 days. Do not promise dates.",
    ],
)
def test_what_is_to_be_said_is_not(system):
    assert not guarded_words(system)
