"""The engine that finds and hides credentials."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.attacks.code.commit_secret import KINDS
from hauberk.methods.secret_values import has_checksum
from hauberk.methods.secrets import find_secrets, mask_secrets

KEY = "AKIA" + "QZ7LWX2N" * 2


@given(st.text())
def test_any_text_is_read_and_masking_leaves_nothing_to_find(text):
    assert list(find_secrets(mask_secrets(text), settings=True)) == []


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 999))
def test_a_masked_text_does_not_hold_the_secret(kind, seed):
    secret = KINDS[kind].make(Random(seed)).split("\n")[0]
    name = KINDS[kind].names[0]
    masked = mask_secrets(f"{name}: {secret}\n")
    assert (
        secret not in masked
        or "BEGIN" in secret
        or not list(find_secrets(f"{name}: {secret}\n", settings=True))
    )


def test_spans_name_exactly_the_secret():
    [secret] = find_secrets(f"a {KEY} b")
    assert (secret.start, secret.end) == (2, 2 + len(KEY))


def test_a_right_checksum_raises_the_confidence():
    right = KINDS["github"].make(Random(1))
    wrong = right[:-1] + ("A" if right[-1] != "A" else "B")
    assert has_checksum(right)
    assert not has_checksum(wrong)
    assert [s.confidence for s in find_secrets(f"'{right}' '{wrong}'")] == [1.0, 0.5]


def test_bare_values_count_in_settings_and_not_in_code():
    text = "db_password = Trumpet7harbour!"
    assert len(list(find_secrets(text, settings=True))) == 1
    assert list(find_secrets(text)) == []
    assert len(list(find_secrets(f"# {text}"))) == 1


def test_an_argument_of_an_address_is_no_token_of_a_package_registry():
    """Links of public documents end so: the pattern is for lines of `.npmrc`."""
    word = Random(3).choice("kW") + "ib4kB7BH6SivPe8H3C9"
    assert [s.provider for s in find_secrets(f"//registry.npmjs.org/:_authToken={word}xy\n")]
    shared = f"https://documents.example/344681526/poll?secret_password={word}"
    assert "npm registry" not in {s.provider for s in find_secrets(shared)}


def _word(length: int) -> str:
    rng = Random(length)
    return "".join(rng.choice("kWx4B7HSivPe8HqC9mTz2") for _ in range(length))


@pytest.mark.parametrize(
    ("value", "provider"),
    [
        (f"glsoat-{_word(20)}", "GitLab"),
        (f"glimt-{_word(25)}", "GitLab"),
        (f"glagent-{_word(50)}", "GitLab"),
        (f"GR1348941{_word(20)}", "GitLab"),
        (f"{Random(5).randbytes(16).hex()}-us12", "Mailchimp"),
    ],
)
def test_a_token_of_a_named_form_is_found_in_plain_words(value, provider):
    assert [s.provider for s in find_secrets(f"use {value}, please")] == [provider]


def test_a_digest_with_a_region_behind_it_is_no_key():
    assert list(find_secrets(f"image {Random(5).randbytes(16).hex()}-us1-east")) == []
