"""What the guard enforces, as data that is signed with the bundle.

Structure (schema, size, budget, identity) enforces at once. Controls that start in shadow
are reported only, until a person lists them under ``promote``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NoReturn

from hauberk.core.control import Tier
from hauberk.errors import UsageError
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.guard.shaping import Detail, Level
from hauberk.methods.sinks import Sink

POLICY_VERSION = 1
_LIMITS = JsonLimits(max_bytes=256 << 10, max_values=10_000)
ROLE = re.compile("[a-z0-9_.-]{1,64}")


_ALL = Detail()
_HARDENED = Detail(detail=Level.LABEL)


class Audit(StrEnum):
    """When a decision is in the log."""

    ASYNC = "async"
    DURABLE = "durable"


class OnAuditFailure(StrEnum):
    """What happens when the log cannot be written."""

    REFUSE = "refuse"
    DEGRADE = "degrade"


class OnStateFailure(StrEnum):
    """What happens while the memory that hosts share cannot be had."""

    REFUSE = "refuse"
    DEGRADE = "degrade"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """Bounds and choices of one guard.

    Attributes:
        max_body_bytes: Body of one request; nothing beyond it is read.
        max_values: Values in one body.
        widen_numbers: Whether numbers may come in a type that the declared one holds exactly
            (FP32 for FP64, INT32 for INT64, whole numbers for floats); others are refused.
        rate_per_s: Budget units given back per second and principal; a plain one-row
            request costs between one and two units.
        burst: Units that a rested principal may spend at once.
        compute_share: Seconds of the model's time given back per second and principal.
        compute_burst_s: Seconds of the model's time that a rested principal may spend at once.
        slow_s: How long a sender beyond its budget waits for its refusal; who asks in a loop
            is held to so many requests a second and connection.
        body_idle_s: Time without a further piece of a body, after which it is given up.
        body_timeout_s: Time for a body to arrive once its headers have.
        header_timeout_s: Time for the headers of a request to arrive.
        deadline_s: Time for the model to answer, waiting included.
        answer_bucket_s: Answers leave at multiples of this time since their request came, so
            that they do not tell how long the model took; 0 lets them go at once. Choose it a
            little above what the slowest usual answer takes.
        workers: Threads that run the model.
        queue: Requests that may wait for a worker; the next is shed with 503.
        per_principal: Requests of one principal that may wait or run at once.
        max_connections: Open connections; the next takes the place of the one that has been idle
            for longest, and is answered with 503 where none is.
        inline_rows: Up to so many rows the model runs without changing threads.
        promote: Ids of controls taken out of shadow.
        audit: ``async`` answers first, ``durable`` answers when the log holds the decision.
        on_audit_failure: ``refuse`` answers 503 while the log cannot be written.
        mark_outputs: Whether the log keeps marks of texts that were answered, by which they are
            known when they come back as data (`hauberk scan --outputs`).
        on_state_failure: ``refuse`` answers 503 while the memory that hosts share is away,
            ``degrade`` goes on with budgets that each host keeps for itself.
        link_hosts: Hosts that links in encoded outputs may point to.
        sink: Where answers are read (``html``, ``csv`` ...); empty leaves it to the client.
        profile: Which controls on exchanges are asked: none in ``lean``, those over the
            stream of queries in ``watch``, those that cost passes of a model in ``strict``.
        roles: Per role how much of an answer it is given. Without any everybody is given
            all; with some, a role that is not among them may not ask at all.
        hardened: How much of an answer is given where a control asks for hardening.
        revision: A number that whoever edits the policy counts up; it stands in the log.
    """

    max_body_bytes: int = 4 << 20
    max_values: int = 1_000_000
    widen_numbers: bool = False
    rate_per_s: float = 5000.0
    burst: float = 20_000.0
    compute_share: float = 1.0
    compute_burst_s: float = 5.0
    slow_s: float = 0.5
    body_idle_s: float = 3.0
    body_timeout_s: float = 10.0
    header_timeout_s: float = 10.0
    deadline_s: float = 10.0
    answer_bucket_s: float = 0.0
    workers: int = 2
    queue: int = 64
    per_principal: int = 32
    max_connections: int = 1000
    inline_rows: int = 2048
    promote: frozenset[str] = frozenset()
    audit: Audit = Audit.ASYNC
    on_audit_failure: OnAuditFailure = OnAuditFailure.REFUSE
    mark_outputs: bool = True
    on_state_failure: OnStateFailure = OnStateFailure.REFUSE
    link_hosts: frozenset[str] = frozenset()
    sink: str = ""
    profile: Tier = Tier.WATCH
    roles: Mapping[str, Detail] = field(default_factory=dict, hash=False)
    hardened: Detail = _HARDENED
    revision: int = 1

    def detail_for(self, role: str) -> Detail | None:
        """How much of an answer the role is given; ``None`` where it may not ask."""
        return self.roles.get(role) if self.roles else _ALL

    @property
    def json_limits(self) -> JsonLimits:
        """Bounds of a body."""
        return JsonLimits(max_bytes=self.max_body_bytes, max_values=self.max_values)


def with_profile(policy: GuardPolicy, profile: Tier) -> GuardPolicy:
    """The policy under a named profile: which controls are asked, and when the log is written."""
    audit = Audit.DURABLE if profile is Tier.STRICT else Audit.ASYNC
    return replace(policy, profile=profile, audit=audit)


def to_bytes(policy: GuardPolicy, *, indent: int | None = None) -> bytes:
    """Canonical JSON; equal policies give equal bytes."""
    value: dict[str, Any] = {"schema": POLICY_VERSION}
    for item in dataclasses.fields(policy):
        value[item.name] = _plain(getattr(policy, item.name))
    separators = (",", ":") if indent is None else None
    return json.dumps(
        value, sort_keys=True, separators=separators, allow_nan=False, indent=indent
    ).encode()


def _plain(item: Any) -> Any:
    if isinstance(item, frozenset):
        return sorted(item)
    if isinstance(item, Detail):
        return dataclasses.asdict(item)
    if isinstance(item, Mapping):
        return {name: _plain(entry) for name, entry in item.items()}
    return item


def from_bytes(data: bytes) -> GuardPolicy:
    """The policy in ``data``; fields that are left out keep their defaults.

    Raises:
        ArtifactError: The bytes are not strict JSON.
        UsageError: A field is unknown or has a value that cannot be.
    """
    value = decode(data, _LIMITS)
    if type(value) is not dict or value.pop("schema", None) != POLICY_VERSION:
        _refuse("schema", f"an object with schema {POLICY_VERSION}", "something else")
    return GuardPolicy(**_fields(GuardPolicy(), value, ""))


def _fields(defaults: Any, value: Any, where: str) -> dict[str, Any]:
    """What an object says of the fields of a dataclass, checked against its defaults."""
    if type(value) is not dict:
        _refuse(where or "policy", "an object", "something else")
    known = [item.name for item in dataclasses.fields(defaults)]
    for name in sorted(value.keys() - set(known)):
        _refuse(f"{where}{name}", "one of " + ", ".join(known), "an unknown field")
    return {
        name: _read(f"{where}{name}", getattr(defaults, name), item) for name, item in value.items()
    }


def _read(name: str, default: Any, item: Any) -> Any:
    if isinstance(default, Detail):
        return Detail(**_fields(default, item, f"{name}."))
    if isinstance(default, Mapping):
        return _roles(name, item)
    if isinstance(default, StrEnum):
        return _choice(name, tuple(type(default)), type(default), item)
    if isinstance(default, frozenset):
        if type(item) is not list or any(type(entry) is not str for entry in item):
            _refuse(name, "an array of strings", "something else")
        return frozenset(item)
    return _read_plain(name, default, item)


def _read_plain(name: str, default: Any, item: Any) -> Any:
    if isinstance(default, bool):
        return item if type(item) is bool else _refuse(name, "true or false", "something else")
    if isinstance(default, str):
        return _choice(name, ("", *Sink), str, item)
    return _read_number(name, default, item)


def _roles(name: str, item: Any) -> dict[str, Detail]:
    if type(item) is not dict or not all(map(ROLE.fullmatch, item)):
        _refuse(name, "an object from role to detail", "something else")
    return {
        role: Detail(**_fields(_ALL, detail, f"{name}.{role}.")) for role, detail in item.items()
    }


def _choice(name: str, among: tuple[str, ...], kind: type[str], item: Any) -> Any:
    if type(item) is not str or item not in among:
        _refuse(name, "one of " + ", ".join(repr(str(one)) for one in among), "something else")
    return kind(item)


def _read_number(name: str, default: Any, item: Any) -> Any:
    kinds = (int,) if type(default) is int else (int, float)
    least = 0 if name.endswith((".decimals", "answer_bucket_s")) else 1
    if type(item) not in kinds or not math.isfinite(item) or (item <= 0 and item != least):
        wanted = "a positive integer" if type(default) is int else "a positive number"
        _refuse(name, wanted, "something else")
    return type(default)(item)


def _refuse(name: str, expected: str, found: str) -> NoReturn:
    raise UsageError(
        "the serving policy cannot be used",
        subject=f"policy field {name}",
        rule="serving policy of version 1",
        expected=expected,
        found=found,
        hint="see the serving chapter of the documentation for the fields of a policy",
    )
