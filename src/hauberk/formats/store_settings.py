"""How a store is set up, in its own documents: who is let in, and to what.

Known documents, told apart by their content: policies (`bucket_policies`), access lists of S3 in
XML or JSON, blocks of public access, encryption; bindings of Google Cloud Storage; containers and
accounts of Azure; exports of NFS; projects of Harbor and settings of a container registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

from hauberk.errors import ArtifactError
from hauberk.formats import bucket_policies
from hauberk.formats.bucket_policies import Deed
from hauberk.formats.strict_json import JsonLimits, decode

MAX_BYTES: Final = 1 << 20

_LIMITS = JsonLimits(max_bytes=MAX_BYTES, max_objects=20_000, max_keys=1000)
_GROUPS = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "anybody",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "anybody with an account",
}
_GRANTS: Mapping[str, tuple[Deed, ...]] = {
    "READ": (Deed.LIST, Deed.READ),
    "WRITE": (Deed.WRITE,),
    "READ_ACP": (),
    "WRITE_ACP": (Deed.SETTINGS,),
    "FULL_CONTROL": (Deed.LIST, Deed.READ, Deed.WRITE, Deed.SETTINGS),
}
_CANNED = {
    "public-read": (Deed.LIST, Deed.READ),
    "public-read-write": (Deed.LIST, Deed.READ, Deed.WRITE),
    "authenticated-read": (Deed.LIST, Deed.READ),
}
_MEMBERS = {"allUsers": "anybody", "allAuthenticatedUsers": "anybody with an account"}
_EXPORT = re.compile(r'^\s*("[^"]+"|/\S*)\s+(\S.*)$')
_CLIENT = re.compile(r"([^\s(]*)\(([^)]*)\)|(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Somebody who is let in to something.

    Attributes:
        who: In words.
        where: Document and place in it.
    """

    deed: Deed
    who: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What a block of public access takes back.

    Attributes:
        policies: Whether public policies have no effect.
        lists: Whether public access lists have none.
    """

    policies: bool = False
    lists: bool = False


def exposures(documents: Mapping[str, bytes], prefix: str = "") -> Iterator[Exposure]:
    """Who is let in by ``documents``, after what blocks of public access take back.

    Args:
        documents: Name to content, as a server or a person gave them.
        prefix: Part of the store that is meant; all of it where empty.

    Raises:
        ArtifactError: A document is malformed, or of no known kind.
    """
    parsed = {name: parse(data) for name, data in documents.items() if data.strip()}
    guards = _guards(parsed)
    for name, value in parsed.items():
        found = _judge(value, name, prefix, guards)
        if found is None:
            raise _unknown(name)
        yield from found


def is_settings(data: bytes) -> bool:
    """Whether ``data`` is a document of a known kind; never raises for what it holds."""
    if len(data) > MAX_BYTES or not _MARKS.search(data):
        return False
    try:
        return _judge(parse(data), "", "", Guards()) is not None
    except ArtifactError:
        return b'"Statement"' in data and b'"Principal"' in data


_MARKS = re.compile(
    rb'"Statement"[^\0]*"Effect"|"Effect"[^\0]*"Statement"|"Grants"[^\0]*"Permission"'
    rb'|"members"[^\0]*"role"|"role"[^\0]*"members"|<(?:\w+:)?AccessControlPolicy'
    rb'|"publicAccess"|"allowBlobPublicAccess"|RestrictPublicBuckets'
)


def parse(data: bytes) -> Any:
    """JSON, XML as an element, or text.

    Raises:
        ArtifactError: It is malformed, or larger than settings are.
    """
    if len(data) > MAX_BYTES:
        raise ArtifactError("a document of settings is too large", found=f"{len(data)} bytes")
    start = data.lstrip()[:1]
    if start in {b"{", b"["}:
        return decode(data.strip(), _LIMITS)
    if start == b"<":
        return _xml(data)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ArtifactError("a document of settings is no text", found=str(error)[:80]) from error


def _xml(data: bytes) -> ET.Element:
    if re.search(rb"<!(DOCTYPE|ENTITY)", data, re.IGNORECASE) or b"\0" in data:
        raise ArtifactError("a document of settings declares entities", rule="plain XML")
    try:
        root = ET.fromstring(data.strip())  # noqa: S314 - bounded, without entities
    except (ET.ParseError, ValueError, LookupError) as error:
        raise ArtifactError("malformed XML", found=str(error)[:80]) from error
    for one in root.iter():
        one.tag = str(one.tag).rpartition("}")[2]
    return root


def _guards(parsed: Mapping[str, Any]) -> Guards:
    policies = lists = False
    for value in parsed.values():
        found = _block(value)
        policies |= found.get("RestrictPublicBuckets", False)
        lists |= found.get("IgnorePublicAcls", False)
    return Guards(policies=policies, lists=lists)


def _block(value: Any) -> dict[str, bool]:
    """The switches of a block of public access."""
    if isinstance(value, ET.Element):
        if value.tag != "PublicAccessBlockConfiguration":
            return {}
        return {one.tag: (one.text or "").strip().lower() == "true" for one in value}
    if isinstance(value, dict):
        inner = value.get("PublicAccessBlockConfiguration", value)
        if isinstance(inner, dict) and "RestrictPublicBuckets" in inner:
            return {key: item is True for key, item in inner.items()}
    return {}


def _judge(value: Any, name: str, prefix: str, guards: Guards) -> Iterator[Exposure] | None:
    """Who is let in by one document; ``None`` where it is of no known kind."""
    if isinstance(value, ET.Element):
        return _of_xml(value, name, guards)
    if isinstance(value, dict):
        return _of_json(value, name, prefix, guards)
    return _of_text(value, name) if isinstance(value, str) else None


def _of_xml(root: ET.Element, name: str, guards: Guards) -> Iterator[Exposure] | None:
    if root.tag == "AccessControlPolicy":
        grants = [
            (grant.findtext("Grantee/URI") or "", grant.findtext("Permission") or "")
            for grant in root.iter("Grant")
        ]
        return iter(()) if guards.lists else _granted(grants, name)
    known = {
        "PublicAccessBlockConfiguration",
        "ServerSideEncryptionConfiguration",
        "VersioningConfiguration",
        "PolicyStatus",
    }
    return iter(()) if root.tag in known else None


def _granted(grants: list[tuple[str, str]], name: str) -> Iterator[Exposure]:
    for group, permission in grants:
        who = _GROUPS.get(group.strip())
        for deed in _GRANTS.get(permission.strip(), ()) if who else ():
            yield Exposure(deed=deed, who=who or "", where=f"{name}: grant {permission.strip()}")


def _of_json(
    value: dict[str, Any], name: str, prefix: str, guards: Guards
) -> Iterator[Exposure] | None:
    if "Statement" in value or "Policy" in value or "policy" in value:
        return _of_policy(value, name, prefix, guards)
    for key, reader in _JSON.items():
        if key in value:
            return iter(()) if guards.lists and key in {"Grants", "acl"} else reader(value, name)
    is_known = _block(value) or {"ServerSideEncryptionConfiguration", "Rules"} & set(value)
    return iter(()) if is_known else None


def _of_policy(
    value: dict[str, Any], name: str, prefix: str, guards: Guards
) -> Iterator[Exposure] | None:
    statements = bucket_policies.of_document(value)
    if statements is None:
        return None
    if guards.policies:
        return iter(())
    return (
        Exposure(deed=deed, who="anybody", where=f"{name}: {one.place}")
        for deed, one in bucket_policies.public_deeds(statements, prefix)
    )


def _of_grants(value: dict[str, Any], name: str) -> Iterator[Exposure]:
    grants = value["Grants"] if isinstance(value["Grants"], list) else []
    pairs = [
        (str(_get(one, "Grantee", "URI")), str(_get(one, "Permission")))
        for one in grants
        if isinstance(one, dict)
    ]
    return _granted(pairs, name)


def _of_canned(value: dict[str, Any], name: str) -> Iterator[Exposure]:
    for deed in _CANNED.get(str(value["acl"]).strip().lower(), ()):
        yield Exposure(deed=deed, who="anybody", where=f"{name}: acl {value['acl']}")


def _of_bindings(value: dict[str, Any], name: str) -> Iterator[Exposure]:
    bindings = value["bindings"] if isinstance(value["bindings"], list) else []
    if _get(value, "iamConfiguration", "publicAccessPrevention") == "enforced":
        return
    for binding in bindings:
        members = _get(binding, "members") or []
        who = next((_MEMBERS[str(one)] for one in members if str(one) in _MEMBERS), None)
        if who is None or _get(binding, "condition"):
            continue
        role = str(_get(binding, "role"))
        for deed in _role(role):
            yield Exposure(deed=deed, who=who, where=f"{name}: role {role}"[:120])


def _role(role: str) -> tuple[Deed, ...]:
    role = role.lower()
    if "viewer" in role or "reader" in role:
        return (Deed.LIST, Deed.READ)
    if "creator" in role:
        return (Deed.WRITE,)
    return (Deed.LIST, Deed.READ, Deed.WRITE, Deed.SETTINGS)  # users, writers, owners, admins


def _of_azure(value: dict[str, Any], name: str) -> Iterator[Exposure]:
    inner = value.get("properties", value)
    level = str(_get(inner, "publicAccess") or "none").lower()
    if level in {"container", "blob"}:
        yield Exposure(deed=Deed.READ, who="anybody", where=f"{name}: publicAccess {level}")
        if level == "container":
            yield Exposure(deed=Deed.LIST, who="anybody", where=f"{name}: publicAccess {level}")
    elif _get(inner, "allowBlobPublicAccess") is True:
        yield Exposure(deed=Deed.READ, who="anybody", where=f"{name}: allowBlobPublicAccess")


def _of_harbor(value: dict[str, Any], name: str) -> Iterator[Exposure]:
    if str(_get(value, "metadata", "public")).lower() == "true" or value.get("public") is True:
        yield Exposure(deed=Deed.READ, who="anybody", where=f"{name}: public project")


_JSON: Final[Mapping[str, Callable[[dict[str, Any], str], Iterator[Exposure]]]] = {
    "Grants": _of_grants,
    "acl": _of_canned,
    "bindings": _of_bindings,
    "publicAccess": _of_azure,
    "allowBlobPublicAccess": _of_azure,
    "properties": _of_azure,
    "metadata": _of_harbor,
    "public": _of_harbor,
}


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _of_text(text: str, name: str) -> Iterator[Exposure] | None:
    word = text.strip().lower()
    if word in _CANNED or word in {"private", "bucket-owner-full-control", "bucket-owner-read"}:
        return _of_canned({"acl": word}, name)
    lines = [line.split("#")[0].rstrip() for line in text.splitlines()]
    lines = [line for line in lines if line.strip()]
    if lines and all(_EXPORT.match(line) for line in lines):
        return _of_exports(lines, name)
    if re.search(r"^storage:", text, re.MULTILINE) and re.search(r"^http:", text, re.MULTILINE):
        return _of_registry(text, name)
    return None


def _of_exports(lines: list[str], name: str) -> Iterator[Exposure]:
    for line in lines:
        match = _EXPORT.match(line)
        for client in _CLIENT.finditer(match[2] if match else ""):
            host, options = client[1] or client[3] or "", (client[2] or "").split(",")
            options = [option.strip() for option in options]
            if host in {"", "*", "0.0.0.0/0", "::/0"}:
                deed = Deed.WRITE if "rw" in options else Deed.READ
                yield Exposure(deed=deed, who="any machine", where=f"{name}: {line.strip()[:60]}")
            elif "no_root_squash" in options and "rw" in options:
                where = f"{name}: {line.strip()[:60]}"
                yield Exposure(deed=Deed.SETTINGS, who=f"root of {host[:40]}", where=where)


def _of_registry(text: str, name: str) -> Iterator[Exposure]:
    """A container registry's own settings: without a table of who may, everybody may."""
    if not re.search(r"^auth:", text, re.MULTILINE):
        is_read_only = re.search(r"readonly:\s*\n\s+enabled:\s*true", text) is not None
        yield Exposure(deed=Deed.READ, who="anybody", where=f"{name}: no auth")
        if not is_read_only:
            yield Exposure(deed=Deed.WRITE, who="anybody", where=f"{name}: no auth")


def _unknown(name: str) -> ArtifactError:
    return ArtifactError(
        "a document of settings of no known kind",
        subject=name,
        expected="a policy, an access list, a block of public access, bindings, exports",
        hint="export it from where it is in force, in JSON or XML",
    )
