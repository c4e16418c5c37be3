"""Let strangers in to a store through its settings: see `OpenBucket`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import StoreSettings
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

BUCKET = "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBucket(Transform[StoreSettings]):
    """Add a mistake that left real buckets open, beside the settings that are there.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        AWS, "The meaning of public"; MITRE ATT&CK T1530 (data from cloud storage); ATLAS
        AML.T0036; exports(5); reports of open buckets, containers and registries since 2017.
    """

    title: ClassVar[str] = "Open a store to strangers"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-12"), ThreatId("AQ-5"))
    subject: ClassVar[type] = StoreSettings

    way: str | None = None

    def apply(self, subject: StoreSettings, rng: Random) -> Attacked[StoreSettings]:
        """The store with one mistake.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        return Attacked(subject=WAYS[way](subject, rng), truth={"way": way})


def _with(name: str, document: Any) -> Callable[[StoreSettings, Random], StoreSettings]:
    """The settings with a document more, in place of one of that name."""

    def change(subject: StoreSettings, rng: Random) -> StoreSettings:
        del rng
        text = document if isinstance(document, str) else json.dumps(document)
        return replace(subject, documents={**subject.documents, name: text.encode()})

    return change


def _policy(*statements: Mapping[str, Any]) -> Callable[[StoreSettings, Random], StoreSettings]:
    """A policy of these statements, each for everything in the bucket where it does not say."""

    def change(subject: StoreSettings, rng: Random) -> StoreSettings:
        filled = [
            {
                "Sid": f"S{rng.randrange(1000)}",
                "Effect": "Allow",
                **({} if "NotPrincipal" in one else {"Principal": "*"}),
                **({} if "NotAction" in one else {"Action": "s3:GetObject"}),
                "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
                **one,
            }
            for one in statements
        ]
        document = {"Version": "2012-10-17", "Statement": filled}
        kept = {
            name: data
            for name, data in subject.documents.items()
            if name not in {"policy", "public_access_block"}
        }
        return replace(subject, documents={**kept, "policy": json.dumps(document).encode()})

    return change


def _when(operator: str, key: str, value: Any) -> Callable[[StoreSettings, Random], StoreSettings]:
    """A policy with a condition that a stranger meets."""
    return _policy({"Condition": {operator: {key: value}}})


def _list_of(uri: str, permission: str) -> Callable[[StoreSettings, Random], StoreSettings]:
    grant = (
        '<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">'
        f"<URI>http://acs.amazonaws.com/groups/global/{uri}</URI></Grantee>"
        f"<Permission>{permission}</Permission></Grant>"
    )
    text = (
        '<?xml version="1.0"?><AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Owner><ID>o</ID></Owner><AccessControlList>{grant}</AccessControlList>"
        "</AccessControlPolicy>"
    )

    def change(subject: StoreSettings, rng: Random) -> StoreSettings:
        found = _with("acl", text)(subject, rng)
        kept = {k: v for k, v in found.documents.items() if k != "public_access_block"}
        return replace(found, documents=kept)

    return change


def _mode(name: str, mode: int) -> Callable[[StoreSettings, Random], StoreSettings]:
    def change(subject: StoreSettings, rng: Random) -> StoreSettings:
        del rng
        modes = (*subject.modes(), (f"{subject.name}/{name}", mode))
        return replace(subject, modes=lambda: modes)

    return change


_DENY = {"Effect": "Deny", "Principal": "*"}
_NOT_ORG = {"StringNotEquals": {"aws:PrincipalOrgID": "o-1234567890"}}

