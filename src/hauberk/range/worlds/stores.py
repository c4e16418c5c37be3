"""Stores that are set up well, and a server that lets strangers in as documents say.

The server is written from the side of one request: who asks, from where, with which headers.
It knows nothing of how the control reasons about all strangers at once.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
from collections.abc import Mapping
from random import Random
from typing import Any

from hauberk.core.artifact import StoreSettings

ACCOUNT = "arn:aws:iam::111122223333:root"
_ALL = ["arn:aws:s3:::models", "arn:aws:s3:::models/*"]
_STRANGER: Mapping[str, str] = {
    "aws:sourceip": "203.0.113.9",
    "aws:securetransport": "true",
    "aws:referer": "https://example.org/page",
    "aws:useragent": "trainer/1.0",
    "aws:principalarn": "anonymous",
}
"""What comes with a stranger's request; a Referer and an agent's name as the attacker chose."""
_NO_BLOCK = (
    "<PublicAccessBlockConfiguration><RestrictPublicBuckets>false</RestrictPublicBuckets>"
    "</PublicAccessBlockConfiguration>"
)
_BLOCK = (
    "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>"
    "<IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>"
    "<RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
)
_LIST = (
    "<AccessControlPolicy><AccessControlList><Grant><Grantee>{who}</Grantee>"
    "<Permission>{what}</Permission></Grant></AccessControlList></AccessControlPolicy>"
)
_EVERYBODY = "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>"
_PUBLIC_LIST = _LIST.format(who=_EVERYBODY, what="READ")
_OWN_LIST = _LIST.format(who="<ID>o</ID>", what="FULL_CONTROL")


def _policy(*statements: Mapping[str, Any]) -> str:
    base = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": _ALL}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{**base, **one} for one in statements]}
    )


def _when(operator: str, key: str, value: Any) -> str:
    return _policy({"Condition": {operator: {key: value}}})


_DENY_HTTP = {
    "Effect": "Deny",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
_DENY_OTHERS = {
    "Effect": "Deny",
    "Action": "s3:*",
    "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
}
SAFE: tuple[Mapping[str, str], ...] = (
    {"acl": _OWN_LIST},
    {"acl": "private"},
    {"acl": _OWN_LIST, "policy": _policy({"Principal": {"AWS": ACCOUNT}})},
    {"policy": _policy({"Principal": {"AWS": ACCOUNT}, "Action": "s3:*"}, _DENY_HTTP)},
    {
        "policy": _policy(
            {"Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject"}
        )
    },
    {"policy": _policy({"Principal": {"CanonicalUser": "79a59df900b949e55d96a1e698fbaced"}})},
    {"policy": _policy(_DENY_HTTP)},
    {"policy": _when("StringEquals", "aws:PrincipalOrgID", "o-1234567890")},
    {"policy": _when("StringEquals", "aws:SourceVpce", "vpce-0a1b2c3d")},
    {"policy": _when("StringEquals", "aws:SourceVpc", ["vpc-1", "vpc-2"])},
    {"policy": _when("IpAddress", "aws:SourceIp", ["192.0.2.0/24", "10.0.0.0/8"])},
    {"policy": _when("IpAddress", "aws:SourceIp", "2001:db8::/32")},
    {"policy": _when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/train-*")},
    {"policy": _when("StringLike", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/*")},
    {"policy": _when("StringEquals", "aws:PrincipalAccount", "111122223333")},
    {"policy": _when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/r-1/*")},
    {"policy": _policy({}, _DENY_OTHERS)},
    {"policy": _policy({}, {**_DENY_OTHERS, "Resource": "*"}), "acl": _OWN_LIST},
    {"policy": _policy({}, {"Effect": "Deny", "Action": "s3:*"})},
    {"policy": _policy({}), "public_access_block": _BLOCK},
    {"acl": _PUBLIC_LIST, "public_access_block": _BLOCK},
    {"acl": _OWN_LIST, "public_access_block": _NO_BLOCK},
    {"policy": _policy({"Action": "s3:GetBucketLocation"})},
    {
        "iam": json.dumps(
            {"bindings": [{"role": "roles/storage.admin", "members": ["group:ml@example.org"]}]}
        )
    },
    {
        "iam": json.dumps(
            {
                "bindings": [
                    {"role": "roles/storage.objectViewer", "members": ["domain:example.org"]}
                ]
            }
        )
    },
    {"container": json.dumps({"name": "m", "properties": {"publicAccess": None}})},
    {"account": json.dumps({"properties": {"allowBlobPublicAccess": False}})},
    {"exports": "/srv/models 192.0.2.0/24(ro) trainer.example.org(rw,root_squash)\n"},
    {"project": json.dumps({"name": "models", "metadata": {"public": "false"}})},
    {
        "registry": "version: 0.1\nstorage:\n  filesystem: {}\nhttp:\n  addr: :5000\n"
        "auth:\n  htpasswd:\n    path: /x\n"
    },
)
"""Documents of stores that let in nobody who holds nothing."""

_MODES = (0o40750, 0o40700, 0o40755, 0o100600, 0o100640, 0o100644, 0o100444)


def safe(seed: int) -> StoreSettings:
    """A store that is set up well, one of `SAFE` in turn, with folders of ordinary modes."""
    rng = Random(seed)
    modes = tuple((f"store/{n}", rng.choice(_MODES)) for n in range(rng.randrange(1, 6)))
    documents = {name: text.encode() for name, text in SAFE[seed % len(SAFE)].items()}
    return StoreSettings(name="store", documents=documents, modes=lambda: modes, is_encrypted=True)


def lets_in(settings: StoreSettings) -> bool:
    """Whether a stranger gets anything at all, or may write to a folder."""
    if any(mode & 0o002 for _, mode in settings.modes()):
        return True
    documents = {name: data.decode() for name, data in settings.documents.items()}
    block = "RestrictPublicBuckets>true" in documents.get("public_access_block", "")
    policy = documents.pop("policy", None)
    if policy is not None and not block and _policy_lets_in(json.loads(policy)):
        return True
    return not block and any(_says_public(text) for text in documents.values())


_PUBLIC_WORDS = (
    "global/AllUsers", "global/AuthenticatedUsers", '"allUsers"', '"allAuthenticatedUsers"',
    '"publicAccess": "', '"allowBlobPublicAccess": true', " *(", " 0.0.0.0/0(", "no_root_squash",
    '"public": "true"', "public-read",
)  # fmt: skip


def _says_public(text: str) -> bool:
    is_open_registry = "storage:" in text and "auth:" not in text
    return is_open_registry or any(word in text for word in _PUBLIC_WORDS)


def _policy_lets_in(policy: Any) -> bool:
    """Whether one of a stranger's requests is allowed: each action on each part."""
    if "Policy" in policy:
        policy = json.loads(policy["Policy"])
    statements = policy["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    return any(
        _is_allowed(statements, action, resource)
        for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:PutBucketPolicy")
        for resource in ("arn:aws:s3:::models", "arn:aws:s3:::models/public/x")
    )


