"""Policies of buckets as data: who may do what, by S3's rules of evaluation.

A statement with effect Allow lets in its principals unless a condition says where they come
from or who they are; a statement with effect Deny takes that back. `public_deeds` answers what
somebody may do who holds no credentials of the owner's.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hauberk.errors import ArtifactError
from hauberk.formats.strict_json import JsonLimits, decode

MAX_BYTES: Final = 1 << 20
MAX_STATEMENTS: Final = 1000

_LIMITS = JsonLimits(max_bytes=MAX_BYTES, max_objects=20_000, max_keys=1000)


class Deed(StrEnum):
    """What can be done to what is stored."""

    READ = "read"
    LIST = "list"
    WRITE = "write"
    SETTINGS = "change the settings of"


ACTIONS: Final[Mapping[Deed, tuple[str, ...]]] = {
    Deed.READ: ("s3:getobject", "s3:getobjectversion"),
    Deed.LIST: ("s3:listbucket", "s3:listbucketversions"),
    Deed.WRITE: ("s3:putobject", "s3:deleteobject", "s3:deleteobjectversion"),
    Deed.SETTINGS: (
        "s3:putbucketpolicy",
        "s3:putbucketacl",
        "s3:putobjectacl",
        "s3:putencryptionconfiguration",
        "s3:putbucketpublicaccessblock",
        "s3:deletebucket",
    ),
}
"""Deed to actions that each allow it."""

_IDENTITY = frozenset(
    {
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principaltag",
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:userid",
        "aws:username",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "kms:calleraccount",
    }
)
"""Keys that somebody outside cannot choose; a Referer or an agent's name can be."""
_ADDRESS = frozenset({"aws:sourceip", "aws:vpcsourceip"})
_WIDEST = {4: 8, 6: 32}
"""Shortest prefixes of networks that still name somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a policy.

    Attributes:
        place: Its number or id, for messages.
    """

    place: str
    allows: bool
    principals: tuple[str, ...]
    not_principals: bool
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def covers(self, action: str) -> bool:
        """Whether the statement speaks of ``action``."""
        hit = any(fnmatch.fnmatchcase(action, pattern.lower()) for pattern in self.actions)
        return hit != self.not_actions

    def reaches(self, prefix: str) -> bool:
        """Whether it speaks of anything below ``prefix`` of the bucket; all of it where empty."""
        if not prefix or not self.resources:
            return True
        keys = [resource.partition("/")[2] or "*" for resource in self.resources]
        hit = any(
            fnmatch.fnmatchcase(f"{prefix}/x", key)
            or fnmatch.fnmatchcase(prefix, key)
            or key.startswith(prefix)
            for key in keys
        )
        return hit != self.not_resources

    @property
    def is_for_everybody(self) -> bool:
        """Whether anybody at all is among its principals."""
        return self.not_principals or "*" in self.principals


def read_policy(data: bytes) -> tuple[Statement, ...] | None:
    """The statements of a policy; ``None`` where the document is none.

    Raises:
        ArtifactError: It is a policy and malformed.
    """
    return of_document(decode(data.strip(), _LIMITS))


def of_document(document: Any) -> tuple[Statement, ...] | None:
    """The statements of a policy that was decoded; a client's wrapping is taken off.

    Raises:
        ArtifactError: It is a policy and malformed.
    """
    if isinstance(document, dict) and isinstance(document.get("Policy"), str):
        document = decode(document["Policy"].encode(), _LIMITS)
    if isinstance(document, dict) and isinstance(document.get("policy"), dict):
        document = document["policy"]
    if not isinstance(document, dict) or "Statement" not in document:
        return None
    found = document["Statement"]
    found = found if isinstance(found, list) else [found]
    if len(found) > MAX_STATEMENTS:
        raise _malformed(f"{len(found)} statements")
    return tuple(_statement(item, number) for number, item in enumerate(found, 1))


def _statement(item: Any, number: int) -> Statement:
    if not isinstance(item, dict) or item.get("Effect") not in {"Allow", "Deny"}:
        raise _malformed(f"statement {number} without Effect Allow or Deny")
    if ("Action" in item) == ("NotAction" in item):
        raise _malformed(f"statement {number} without one of Action and NotAction")
    return Statement(
        place=str(item.get("Sid") or f"statement {number}")[:80],
        allows=item["Effect"] == "Allow",
        principals=tuple(_principals(item.get("Principal", item.get("NotPrincipal")))),
        not_principals="NotPrincipal" in item,
        actions=_strings(item.get("Action", item.get("NotAction"))),
        not_actions="NotAction" in item,
        resources=_strings(item.get("Resource", item.get("NotResource", ()))),
        not_resources="NotResource" in item,
        conditions=tuple(_conditions(item.get("Condition", {}))),
    )


