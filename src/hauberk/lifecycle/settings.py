"""The lifecycle file: ``hauberk.toml``, or ``[tool.hauberk]`` in pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.core.finding import Severity
from hauberk.core.lifecycle import COMPONENTS, Component
from hauberk.core.policy import Isolation, Policy, Waiver
from hauberk.errors import UsageError
from hauberk.lifecycle import rooms, tables
from hauberk.lifecycle.lifecycle_file import FILE, find
from hauberk.lifecycle.tables import Source
from hauberk.trust.backends import Backends
from hauberk.trust.digest import digest_bytes

MAX_BYTES = 1 << 20
"""A lifecycle file is written by hand; a megabyte is a mistake or an attack."""

_SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """``[project]``.

    Attributes:
        name: Name of the model and of its releases.
        python: Interpreter of the project's own environment, relative to the project; the
            one that runs Hauberk where it is not given.
        exclude: Folders and files that no step may see, beside what is never staged.
    """

    name: str
    python: str | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverTable:
    """``[[policy.waivers]]``."""

    threat: str
    subject: str
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTable:
    """``[policy]``; it can only tighten what is pinned outside the project."""

    fail_on: Severity | None = None
    min_isolation: Isolation | None = None
    required: tuple[str, ...] = ()
    waivers: tuple[WaiverTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A lifecycle file that has been read and checked.

    Attributes:
        tables: What each room declared, filled; rooms with named tables hold a mapping.
        source: The text, for messages that name a line.
    """

    root: Path
    source: Source
    project: Project
    policy: PolicyTable
    store: Backends
    tables: Mapping[Component, Any] = field(default_factory=dict)

    def table(self, component: Component) -> Any:
        """The table of ``component``: its dataclass, or a mapping of named ones."""
        return self.tables[component]

    @property
    def digest(self) -> Digest:
        """Identity of the text."""
        return digest_bytes(self.source.text.encode())

    def policy_over(self, floor: Policy) -> Policy:
        """The project's own policy; what it does not say is as the pinned floor has it."""
        table = self.policy
        return Policy(
            fail_on=table.fail_on or floor.fail_on,
            required=frozenset(table.required) or None,
            waivers=tuple(
                Waiver(
                    threat=item.threat,
                    subject=item.subject,
                    reason=item.reason,
                    owner=item.owner,
                    expires=item.expires,
                )
                for item in table.waivers
            ),
            min_isolation=table.min_isolation or floor.min_isolation,
            examination=floor.examination,
        )


def load(root: Path, file: Path | None = None) -> Settings:
    """Read the lifecycle file of the project at ``root``.

    Raises:
        UsageError: There is none, it is no TOML, or a key or value is wrong.
    """
    path = file or _find(root)
    source, document = _read(path, root)
    known = {"project", "policy", "store", *(component.value for component in COMPONENTS)}
    _refuse_unknown(document, known, source)
    if "project" not in document:
        raise UsageError(
            "the table [project] is missing",
            subject=source.name,
            expected='[project] with name = "..."',
            found=", ".join(document) or "an empty file",
        )
    return Settings(
        root=root,
        source=source,
        project=tables.build(Project, document["project"], source, ("project",)),
        policy=tables.build(PolicyTable, document.get("policy", {}), source, ("policy",)),
        store=tables.build(Backends, document.get("store", {}), source, ("store",)),
        tables={component: _room_table(component, document, source) for component in COMPONENTS},
    )


def size_bytes(text: str, source: Source, keys: tuple[str, ...]) -> int:
    """``4GiB`` in bytes.

    Raises:
        UsageError: It is not a number with a unit.
    """
    match = re.fullmatch(r"\s*(\d{1,12})\s*([KMG]i?B)?\s*", text)
    if match is None:
        raise UsageError(
            "a size was expected",
            subject=source.place(keys),
            expected='a number and a unit, such as "4GiB" or "500MB"',
            found=text[:60],
        )
    return int(match.group(1)) * _SIZES.get(match.group(2) or "", 1)


def _room_table(component: Component, document: Mapping[str, Any], source: Source) -> Any:
    room = rooms.room(component)
    value = document.get(component.value, {})
    keys = (component.value,)
    if room.many:
        return tables.named(room.table, value, source, keys)
    return tables.build(room.table, value, source, keys)


def name_of(root: Path) -> str:
    """The project's name: from its lifecycle file, else from its folder.

    Raises:
        UsageError: Its lifecycle file is malformed.
    """
    if find(root) is not None:
        return load(root).project.name
    return re.sub(r"[^a-z0-9._-]+", "-", root.name.lower()).strip("-._") or "project"


def _find(root: Path) -> Path:
    path = find(root)
    if path is not None:
        return path
    raise UsageError(
        "there is no lifecycle file here",
        subject=str(root),
        expected=f"{FILE}, or [tool.hauberk] in pyproject.toml",
        found="neither",
        hint="hauberk init proposes one; hauberk try shows a finished project",
    )


def _read(path: Path, root: Path) -> tuple[Source, Mapping[str, Any]]:
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8") if size <= MAX_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the lifecycle file cannot be read", subject=name, found=str(error)
        ) from error
    if size > MAX_BYTES:
        raise UsageError(
            "the lifecycle file is too large",
            subject=name,
            expected=f"at most {MAX_BYTES} bytes",
            found=f"{size} bytes",
        )
    return _parse(name, text)


def _parse(name: str, text: str) -> tuple[Source, Mapping[str, Any]]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            "the lifecycle file is not TOML", subject=name, found=str(error)
        ) from error
    if name.endswith("pyproject.toml"):
        document = document.get("tool", {}).get("hauberk", {})
        return Source(name=name, text=text, prefix="tool.hauberk"), document
    return Source(name=name, text=text), document


def _refuse_unknown(document: Mapping[str, Any], known: set[str], source: Source) -> None:
    import difflib

    for key in document:
        if key in known:
            continue
        near = difflib.get_close_matches(key, known, n=1)
        raise UsageError(
            "there is no such table",
            subject=source.place((key,)),
            expected=", ".join(
                ["project", "policy", "store", *(item.value for item in COMPONENTS)]
            ),
            found=key,
            hint=f"did you mean [{near[0]}]?" if near else "remove it or correct its spelling",
        )