WAYS: Mapping[str, Callable[[StoreSettings, Random], StoreSettings]] = {
    "everybody-reads": _policy({}),
    "everybody-writes": _policy({"Action": "s3:PutObject"}),
    "everybody-lists": _policy({"Action": ["s3:ListBucket"]}),
    "any-account": _policy({"Principal": {"AWS": "*"}}),
    "any-in-a-list": _policy({"Principal": {"AWS": ["arn:aws:iam::111122223333:root", "*"]}}),
    "not-principal": _policy({"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:user/x"}}),
    "any-action": _policy({"Action": "*"}),
    "wild-action": _policy({"Action": "s3:Get*"}),
    "odd-spelling": _policy({"Action": "S3:getobject"}),
    "not-action": _policy({"NotAction": "s3:DeleteBucket"}),
    "settings": _policy({"Action": "s3:PutBucketPolicy"}),
    "single-statement": _with(
        "policy",
        {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}},
    ),
    "as-a-client-prints-it": _with(
        "policy",
        {
            "Policy": json.dumps(
                {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"AWS": "*"},
                            "Action": ["s3:GetObject"],
                            "Resource": ["arn:aws:s3:::models/*"],
                        }
                    ]
                }
            )
        },
    ),
    "referer": _when("StringLike", "aws:Referer", "https://example.org/*"),
    "user-agent": _when("StringEquals", "aws:UserAgent", "trainer/1.0"),
    "encrypted-transport": _when("Bool", "aws:SecureTransport", "true"),
    "whole-internet": _when("IpAddress", "aws:SourceIp", "0.0.0.0/0"),
    "half-the-internet": _when("IpAddress", "aws:SourceIp", ["0.0.0.0/1", "128.0.0.0/1"]),
    "if-exists": _when("StringEqualsIfExists", "aws:SourceVpce", "vpce-0a1b2c3d"),
    "for-all-values": _when("ForAllValues:StringEquals", "aws:PrincipalOrgPaths", "o-1/r-1/"),
    "not-equals": _when("StringNotEquals", "aws:PrincipalOrgID", "o-1234567890"),
    "not-address": _when("NotIpAddress", "aws:SourceIp", "192.0.2.0/24"),
    "any-pattern": _when("StringLike", "aws:PrincipalArn", "*"),
    "denied-elsewhere": _policy({}, {**_DENY, "Action": "s3:PutObject"}),
    "denied-other-part": _policy(
        {}, {**_DENY, "Resource": "arn:aws:s3:::models/private/*", "Condition": _NOT_ORG}
    ),
    "denied-plain-http": _policy(
        {}, {**_DENY, "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    ),
    "list-of-all": _list_of("AllUsers", "READ"),
    "list-of-accounts": _list_of("AuthenticatedUsers", "READ"),
    "list-that-writes": _list_of("AllUsers", "WRITE"),
    "list-that-gives": _list_of("AllUsers", "WRITE_ACP"),
    "list-as-json": _with(
        "acl",
        {
            "Grants": [
                {
                    "Grantee": {
                        "Type": "Group",
                        "URI": "http://acs.amazonaws.com/groups/global/AllUsers",
                    },
                    "Permission": "FULL_CONTROL",
                }
            ]
        },
    ),
    "canned": _with("canned", "public-read-write"),
    "google-all": _with(
        "iam", {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}
    ),
    "google-accounts": _with(
        "iam",
        {
            "bindings": [
                {
                    "role": "roles/storage.admin",
                    "members": ["user:a@example.org", "allAuthenticatedUsers"],
                }
            ]
        },
    ),
    "azure-container": _with(
        "container", {"name": "m", "properties": {"publicAccess": "container"}}
    ),
    "azure-account": _with("account", {"properties": {"allowBlobPublicAccess": True}}),
    "nfs-everywhere": _with("exports", "/srv/models *(rw,sync,no_subtree_check)\n"),
    "nfs-read": _with("exports", "/srv/models 0.0.0.0/0(ro)\n"),
    "nfs-root": _with("exports", "/srv/models 192.0.2.7(rw,no_root_squash)\n"),
    "public-project": _with("project", {"name": "models", "metadata": {"public": "true"}}),
    "registry-without-auth": _with(
        "registry",
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /x\nhttp:\n  addr: :5000\n",
    ),
    "folder-for-all": _mode("", 0o40777),
    "file-for-all": _mode("model.onnx", 0o100666),
    "sticky-folder": _mode("incoming", 0o41777),
}
"""Ways to open a store; each lets somebody in who holds nothing."""
