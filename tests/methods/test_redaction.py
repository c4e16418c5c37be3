"""Text without credentials and people."""

from __future__ import annotations

import base64
from random import Random

import pytest

from hauberk.attacks.log.leak_into_log import ITEMS, PLACES, LeakIntoLog
from hauberk.controls.log.leaked_records import LeakedRecords
from hauberk.core.artifact import LogSegment
from hauberk.methods.redaction import by_schema, redacted


@pytest.mark.parametrize("place", sorted(PLACES))
@pytest.mark.parametrize("item", sorted(ITEMS))
def test_items_are_gone_wherever_they_stand(place, item):
    rng = Random(7)
    secret = ITEMS[item](rng)
    written = PLACES[place](secret, rng)
    assert secret.removeprefix("password=") not in redacted(written)
    assert redacted(written) != written


@pytest.mark.parametrize(
    "text",
    [
        "request refused: budget of a principal",
        "listening on 127.0.0.1:8080",
        "sha256:" + "ab12" * 16,
        "version 1.2.3, 42 rows in 0.3 s at 2024-05-01T12:00:00Z",
        "",
    ],
)
def test_honest_lines_stay_as_they_are(text):
    assert redacted(text) == text


def test_what_is_encoded_twice_is_found():
    inner = base64.b64encode(b"write to ana@mail.example today").decode()
    assert "removed" in redacted(f"x {base64.b64encode(inner.encode()).decode()}")


def test_only_listed_fields_are_written():
    value = {"rule": "r", "body": "x", "facts": {"who": "ana@mail.example", "n": 3}}
    assert by_schema(value, frozenset({"rule", "facts"})) == {
        "rule": "r",
        "facts": {"who": "[email removed]", "n": 3},
    }


def test_the_control_names_kinds_and_never_the_item():
    log = LogSegment(name="log", records=lambda: iter([b'{"at":1,"rule":"ok"}']), heads=())
    twin = LeakIntoLog(place="trace").apply(log, Random(3))
    (finding,) = LeakedRecords().check(twin.subject)
    assert finding.location.rows == twin.rows
    assert str(twin.truth["item"]) not in finding.message + str(finding.evidence.facts)
