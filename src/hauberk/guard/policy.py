"""What the guard enforces, as data that is signed with the bundle.

Structure (schema, size, budget, identity) enforces at once. Controls that start in shadow
are reported only, until a person lists them under ``promote``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hauberk.errors import UsageError
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.methods.sinks import Sink

POLICY_VERSION = 1
_LIMITS = JsonLimits(max_bytes=256 << 10, max_values=10_000)


class Audit(StrEnum):
    """When a decision is in the log."""

    ASYNC = "async"
    DURABLE = "durable"


class OnAuditFailure(StrEnum):
    """What happens when the log cannot be written."""

    REFUSE = "refuse"
    DEGRADE = "degrade"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """Bounds and choices of one guard.

    Attributes:
        max_body_bytes: Body of one request; nothing beyond it is read.
        max_values: Values in one body.
        rate_per_s: Budget units given back per second and principal; a plain one-row
            request costs between one and two units.
        burst: Units that a rested principal may spend at once.
        slow_s: How long a sender beyond its budget waits for its refusal; who asks in a loop
            is held to so many requests a second and connection.
        body_timeout_s: Time for a body to arrive once its headers have.
        header_timeout_s: Time for the headers of a request to arrive.
        deadline_s: Time for the model to answer, waiting included.
        workers: Threads that run the model.
        queue: Requests that may wait for a worker; the next is shed with 503.
        per_principal: Requests of one principal that may wait or run at once.
        max_connections: Open connections; the next is answered with 503.
        inline_rows: Up to so many rows the model runs without changing threads.
        promote: Ids of controls taken out of shadow.
        audit: ``async`` answers first, ``durable`` answers when the log holds the decision.
        on_audit_failure: ``refuse`` answers 503 while the log cannot be written.
        link_hosts: Hosts that links in encoded outputs may point to.
        sink: Where answers are read (``html``, ``csv`` ...); empty leaves it to the client.
    """

    max_body_bytes: int = 4 << 20
    max_values: int = 1_000_000
    rate_per_s: float = 500.0
    burst: float = 2000.0
    slow_s: float = 0.5
    body_timeout_s: float = 10.0
    header_timeout_s: float = 10.0
    deadline_s: float = 10.0
    workers: int = 2
    queue: int = 64
    per_principal: int = 32
    max_connections: int = 1000
    inline_rows: int = 32
    promote: frozenset[str] = frozenset()
    audit: Audit = Audit.ASYNC
    on_audit_failure: OnAuditFailure = OnAuditFailure.REFUSE
    link_hosts: frozenset[str] = frozenset()
    sink: str = ""

    @property
    def json_limits(self) -> JsonLimits:
        """Bounds of a body."""
        return JsonLimits(max_bytes=self.max_body_bytes, max_values=self.max_values)


def to_bytes(policy: GuardPolicy) -> bytes:
    """Canonical JSON; equal policies give equal bytes."""
    value: dict[str, Any] = {"schema": POLICY_VERSION}
    for field in dataclasses.fields(policy):
        item = getattr(policy, field.name)
        value[field.name] = sorted(item) if isinstance(item, frozenset) else item
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def from_bytes(data: bytes) -> GuardPolicy:
    """The policy in ``data``; fields that are left out keep their defaults.

    Raises:
        ArtifactError: The bytes are not strict JSON.
        UsageError: A field is unknown or has a value that cannot be.
    """
    value = decode(data, _LIMITS)
    if type(value) is not dict or value.pop("schema", None) != POLICY_VERSION:
        _refuse("schema", f"an object with schema {POLICY_VERSION}", "something else")
    fields = {field.name: field for field in dataclasses.fields(GuardPolicy)}
    for name in sorted(value.keys() - fields.keys()):
        _refuse(name, "one of " + ", ".join(fields), "an unknown field")
    return GuardPolicy(**{name: _read(name, fields[name], item) for name, item in value.items()})


def _read(name: str, field: dataclasses.Field[Any], item: Any) -> Any:
    if isinstance(field.default, StrEnum):
        kind = type(field.default)
        if item not in tuple(kind):
            _refuse(name, "one of " + ", ".join(kind), "something else")
        return kind(item)
    if field.name == "sink":
        if item and item not in tuple(Sink):
            _refuse(name, "empty, or one of " + ", ".join(Sink), "something else")
        return item
    if isinstance(field.default, frozenset):
        if type(item) is not list or any(type(entry) is not str for entry in item):
            _refuse(name, "an array of strings", "something else")
        return frozenset(item)
    return _read_number(name, field.default, item)


def _read_number(name: str, default: Any, item: Any) -> Any:
    kinds = (int,) if type(default) is int else (int, float)
    if type(item) not in kinds or not math.isfinite(item) or item <= 0:
        wanted = "a positive integer" if type(default) is int else "a positive number"
        _refuse(name, wanted, "something else")
    return type(default)(item)


def _refuse(name: str, expected: str, found: str) -> None:
    raise UsageError(
        "the serving policy cannot be used",
        subject=f"policy field {name}",
        rule="serving policy of version 1",
        expected=expected,
        found=found,
        hint="see the serving chapter of the documentation for the fields of a policy",
    )