def _principals(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for names in value.values():
            yield from _strings(names)
    elif value is not None:
        yield from _strings(value)


def _strings(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(str(item) for item in items)


def _conditions(value: Any) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if not isinstance(value, dict):
        raise _malformed("conditions that are no object")
    for operator, keys in value.items():
        if not isinstance(keys, dict):
            raise _malformed("a condition that is no object")
        for key, wanted in keys.items():
            yield str(operator).lower(), str(key).lower(), _strings(wanted)


def public_deeds(
    statements: tuple[Statement, ...], prefix: str = ""
) -> Iterator[tuple[Deed, Statement]]:
    """What anybody may do, with the statement that lets them; each deed once."""
    denials = [one for one in statements if not one.allows]
    for deed, actions in ACTIONS.items():
        for one in statements:
            if (
                one.allows
                and _lets(one, actions, prefix)
                and not _taken_back(denials, actions, one)
            ):
                yield deed, one
                break


def _lets(one: Statement, actions: tuple[str, ...], prefix: str) -> bool:
    covers = any(one.covers(action) for action in actions)
    return covers and one.is_for_everybody and one.reaches(prefix) and not is_narrowed(one)


def is_narrowed(one: Statement) -> bool:
    """Whether a condition of an Allow leaves out strangers."""
    return any(_names_somebody(*condition) for condition in one.conditions)


def _names_somebody(operator: str, key: str, wanted: tuple[str, ...]) -> bool:
    """Whether a stranger fails the condition whatever they send."""
    operator = operator.removeprefix("foranyvalue:")
    if operator.startswith("forallvalues:") or operator.endswith("ifexists"):
        return False  # true where the key is missing, as it is for a stranger
    if "not" in operator:
        return False
    base = key.partition("/")[0]
    if base in _ADDRESS:
        return operator == "ipaddress" and all(_is_narrow(item) for item in wanted)
    is_comparison = operator.startswith(("string", "arn"))
    return is_comparison and base in _IDENTITY and all(_is_said(item) for item in wanted)


def _is_said(pattern: str) -> bool:
    """Whether a pattern names something: one of wild cards alone does not."""
    return bool(pattern.strip("*?:/ ")) and pattern not in {
        "arn:aws:iam::*:*",
        "arn:aws:iam::*:root",
    }


def _is_narrow(network: str) -> bool:
    try:
        found = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    return found.prefixlen >= _WIDEST[found.version]


def _taken_back(denials: list[Statement], actions: tuple[str, ...], one: Statement) -> bool:
    """Whether a Deny keeps strangers from what ``one`` allows."""
    relevant = [action for action in actions if one.covers(action)]
    return bool(relevant) and all(
        any(
            denial.is_for_everybody
            and denial.covers(action)
            and _spans(denial, one)
            and _keeps_strangers_out(denial)
            for denial in denials
        )
        for action in relevant
    )


def _spans(denial: Statement, one: Statement) -> bool:
    """Whether the Deny speaks of every resource that the Allow speaks of."""
    if denial.not_resources:
        return False
    return all(
        any(fnmatch.fnmatchcase(resource, pattern) for pattern in denial.resources)
        for resource in one.resources
    )


def _keeps_strangers_out(denial: Statement) -> bool:
    """Whether the Deny applies to whoever has none of the owner's marks."""
    if denial.not_principals:
        return True  # everybody but those that it names
    return all(_holds_for_strangers(*condition) for condition in denial.conditions)


def _holds_for_strangers(operator: str, key: str, wanted: tuple[str, ...]) -> bool:
    base = key.partition("/")[0]
    if operator.startswith("null"):
        return base in _IDENTITY and wanted == ("true",)
    plain = operator.removesuffix("ifexists").removeprefix("forallvalues:")
    if base in _ADDRESS:
        return plain == "notipaddress" and all(_is_narrow(item) for item in wanted)
    is_negated = plain.startswith(("stringnot", "arnnot"))
    return is_negated and base in _IDENTITY and all(_is_said(item) for item in wanted)


def _malformed(found: str) -> ArtifactError:
    return ArtifactError(
        "not a policy of a bucket",
        rule="statements with Effect, Action and Resource",
        found=found,
        hint="export the policy again from where it is in force",
    )
