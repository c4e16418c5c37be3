"""MO-1: credentials and personal data in what is logged, written through the redaction."""

from __future__ import annotations

import base64
import binascii
import re
from random import Random
from urllib.parse import unquote

from hauberk.attacks.log.leak_into_log import LeakIntoLog
from hauberk.controls.log.leaked_records import LeakedRecords
from hauberk.core.artifact import LogSegment
from hauberk.core.threat import ThreatId
from hauberk.methods.redaction import by_schema, redacted
from hauberk.monitor.viewers import ALERT_FIELDS
from hauberk.range.scenario import Scenario, Trial

ATTACK = LeakIntoLog()
CONTROL = LeakedRecords()
_EMPTY = LogSegment(name="log", records=lambda: iter(()), heads=())
_CODED = re.compile(r"[A-Za-z0-9+/_=-]{12,}")


def _recovered(text: str, item: str) -> bool:
    """Whether a reader who joins wrapped lines and decodes finds the item, or most of it."""
    secret = item.removeprefix("password=")
    joined = re.sub(r"(?:\\n|[\r\n])+ *", "", text)
    forms = [text, joined, unquote(text), *(_decoded(word) for word in _CODED.findall(text))]
    half = secret[: len(secret) * 2 // 3], secret[len(secret) // 3 :]
    return any(part in form for form in forms for part in half)


def _decoded(word: str) -> str:
    for decode in (bytes.fromhex, _base64):
        try:
            return decode(word).decode("utf-8", "ignore")
        except (ValueError, binascii.Error):
            continue
    return ""


def _base64(word: str) -> bytes:
    plain = word.partition("=")[2] if word.startswith("body=") else word
    return base64.b64decode(
        plain.rstrip("=").replace("-", "+").replace("_", "/") + "=" * (-len(plain.rstrip("=")) % 4)
    )


def _leak(seed: int) -> Trial:
    """Written and found: the text comes out of the redaction without the item, and is told."""
    attacked = ATTACK.apply(_EMPTY, Random(seed))
    text, item = str(attacked.truth["text"]), str(attacked.truth["item"])
    honest, _ = LeakIntoLog(harmless=True).written(Random(seed))
    is_gone = not _recovered(redacted(text), item)
    return Trial(
        values={"recall": is_gone and bool(list(CONTROL.check(attacked.subject)))},
        potent=_recovered(text, item),
        false_alarm=redacted(honest) != honest,
    )


def _unlisted(seed: int) -> Trial:
    """A record with everything a request has, written by schema."""
    rng = Random(seed)
    text, _ = ATTACK.written(rng)
    names = ("kind", "cause", "title", "severity", "at", "principal", "asset", "facts")
    value = dict.fromkeys(rng.sample(names, 4), text)
    extra = [f"x_{rng.randrange(10**6)}" for _ in range(rng.randint(1, 5))]
    value |= dict.fromkeys([*extra, "body", "headers", "authorization", "cookie"], text)
    written = by_schema(value, ALERT_FIELDS)
    return Trial(values={"unlisted_fields": float(bool(set(written) - ALERT_FIELDS))})


SCENARIOS = (
    Scenario(
        threat=ThreatId("MO-1"),
        attack=ATTACK,
        control=CONTROL,
        play=_leak,
        parts=(("recall", ""),),
        trials=1000,
        note="ten kinds of items in eight places: fields, headers, traces, query strings, base64, "
        "hexadecimal, JSON, and split over two lines; gone when neither two thirds of it remain",
    ),
    Scenario(
        threat=ThreatId("MO-1"),
        attack="requests with unlisted fields",
        control=CONTROL,
        play=_unlisted,
        parts=(("unlisted_fields", ""),),
        note="each with up to nine fields beyond the schema",
    ),
)
