"""Roots of trust: which keys count for a project, and below what nothing is accepted.

A root lies outside the project and its store: in the user's configuration as
``roots/<project>.json``, or wherever ``--root FILE`` points (an organisation's file, a secret
of a build service). Whoever can replace a project together with its store, keys and policy
still has to meet it. It holds the keys for each role with a threshold, a floor for versions
of Hauberk and for release numbers, the policy floor, the steps that no chain may lack, and
digests of sources that are known beforehand.

`resolve` finds the root of a project:

1. A file that the caller names counts as pinned.
2. Else the file in the user's configuration, in the state that it says.
3. Else what the project itself offers, on first use only. It is remembered, so that a later
   exchange of store and keys is refused; the state stays ``first-use`` until a person pins
   it, and nothing is promoted to production on its strength (`hauberk.trust.promotion`).
4. Else there is nothing to verify against, which is an error.

Files that others may write, or that belong neither to the user nor to the administrator,
are refused. A pinned root is replaced only by one of the same project with a higher version.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.core.policy import Policy
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import parse_digest
from hauberk.trust.fields import Fields, misfit, time_text
from hauberk.trust.keys import (
    STATEMENT_ROLES,
    Role,
    load_public,
    read_label,
    read_public,
)
from hauberk.trust.policy import policy_document, read_policy
from hauberk.trust.private_files import is_there, make_folder, write
from hauberk.trust.registry.anchor import Anchor, anchor_document, read_anchor
from hauberk.trust.role_keys import RoleKeys, TrustedKey, ended_text

FORMAT = "urn:hauberk:root:v1"
MAX_ROOT_BYTES = 1 << 20
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{1,9}){0,5})"  # numbers
    r"([-.]?[a-zA-Z][a-zA-Z0-9.-]{0,40})?"  # of a version before that one
    r"(?:\+[a-zA-Z0-9.]{1,40})?"  # of a build, which does not count
)


class Pin(StrEnum):
    """How a root came to be believed."""

    PINNED = "pinned"
    FIRST_USE = "first-use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What is believed of one project before anything of it is read.

    Attributes:
        project: Name of the project.
        version: Grows with every change of the root.
        roles: Keys for each role; a role that is missing can sign nothing.
        policy: The policy floor.
        tool_floor: Oldest version of Hauberk whose statements count.
        release_floor: Lowest release number that counts: a new client is not fed an old one.
        project_waivers: Whether the project may waive findings by itself.
        steps: Steps that every chain must have, beside those that the caller asks for.
        sources: Name to digest of sources that must be these, wherever a chain uses them.
        state: How it came to be believed.
        registry: The model registry of the project, where one is pinned.
    """

    project: str
    roles: Mapping[Role, RoleKeys]
    version: int = 1
    policy: Policy = field(default_factory=Policy)
    tool_floor: str = "0"
    release_floor: int = 0
    project_waivers: bool = False
    steps: tuple[str, ...] = ()
    sources: Mapping[str, Digest] = field(default_factory=dict)
    state: Pin = Pin.PINNED
    registry: Anchor | None = None

    def keys(self, role: Role) -> RoleKeys:
        """The keys of a role.

        Raises:
            TrustError: The root trusts nobody with it, or so many keys ended that the others
                do not reach the threshold.
        """
        held = self.roles.get(role)
        if held is not None and held.ended and len(held.keys) < held.threshold:
            raise _all_ended(self, role, held)
        if role not in self.roles:
            raise TrustError(
                f"nobody is trusted with role {role}",
                subject=f"root of {self.project}",
                rule="a signature counts for the role that its key was pinned for",
                expected=f"keys for {role}",
                found="none",
                hint="pin a root with a key for this role",
            )
        return self.roles[role]

    def at(self, now: float) -> Root:
        """The same root, with its keys divided by whether their end has passed."""
        return replace(self, roles={role: held.at(now) for role, held in self.roles.items()})

    def ending(self, now: float, within_s: float) -> tuple[tuple[Role, TrustedKey], ...]:
        """Keys that ended, or end soon, with their roles."""
        return tuple(
            (role, key)
            for role, held in self.roles.items()
            for key in (*held.ended, *held.keys)
            if key.ends is not None and key.ends <= now + within_s
        )


def _all_ended(root: Root, role: Role, held: RoleKeys) -> TrustError:
    return TrustError(
        f"the keys of role {role} have ended",
        subject=f"root of {root.project}",
        rule="a key counts for nothing after its end",
        expected=f"{held.threshold} keys of role {role} in force",
        found=f"{len(held.keys)}; {ended_text(held)}",
        hint="whoever owns the root gives it a new key, or this one a later end: "
        "hauberk root rotate",
    )


# Finding and pinning -----------------------------------------------------------------


def root_path(config: Path, project: str) -> Path:
    """Where the root of a project lies in the user's configuration.

    Raises:
        UsageError: The name could lead elsewhere.
    """
    if not _PROJECT.fullmatch(project):
        raise UsageError(
            "this name of a project cannot be pinned",
            subject=ascii(project)[:100],
            expected="1 to 64 letters, digits, '.', '_', '-', beginning with a letter or digit",
            found=ascii(project)[:100],
            hint="rename the project in hauberk.toml",
        )
    return config / "roots" / f"{project}.json"