def _is_allowed(statements: list[Any], action: str, resource: str) -> bool:
    effects = [one["Effect"] for one in statements if _applies(one, action, resource)]
    return "Allow" in effects and "Deny" not in effects


def _applies(one: Any, action: str, resource: str) -> bool:
    def listed(value: Any) -> list[str]:
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]

    principal = one.get("Principal")
    named = (
        listed(principal["AWS"])
        if isinstance(principal, dict) and "AWS" in principal
        else principal
    )
    is_me = "NotPrincipal" in one or named == "*" or (isinstance(named, list) and "*" in named)
    spoken = any(
        fnmatch.fnmatchcase(action.lower(), item.lower())
        for item in listed(one.get("Action", one.get("NotAction")))
    )
    there = any(fnmatch.fnmatchcase(resource, item) for item in listed(one["Resource"]))
    holds = all(
        _holds(operator, key.lower(), listed(wanted))
        for operator, keys in one.get("Condition", {}).items()
        for key, wanted in keys.items()
    )
    return is_me and spoken != ("NotAction" in one) and there and holds


def _holds(operator: str, key: str, wanted: list[str]) -> bool:
    """One condition, held against what comes with a stranger's request."""
    mine = _STRANGER.get(key)
    if operator.startswith("ForAllValues:") or operator.endswith("IfExists"):
        return mine is None or mine in wanted
    if mine is None:
        return "Not" in operator
    if operator in {"IpAddress", "NotIpAddress"}:
        here = ipaddress.ip_address(mine)
        inside = any(here in ipaddress.ip_network(item) for item in wanted)
        return inside == (operator == "IpAddress")
    return any(fnmatch.fnmatchcase(mine, item) for item in wanted) != ("Not" in operator)
