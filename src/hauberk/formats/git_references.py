"""Where the references of a repository point, to be recorded and compared later.

A force-push, a moved tag, a replaced object and a submodule that changes its address leave no
trace in the repository itself. A state recorded before, and kept where the repository's writers
cannot write, shows them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats.source import ask
from hauberk.formats.strict_json import JsonLimits, decode

PROTECTED = ("main", "master", "release", "release/*", "production", "stable")
"""Branches that only ever grow, as shell patterns."""

_FORMAT = "hauberk git references 1"
_LIMITS = JsonLimits(max_bytes=64 << 20, max_values=2_000_000)
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The state of a repository's references.

    Attributes:
        head: The branch that is checked out; empty when none is.
        branches: Name to commit, local branches and those of remotes.
        tags: Name to object: the tag's own where it is annotated.
        submodules: Path to address, as the last commit has them.
        replaced: Objects that are shown in place of others.
    """

    head: str = ""
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    submodules: Mapping[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """One reference that is not what it was."""

    rule: str
    name: str
    says: str


def read_references(root: Path) -> References:
    """The references of the repository at ``root``.

    Raises:
        UnavailableError: Git is not installed.
        ArtifactError: There is no repository, or git cannot read it.
    """
    git = shutil.which("git")
    if git is None:
        raise UnavailableError("git is not installed", subject=str(root), expected="git")
    listed = ask(git, root, "for-each-ref", "--format=%(refname) %(objectname)")
    if listed is None:
        raise ArtifactError(
            "there is no repository that git can read",
            subject=str(root),
            expected="a git repository",
            found="none",
        )
    pairs = [line.partition(" ") for line in listed.decode("utf-8", "replace").splitlines()]
    named = {name: oid for name, _, oid in pairs}
    head = ask(git, root, "symbolic-ref", "-q", "--short", "HEAD") or b""
    return References(
        head=head.decode("utf-8", "replace").strip(),
        branches={
            name.partition("/")[2].partition("/")[2]
            if name.startswith("refs/heads/")
            else name.removeprefix("refs/"): oid
            for name, oid in named.items()
            if name.startswith(("refs/heads/", "refs/remotes/")) and not name.endswith("/HEAD")
        },
        tags=_under("refs/tags/", named),
        submodules=_submodules(git, root),
        replaced=tuple(_replaced(root, named)),
    )


def _under(prefix: str, named: Mapping[str, str]) -> dict[str, str]:
    found = {name: oid for name, oid in named.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): oid for name, oid in found.items()}


def _replaced(root: Path, named: Mapping[str, str]) -> Iterator[str]:
    yield from (name for name in named if name.startswith("refs/replace/"))
    if (root / ".git" / "info" / "grafts").is_file():
        yield "info/grafts"


def _submodules(git: str, root: Path) -> dict[str, str]:
    text = ask(git, root, "cat-file", "blob", "HEAD:.gitmodules")
    found: dict[str, str] = {}
    path = address = ""
    for line in (text or b"").decode("utf-8", "replace").splitlines():
        key, mark, value = line.strip().partition("=")
        if line.lstrip().startswith("["):
            path = address = ""
        elif mark and key.strip() == "path":
            path = value.strip()
        elif mark and key.strip() == "url":
            address = value.strip()
        if path and address:
            found[path] = address
    return found


def to_bytes(state: References) -> bytes:
    """Canonical JSON; equal states give equal bytes."""
    value = {
        "format": _FORMAT,
        "head": state.head,
        "branches": dict(state.branches),
        "tags": dict(state.tags),
        "submodules": dict(state.submodules),
        "replaced": sorted(state.replaced),
    }
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False).encode()


def from_bytes(data: bytes) -> References:
    """The state in ``data``.

    Raises:
        ArtifactError: It is not a state that `to_bytes` wrote.
    """
    value = decode(data, _LIMITS)
    if type(value) is not dict or value.get("format") != _FORMAT:
        raise ArtifactError("not a state of references", expected=_FORMAT, found="something else")
    branches, tags, submodules = (
        _table(value.get(name)) for name in ("branches", "tags", "submodules")
    )
    oids = [*branches.values(), *tags.values()]
    if not all(_OID.fullmatch(oid) for oid in oids):
        raise ArtifactError("not a state of references", expected="object ids")
    return References(
        head=str(value.get("head", "")),
        branches=branches,
        tags=tags,
        submodules=submodules,
        replaced=tuple(map(str, value.get("replaced", ()))),
    )


def _table(value: Any) -> dict[str, str]:
    if type(value) is not dict or any(type(text) is not str for text in value.values()):
        raise ArtifactError("not a state of references", expected="names with texts")
    return value


def rewritten(
    root: Path, before: References, now: References, *, protected: tuple[str, ...] = PROTECTED
) -> Iterator[Rewritten]:
    """What an honest history never does between two states, by name.

    Tags neither move nor go; protected branches, and the one that was checked out, only grow;
    objects are not replaced; submodules keep their addresses.
    """
    yield from _tags(before, now)
    for name, oid in sorted(before.branches.items()):
        bare = re.sub(r"^remotes/[^/]+/", "", name)
        if name == before.head or any(fnmatchcase(bare, form) for form in protected):
            yield from _branch(root, name, oid, now.branches.get(name))
    for name in sorted(set(now.replaced) - set(before.replaced)):
        yield Rewritten("replaced-object", name, f"{name} shows another object in place of one")
    for path, address in sorted(before.submodules.items()):
        if now.submodules.get(path, address) != address:
            says = f"the submodule {path} comes from another address: {now.submodules[path]}"
            yield Rewritten("submodule-moved", path, says)


def _tags(before: References, now: References) -> Iterator[Rewritten]:
    for name, oid in sorted(before.tags.items()):
        if name not in now.tags:
            yield Rewritten("tag-gone", name, f"the tag {name} is gone; it named {oid[:12]}")
        elif now.tags[name] != oid:
            says = f"the tag {name} named {oid[:12]} and names {now.tags[name][:12]}"
            yield Rewritten("tag-moved", name, says)


def _branch(root: Path, name: str, oid: str, now: str | None) -> Iterator[Rewritten]:
    if now is None:
        yield Rewritten("branch-gone", name, f"the branch {name} is gone; it stood at {oid[:12]}")
    elif now != oid and not _is_ancestor(root, oid, now):
        says = f"the branch {name} was rewritten: {oid[:12]} is no longer part of it"
        yield Rewritten("branch-rewritten", name, says)


def _is_ancestor(root: Path, old: str, new: str) -> bool:
    git = shutil.which("git")
    if git is None:
        return False
    # A commit that is gone from the repository makes git fail, which is a rewrite too.
    return ask(git, root, "merge-base", "--is-ancestor", old, new) is not None