def pin(root: Root, config: Path) -> Path:
    """Write a root to the user's configuration.

    A root that was taken on first use may be pinned as it is; any other must have a higher
    version than the one it replaces.

    Returns:
        The file.

    Raises:
        TrustError: A pinned root would be replaced by one that is not newer.
        UsageError: The name of the project cannot be pinned.
        UnavailableError: The configuration cannot be written.
    """
    path = root_path(config, root.project)
    if is_there(path):
        _check_newer(load(path), root)
    make_folder(path.parent)
    write(path, to_json(root), 0o600)
    return path


def resolve(
    project: str, config: Path, *, file: Path | None = None, offered: Root | None = None
) -> Root:
    """The root of a project, by the four rules of the module's docstring.

    Args:
        project: Name of the project.
        config: The user's configuration.
        file: A root that the caller names.
        offered: What the project itself says; taken on first use only, and remembered.

    Raises:
        TrustError: The root is another project's, or others may write it.
        ArtifactError: The file is malformed.
        UnavailableError: There is no root.
    """
    path = file or root_path(config, project)
    if file is not None or is_there(path):
        root = load(path)
        found = replace(root, state=Pin.PINNED) if file is not None else root
        return _of_project(found, project, path)
    if offered is None:
        raise _no_root(path)
    first = _of_project(replace(offered, state=Pin.FIRST_USE), project, path)
    pin(first, config)
    return first


