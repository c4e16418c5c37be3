"""Signs of life in a log, so that silence means something.

A heartbeat is a record ``{"kind": "heartbeat", "at": ..., "every_s": ...}``: it promises the
next record within ``every_s`` seconds, until one with ``every_s`` 0 ends the promise. Any
other record that is a JSON object with a number under ``at`` counts as a sign of life.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hauberk.errors import ArtifactError
from hauberk.trust.canonical import canonical_json, parse_json

MAX_RECORD_BYTES: Final = 1 << 20
"""Longer records are not looked into for a time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a record was written, by its writer's clock.

    Attributes:
        at: Seconds since the epoch.
        every_s: What a heartbeat promises; ``None`` for other records.
    """

    at: float
    every_s: float | None = None


def heartbeat(at: float, *, every_s: float) -> bytes:
    """The record that promises another one within ``every_s`` seconds; 0 promises nothing."""
    return canonical_json({"kind": "heartbeat", "at": at, "every_s": every_s})


def moment_of(record: bytes) -> Moment | None:
    """When ``record`` was written, if it says so."""
    if b'"at"' not in record or len(record) > MAX_RECORD_BYTES:
        return None
    try:
        value = parse_json(record, max_bytes=MAX_RECORD_BYTES)
    except ArtifactError:
        return None
    return _moment(value) if isinstance(value, dict) else None


def _moment(value: dict[str, Any]) -> Moment | None:
    at, every_s = _number(value.get("at")), _number(value.get("every_s"))
    if at is None:
        return None
    beats = value.get("kind") == "heartbeat" and every_s is not None
    return Moment(at, max(every_s or 0.0, 0.0) if beats else None)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None
