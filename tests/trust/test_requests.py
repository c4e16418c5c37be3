"""Requests of a monitor, and what their receivers refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.dsse import sign
from hauberk.trust.keys import generate
from hauberk.trust.requests import PAYLOAD_TYPE, Request, Rules, open_request, seal_request

NOW = 1_760_000_000
KEY = generate()
GOOD = Request(
    action="retrain",
    model="loans",
    number=7,
    at=NOW - 60,
    until=NOW + 3600,
    signals=(("telemetry", "columns drifted: age"), ("labels", "accuracy fell")),
    leave_out=("mallory",),
    since="2025-09-01",
    share_ppm=4000,
)
RULES = Rules(action="retrain", model="loans", now=NOW, last=6, budget=0.01)


def test_a_request_comes_out_as_it_was_sealed():
    found = open_request(seal_request(GOOD, KEY), KEY.public)
    assert found == GOOD
    RULES.check(found)


def test_another_key_does_not_count():
    with pytest.raises(TrustError):
        open_request(seal_request(GOOD, generate()), KEY.public)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("about this model", {"model": "other"}),
        ("about this model", {"action": "rollback"}),
        ("ends", {"until": NOW - 1}),
        ("of the past", {"at": NOW + 9999}),
        ("two origins", {"signals": (("labels", "a"), ("labels", "b"))}),
        ("budget", {"share_ppm": 20_000}),
        ("counts once", {"number": 6}),
    ],
)
def test_each_rule_refuses_what_breaks_it(rule, change):
    with pytest.raises(TrustError) as caught:
        RULES.check(replace(GOOD, **change))
    assert rule in str(caught.value.rule)


@pytest.mark.parametrize(
    "payload",
    [b"[]", b"{}", b'{"action":"retrain"}', b"null", b"7"],
)
def test_what_is_signed_but_no_request_is_refused(payload):
    envelope = sign(payload, PAYLOAD_TYPE, [KEY]).to_bytes()
    with pytest.raises(ArtifactError):
        open_request(envelope, KEY.public)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": True},
        {"share_ppm": 2_000_000},
        {"signals": ()},
        {"signals": (("a",),)},
        {"leave_out": ("x" * 500,)},
    ],
)
def test_fields_out_of_form_are_refused(change):
    with pytest.raises(ArtifactError):
        open_request(seal_request(replace(GOOD, **change), KEY), KEY.public)