def load(path: Path, *, now: float | None = None) -> Root:
    """The root in a file, with its keys divided by whether their end has passed.

    Args:
        path: The file.
        now: Seconds since the epoch; the present moment by default.

    Raises:
        UnavailableError: There is none.
        TrustError: Others may write it.
        ArtifactError: It is malformed.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise _no_root(path) from error
    try:
        _check_owner(os.fstat(file), path)
        data = os.read(file, MAX_ROOT_BYTES + 1)
    finally:
        os.close(file)
    return from_json(data).at(time.time() if now is None else now)


def _check_owner(seen: os.stat_result, path: Path) -> None:
    mode = stat.S_IMODE(seen.st_mode)
    if stat.S_ISREG(seen.st_mode) and not mode & 0o022 and seen.st_uid in {os.geteuid(), 0}:
        return
    raise TrustError(
        f"others may write the root of trust {path}",
        subject=str(path),
        rule="only its user or the administrator can write a root of trust",
        expected=f"a file of user {os.geteuid()} or 0 that no group and nobody else may write",
        found=f"{stat.filemode(seen.st_mode)} of user {seen.st_uid}",
        hint=f"check its content, then chmod 600 {path}",
    )


def _of_project(root: Root, project: str, path: Path) -> Root:
    if root.project != project:
        raise TrustError(
            "this is the root of another project",
            subject=str(path),
            rule="a root counts for the project it names",
            expected=project,
            found=root.project,
            hint="name the right root, or pin one for this project",
        )
    return root


def _check_newer(old: Root, new: Root) -> None:
    is_confirmed = old.state is Pin.FIRST_USE and replace(old, state=new.state) == new
    if not is_confirmed and new.version <= old.version:
        raise TrustError(
            f"the root of {old.project} is pinned already",
            subject=f"root of {old.project}",
            rule="a root is replaced only by a newer one",
            expected=f"version {old.version + 1} or higher",
            found=f"version {new.version}",
            hint="if the change is meant, raise the version of the new root",
        )


def _no_root(path: Path) -> UnavailableError:
    return UnavailableError(
        "there is no root of trust to verify against",
        subject=str(path),
        expected="a root pinned outside the project",
        found="none",
        hint="name one with --root FILE, or pin the keys of somebody you trust",
    )


def own_root(
    project: str,
    folder: Path,
    *,
    policy: Policy,
    tool_floor: str,
    roles: Iterable[Role] = STATEMENT_ROLES,
) -> Root:
    """A root that trusts the keys of one folder, for their owner to pin.

    Args:
        project: Name of the project.
        folder: Where keys lie; only public halves are read.
        policy: The policy floor.
        tool_floor: Oldest version of Hauberk whose statements count.
        roles: Roles to trust.

    Raises:
        UnavailableError: A role has no key.
        ArtifactError: A public half is malformed.
    """
    trusted = {}
    for role in roles:
        public, label = load_public(folder, role)
        key = TrustedKey(public=public, label=label)
        trusted[role] = RoleKeys(threshold=1, keys=(key,))
    return Root(project=project, roles=trusted, policy=policy, tool_floor=tool_floor)


# What a root allows ------------------------------------------------------------------


def check_tool(root: Root, version: str, *, subject: str) -> None:
    """Refuse statements of a version of Hauberk below the floor.

    Raises:
        TrustError: It is older.
        ArtifactError: It is no version.
    """
    if version_order(version) < version_order(root.tool_floor):
        raise TrustError(
            f"{subject} was made by too old a version",
            subject=subject,
            rule="statements count from the pinned version of Hauberk on",
            expected=f"{root.tool_floor} or newer",
            found=version,
            hint="run the step again with a newer Hauberk",
        )


def version_order(text: str) -> tuple[tuple[int, ...], bool]:
    """A key that sorts versions; a version with a suffix comes before the same without.

    >>> version_order("0.9") < version_order("0.10rc1") < version_order("0.10")
    True

    Raises:
        ArtifactError: It is no version.
    """
    match = _VERSION.fullmatch(text)
    if not match:
        raise misfit("version", "numbers with points between them, such as 0.1.0", text)
    numbers = [int(part) for part in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), match[2] is None


# Spelling ----------------------------------------------------------------------------


def to_json(root: Root) -> bytes:
    """The canonical spelling of a root."""
    registry = {} if root.registry is None else {"registry": anchor_document(root.registry)}
    return canonical_json(
        {
            "format": FORMAT,
            "policy": policy_document(root.policy),
            "project": root.project,
            "project_waivers": root.project_waivers,
            "release_floor": root.release_floor,
            "roles": {role.value: _role_document(keys) for role, keys in root.roles.items()},
            "sources": root.sources,
            "state": root.state.value,
            "steps": list(root.steps),
            "tool_floor": root.tool_floor,
            "version": root.version,
        }
        | registry
    )


def _role_document(keys: RoleKeys) -> dict[str, Any]:
    rows = [
        {
            "key_id": key.public.key_id,
            "label": {"custodian": key.label.custodian, "machine": key.label.machine},
            "public": key.public.pem,
        }
        | ({} if key.ends is None else {"ends": time_text(key.ends)})
        for key in (*keys.keys, *keys.ended)
    ]
    return {"keys": rows, "threshold": keys.threshold}


_ROOT_KEYS = (
    "format",
    "policy",
    "project",
    "project_waivers",
    "release_floor",
    "roles",
    "sources",
    "state",
    "steps",
    "tool_floor",
    "version",
)


def from_json(data: bytes) -> Root:
    """The root spelt by ``data``.

    Every field but ``registry`` must be there, so that none is lost unseen.

    Raises:
        ArtifactError: It is none.
    """
    fields = Fields.of(parse_json(data, max_bytes=MAX_ROOT_BYTES), "root").only(
        *_ROOT_KEYS, "registry"
    )
    if fields.text("format") != FORMAT:
        raise misfit("root.format", FORMAT, fields.text("format"))
    version_order(fields.text("tool_floor"))
    return Root(
        project=fields.text("project"),
        version=fields.count("version"),
        roles=_read_roles(fields.object("roles").only(*STATEMENT_ROLES)),
        policy=_read_floor(fields),
        tool_floor=fields.text("tool_floor"),
        release_floor=fields.count("release_floor"),
        project_waivers=fields.flag("project_waivers"),
        steps=fields.texts("steps"),
        sources={
            name: parse_digest(value) for name, value in fields.object("sources").values.items()
        },
        state=fields.choice("state", Pin),
        registry=read_anchor(fields.object("registry")) if "registry" in fields.values else None,
    )


def _read_floor(fields: Fields) -> Policy:
    """A floor names all its keys: one left out would silently be a default."""
    stated = fields.object("policy")
    for key in policy_document(Policy()):
        if key not in stated.values:
            raise misfit(f"{stated.where}.{key}", "every key of the policy floor", None)
    return read_policy(stated.values, stated.where)


def _read_roles(fields: Fields) -> dict[Role, RoleKeys]:
    return {
        role: _read_role(fields.object(role.value))
        for role in STATEMENT_ROLES
        if role.value in fields.values
    }


def _read_role(fields: Fields) -> RoleKeys:
    fields.only("keys", "threshold")
    keys = tuple(_read_key(item, where) for where, item in fields.items("keys"))
    ids = {key.public.key_id for key in keys}
    if len(ids) != len(keys):
        raise misfit(f"{fields.where}.keys", "each key once", "a key twice")
    threshold = fields.count("threshold")
    if not 1 <= threshold <= len(keys):
        raise misfit(f"{fields.where}.threshold", "1 to the number of keys", threshold)
    return RoleKeys(threshold=threshold, keys=keys)


def _read_key(item: Any, where: str) -> TrustedKey:
    fields = Fields.of(item, where).only("ends", "key_id", "label", "public")
    public = read_public(fields.text("public"))
    if fields.text("key_id") != public.key_id:
        raise ArtifactError(
            f"{where} names another key than it holds",
            subject=where,
            rule="a key's id is computed from the key",
            expected=public.key_id,
            found=ascii(fields.text("key_id"))[:80],
            hint="correct the id after comparing it with the key's owner",
        )
    return TrustedKey(
        public=public,
        label=read_label(fields.values.get("label")),
        ends=fields.time("ends") if "ends" in fields.values else None,
    )
