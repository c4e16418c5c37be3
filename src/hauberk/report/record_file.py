"""A run's record as bytes, as it lies in ``.hauberk/runs/<run id>/record.json``."""

from __future__ import annotations

import json
from typing import Any

from hauberk.core.codec import from_json, to_json
from hauberk.core.record import RUN_RECORD_SCHEMA, RunRecord
from hauberk.errors import ArtifactError

FILE_NAME = "record.json"
MAX_BYTES = 64 * 1024 * 1024
"""A record of sixteen components with all plots has some hundred kilobytes."""


def encode(record: RunRecord) -> bytes:
    """The record as JSON; the same record gives the same bytes."""
    body = to_json(record)
    return (json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def decode(data: bytes) -> RunRecord:
    """The record in ``data``.

    Raises:
        ArtifactError: The bytes are no record of this schema, or more than `MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        raise _refusal("a record is small", f"at most {MAX_BYTES} bytes", f"{len(data)} bytes")
    body = _parse(data)
    if body.get("schema") != RUN_RECORD_SCHEMA:
        found = f"schema {body.get('schema')!r}"
        raise _refusal("the schema is known", f"schema {RUN_RECORD_SCHEMA}", found)
    try:
        return from_json(RunRecord, body)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refusal("every field has its type", "the fields of RunRecord", str(error)) from error


def _parse(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refusal("a record is JSON", "JSON", str(error)) from error
    if not isinstance(body, dict):
        raise _refusal("a record is an object", "an object", type(body).__name__)
    return body


def _refusal(rule: str, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "this is not the record of a run",
        rule=rule,
        expected=expected,
        found=found,
        hint="run the lifecycle again with this version: hauberk run",
    )
