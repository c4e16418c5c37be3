"""A guard's decisions in its log, and the alerts that follow from one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hauberk.core.finding import Severity
from hauberk.methods.alerting import Alert

MAX_TEXT = 80
MAX_SHADOW = 20


def decision_of(record: bytes) -> dict[str, Any] | None:
    """The decision that a record holds, with its time; ``None`` for other records."""
    if b'"decision"' not in record:
        return None
    try:
        value = json.loads(record)
        is_good = value["kind"] == "decision" and isinstance(value["at"], (int, float))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if is_good else None


_SERVING = ("model", "version", "policy", "revision", "profile")


def serving_of(record: bytes) -> dict[str, Any] | None:
    """What a record says is served from its moment on; ``None`` for other records."""
    if b'"serving"' not in record:
        return None
    try:
        value = json.loads(record)
        is_good = value["kind"] == "serving" and isinstance(value["at"], (int, float))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return {"at": value["at"], **{n: text_of(value, n) for n in _SERVING}} if is_good else None


def text_of(value: Mapping[str, Any], name: str) -> str:
    """A field as text, cut to a length that can be shown."""
    return str(value.get(name, ""))[:MAX_TEXT]


def shadow_of(value: Mapping[str, Any]) -> list[str]:
    """Controls in shadow that would have acted."""
    found = value.get("shadow")
    listed = found[:MAX_SHADOW] if isinstance(found, list) else []
    return [name for name in listed if isinstance(name, str) and len(name) <= MAX_TEXT]


def alerts_of(value: Mapping[str, Any], *, model: str, record: str) -> Iterator[Alert]:
    """An alert for a refusal, and one for each control in shadow, by whom it would act on.

    Refusals of one rule are one cause whoever is refused. What a control in shadow says of a
    principal is a cause of its own, since it is about that principal.
    """
    at, principal = float(value["at"]), text_of(value, "principal")
    rule = text_of(value, "rule")
    if rule:
        yield Alert(
            kind=f"refused: {rule}",
            cause=f"refused/{model}/{rule}",
            title=f"requests refused: {rule}",
            severity=Severity.LOW,
            at=at,
            principal=principal,
            asset=model,
            facts={"record": record},
        )
    for control in shadow_of(value):
        yield Alert(
            kind=control,
            cause=f"{control}/{model}/{principal}",
            title=f"{control} would have acted on {principal}",
            severity=Severity.HIGH,
            at=at,
            principal=principal,
            asset=model,
            facts={"record": record},
        )
