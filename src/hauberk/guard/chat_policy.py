"""What the guard of a language model enforces, as data.

Structure (identity, schema, size, budget, tool contracts, forms of answers) enforces at once.
Controls that weigh evidence start in shadow, until a person lists them under ``promote``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

from hauberk.core.control import Tier
from hauberk.errors import UsageError
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.guard.policy import ROLE, Audit, GuardPolicy, OnAuditFailure, OnStateFailure
from hauberk.guard.shaping import Detail
from hauberk.methods.forms import Form, forms_named

POLICY_VERSION = 1
_LIMITS = JsonLimits(max_bytes=1 << 20, max_values=20_000, max_string_bytes=256 << 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRole:
    """What one role may ask for, within what the policy allows everybody.

    Attributes:
        models: Names that it may ask for; empty for all of the policy's.
        max_tokens: Of one answer; 0 for the policy's own bound.
        strong: Whether the role has passed the challenge of a control already.
    """

    models: frozenset[str] = frozenset()
    max_tokens: int = 0
    strong: bool = False


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
        mask_identities: Whether mail addresses and numbers of cards, accounts and persons in
            messages are taken out as well.
        canonical: Whether texts are written in one way: without invisible characters, odd spaces
            and letters that look like others.
        mask_inbound: Whether credentials in messages are taken out before the model sees them.
        body_idle_s: Time without a further piece of a body, after which it is given up.
        on_state_failure: ``refuse`` answers 503 while the memory that hosts share is away,
            ``degrade`` goes on with budgets that each host keeps for itself.
        roles: Per role what it may ask for. Without any everybody may ask; with some, a role
            that is not among them may not ask at all.
        profile: Which controls are asked: contracts of tools and answers in ``lean``, in ``watch``
            those that weigh evidence as well; ``strict`` asks the same.
        revision: A number that whoever edits the policy counts up; it stands in the log.
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
    mask_identities: bool = False
    canonical: bool = True
    body_idle_s: float = 3.0
    on_state_failure: OnStateFailure = OnStateFailure.REFUSE
    roles: Mapping[str, ChatRole] = field(default_factory=dict)
    profile: Tier = Tier.WATCH
    revision: int = 1

    def of_door(self) -> GuardPolicy:
        """What the door and the desk of any guard need to know of it."""
        return GuardPolicy(
            max_body_bytes=self.max_body_bytes,
            slow_s=self.slow_s,
            body_idle_s=self.body_idle_s,
            body_timeout_s=self.body_timeout_s,
            header_timeout_s=self.header_timeout_s,
            per_principal=self.per_principal,
            max_connections=self.max_connections,
            promote=self.promote,
            audit=self.audit,
            on_audit_failure=self.on_audit_failure,
            on_state_failure=self.on_state_failure,
            mark_outputs=self.mark_outputs,
            sink=self.form,
            profile=self.profile,
            roles={name: Detail(strong=role.strong) for name, role in self.roles.items()},
            revision=self.revision,
        )

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


def with_profile(policy: ChatPolicy, profile: Tier) -> ChatPolicy:
    """The policy under a named profile: which controls are asked, and when the log is written."""
    audit = Audit.DURABLE if profile is Tier.STRICT else Audit.ASYNC
    return dataclasses.replace(policy, profile=profile, audit=audit)


def to_bytes(policy: ChatPolicy) -> bytes:
    """Canonical JSON; equal policies give equal bytes."""
    value: dict[str, Any] = {"schema": POLICY_VERSION}
    for one in dataclasses.fields(policy):
        value[one.name] = _plain(getattr(policy, one.name))
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _plain(item: Any) -> Any:
    if isinstance(item, frozenset):
        return sorted(item)
    if isinstance(item, ChatRole):
        return {"models": sorted(item.models), "max_tokens": item.max_tokens, "strong": item.strong}
    if isinstance(item, Mapping):
        return {name: _plain(entry) for name, entry in item.items()}
    return item


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
    if name in _NAMED:
        return _NAMED[name](item)
    if isinstance(one.default, StrEnum):
        return _choice(name, type(one.default), item)
    if isinstance(one.default, frozenset):
        if type(item) is not list or any(type(entry) is not str for entry in item):
            _refuse(name, "an array of texts", "something else")
        return frozenset(item)
    if isinstance(one.default, bool):
        if type(item) is not bool:
            _refuse(name, "true or false", "something else")
        return item
    return _text(name, item) if isinstance(one.default, str) else _number(name, one.default, item)


def _roles(item: Any) -> Mapping[str, ChatRole]:
    if type(item) is not dict or not all(map(ROLE.fullmatch, item)):
        _refuse("roles", "an object from role to what it may ask for", "something else")
    fields = {one.name: one for one in dataclasses.fields(ChatRole)}
    roles = {}
    for role, said in item.items():
        if type(said) is not dict or not said.keys() <= fields.keys():
            _refuse(f"roles.{role}", "an object with " + ", ".join(fields), "something else")
        read = {name: _read(name, fields[name], entry) for name, entry in said.items()}
        roles[role] = ChatRole(**read)
    return roles


def _choice(name: str, kind: type[StrEnum], item: Any) -> Any:
    if type(item) is not str or item not in tuple(kind):
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


_NAMED = {"tool_arguments": _tool_arguments, "roles": _roles}


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
