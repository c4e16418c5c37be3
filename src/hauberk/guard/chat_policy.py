"""What the guard of a language model enforces, as data.

Structure (identity, schema, size, budget, tool contracts, forms of answers) enforces at once.
Controls that weigh evidence start in shadow, until a person lists them under ``promote``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from hauberk.errors import UsageError
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.guard.policy import Audit, OnAuditFailure
from hauberk.methods.forms import Form, forms_named

POLICY_VERSION = 1
_LIMITS = JsonLimits(max_bytes=1 << 20, max_values=20_000, max_string_bytes=256 << 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPolicy:
    """Bounds and choices of one guard of a language model.

    Attributes:
        models: Names that may be asked for; empty for any.
        system_prompt: Set before every conversation; messages of role system and developer
            are then refused. Empty leaves them to the client.
        max_body_bytes: Body of one request; nothing beyond it is read.
        max_answer_bytes: Body of one answer; a longer one is a fault of the upstream.
        max_tokens: Of one answer. A request that leaves it open gets this bound.
        tokens_per_s: Budget given back per second and principal; prompt and answer count.
        burst_tokens: Tokens that a rested principal may spend at once.
        slow_s: How long a sender beyond its budget waits for its refusal.
        body_timeout_s: Time for a body to arrive once its headers have.
        header_timeout_s: Time for the headers of a request to arrive.
        connect_timeout_s: Time to reach the upstream.
        deadline_s: Time for the upstream to answer as a whole.
        in_flight: Requests at the upstream at once; the next is shed with 503.
        per_principal: Requests of one principal at once.
        max_connections: Open connections; the next is answered with 503.
        promote: Ids of controls taken out of shadow.
        audit: ``async`` answers first, ``durable`` answers when the log holds the decision.
        on_audit_failure: ``refuse`` answers 503 while the log cannot be written.
        mark_outputs: Whether the log keeps marks of texts that were answered, by which they are
            known when they come back as data (`hauberk scan --outputs`).
        form: What answers are, where clients may not choose (``html``, ``sql`` ...).
        link_hosts: Hosts that links in answers may point to.
        sql_tables: Tables that statements may read; empty for any.
        commands: Programs that a command line may begin with.
        tool_arguments: Tool to argument to the form that its text must have.
        canonical: Whether texts are written in one way: without invisible characters, odd spaces
            and letters that look like others.
        mask_inbound: Whether credentials in messages are taken out before the model sees them.
    """

    models: frozenset[str] = frozenset()
    system_prompt: str = ""
    max_body_bytes: int = 1 << 20
    max_answer_bytes: int = 4 << 20
    max_tokens: int = 4096
    tokens_per_s: float = 2000.0
    burst_tokens: float = 200_000.0
    slow_s: float = 0.5
    body_timeout_s: float = 10.0
    header_timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
    deadline_s: float = 120.0
    in_flight: int = 64
    per_principal: int = 8
    max_connections: int = 1000
    promote: frozenset[str] = frozenset()
    audit: Audit = Audit.ASYNC
    on_audit_failure: OnAuditFailure = OnAuditFailure.REFUSE
    mark_outputs: bool = True
    form: str = ""
    link_hosts: frozenset[str] = frozenset()
    sql_tables: frozenset[str] = frozenset()
    commands: frozenset[str] = frozenset()
    tool_arguments: Mapping[str, Mapping[str, Form]] = field(default_factory=dict)
    mask_inbound: bool = False
    canonical: bool = True

    @property
    def json_limits(self) -> JsonLimits:
        """Bounds of a body."""
        return JsonLimits(
            max_bytes=self.max_body_bytes,
            max_values=200_000,
            max_string_bytes=self.max_body_bytes,
            max_depth=32,
            max_objects=20_000,
            max_keys=2_000,
        )


def from_bytes(data: bytes) -> ChatPolicy:
    """The policy in ``data``; fields that are left out keep their defaults.

    Raises:
        ArtifactError: The bytes are not strict JSON.
        UsageError: A field is unknown or has a value that cannot be.
    """
    value = decode(data, _LIMITS)
    if type(value) is not dict or value.pop("schema", None) != POLICY_VERSION:
        _refuse("schema", f"an object with schema {POLICY_VERSION}", "something else")
    fields = {one.name: one for one in dataclasses.fields(ChatPolicy)}
    for name in sorted(value.keys() - fields.keys()):
        _refuse(name, "one of " + ", ".join(fields), "an unknown field")
    return ChatPolicy(**{name: _read(name, fields[name], item) for name, item in value.items()})


def _read(name: str, one: dataclasses.Field[Any], item: Any) -> Any:
    if name == "tool_arguments":
        return _tool_arguments(item)
    if isinstance(one.default, (Audit, OnAuditFailure)):
        return _choice(name, type(one.default), item)
    if isinstance(one.default, frozenset):
        if type(item) is not list or any(type(entry) is not str for entry in item):
            _refuse(name, "an array of texts", "something else")
        return frozenset(item)
    if isinstance(one.default, bool):
        if type(item) is not bool:
            _refuse(name, "true or false", "something else")
        return item
    if isinstance(one.default, str):
        return _text(name, item)
    return _number(name, one.default, item)


def _choice(name: str, kind: type[Audit | OnAuditFailure], item: Any) -> Any:
    if item not in tuple(kind):
        _refuse(name, "one of " + ", ".join(kind), "something else")
    return kind(item)


def _text(name: str, item: Any) -> str:
    if type(item) is not str:
        _refuse(name, "a text", "something else")
    if name == "form" and item and item not in tuple(Form):
        _refuse(name, "empty, or one of " + ", ".join(Form), "something else")
    return str(item)


def _tool_arguments(item: Any) -> Mapping[str, Mapping[str, Form]]:
    try:
        return {tool: forms_named(arguments) for tool, arguments in item.items()}
    except (AttributeError, ValueError):
        expected = "tool to argument to one of " + ", ".join(Form)
        _refuse("tool_arguments", expected, "something else")


def _number(name: str, default: Any, item: Any) -> Any:
    kinds = (int,) if type(default) is int else (int, float)
    if type(item) not in kinds or not math.isfinite(item) or item <= 0:
        wanted = "a positive integer" if type(default) is int else "a positive number"
        _refuse(name, wanted, "something else")
    return type(default)(item)


def _refuse(name: str, expected: str, found: str) -> NoReturn:
    raise UsageError(
        "the policy of the chat guard cannot be used",
        subject=f"policy field {name}",
        rule=f"chat policy of version {POLICY_VERSION}",
        expected=expected,
        found=found,
        hint="see the tutorial on guarding a language model for the fields of a policy",
    )
