"""Packages of lock files, and of the manifests of Node, tox and Helm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hauberk.core.artifact import SourceFile
from hauberk.errors import ArtifactError
from hauberk.formats.yaml_text import read_yaml
from hauberk.methods.code.dependency_rules import (
    CLEARTEXT,
    INSTALLS,
    LOCAL_ADDRESS,
    LOCK,
    SETS_HOOKS,
    UNHASHED,
    WILDCARD,
    named_hits,
    plain_reference,
    reference_hits,
)
from hauberk.methods.code.dependency_tables import Places, list_in, read_toml, source_hits, table_in
from hauberk.methods.code.images import MOVING
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression


def toml_lock_hits(file: SourceFile) -> Iterator[Hit]:
    """Locks of uv, Poetry and PDM: each package from the place that most come from, with digests."""
    data, lines = read_toml(file), Places(file.text)
    packages = [item for item in list_in(data, "package") if isinstance(item, dict)]
    hosts: dict[str, int] = {}
    for package in packages:
        host = _host(_place(package))
        hosts[host] = hosts.get(host, 0) + 1
    common = max(hosts, key=lambda host: hosts[host], default="")
    for package in packages:
        yield from _locked(package, common, len(packages), lines)


def _place(package: dict[str, Any]) -> str:
    source = package.get("source")
    if not isinstance(source, dict):
        return ""
    keys = ("registry", "url", "git", "path", "editable", "virtual", "directory", "legacy")
    return next((str(source[key]) for key in keys if key in source), "")


def _host(url: str) -> str:
    match = re.match(r"(?:\w+\+)?https?://([^/]+)", url)
    return match[1].rpartition("@")[2] if match else ""


def _locked(package: dict[str, Any], common: str, count: int, lines: Places) -> Iterator[Hit]:
    name, place = str(package.get("name", "")), _place(package)
    line = lines.of(f'name = "{name}"')
    yield from named_hits(name, line)
    host = _host(place)
    source = package.get("source")
    is_git = isinstance(source, dict) and ("git" in source or source.get("type") == "git")
    is_fixed = re.search(r"#[0-9a-f]{40}", place) or (
        isinstance(source, dict)
        and re.fullmatch(r"[0-9a-f]{40}", str(source.get("resolved_reference")))
    )
    if place.startswith("http://") or (is_git and not is_fixed):
        yield Hit(LOCK, line, f"{name} from {plain_reference(place)}")
    elif host and host != common and not is_git and count > 2:
        yield Hit(LOCK, line, f"{name} from {host}, others from {common or 'the index'}")
    files = [
        f
        for f in [*list_in(package, "wheels"), *list_in(package, "files"), package.get("sdist")]
        if isinstance(f, dict)
    ]
    if files and any(not f.get("hash") for f in files):
        yield Hit(UNHASHED, line, name)
    for f in files:
        other = _host(str(f.get("url", "")))
        if other and other not in {"files.pythonhosted.org", host, common}:
            yield Hit(LOCK, lines.of(str(f["url"])), f"{name} from {other}")


def _json(file: SourceFile) -> Any:
    try:
        return json.loads(file.text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            "a JSON file does not parse", subject=file.name, found=str(error)[:80]
        ) from error


def pipfile_lock_hits(file: SourceFile) -> Iterator[Hit]:
    """The lock of Pipenv."""
    data, lines = _json(file), Places(file.text)
    yield from source_hits(list_in(table_in(data, "_meta"), "sources"), lines)
    for group in ("default", "develop"):
        for name, entry in table_in(data, group).items():
            line = lines.of(f'"{name}"')
            yield from named_hits(name, line)
            if (
                isinstance(entry, dict)
                and not entry.get("hashes")
                and "git" not in entry
                and "path" not in entry
            ):
                yield Hit(UNHASHED, line, name)


_NODE_GIT = expression(r"(?:git(?:hub|lab)?[:+]|bitbucket:|git@|[\w-]+/[\w.-]+(?:#|$))")


def node_lock_hits(file: SourceFile) -> Iterator[Hit]:
    """The lock of npm: addresses and digests."""
    data, lines = _json(file), Places(file.text)
    entries = [*table_in(data, "packages").items(), *table_in(data, "dependencies").items()]
    for name, entry in entries:
        place = str(entry.get("resolved", "")) if isinstance(entry, dict) else ""
        if place.startswith("http://") or (
            place.startswith("git") and not re.search(r"#[0-9a-f]{40}", place)
        ):
            yield Hit(LOCK, lines.of(place), f"{name} from {plain_reference(place)}")
        elif place.startswith("https://") and not entry.get("integrity"):
            yield Hit(UNHASHED, lines.of(place), name)


def node_hits(file: SourceFile) -> Iterator[Hit]:
    """A manifest of Node: moving references and scripts that run at the installation."""
    data, lines = _json(file), Places(file.text)
    groups = ("dependencies", "devDependencies", "optionalDependencies")
    for name, wanted in [pair for group in groups for pair in table_in(data, group).items()]:
        place = str(wanted)
        if place in {"latest", "*", "x", ""} or place.startswith((">", "http://")):
            yield Hit(WILDCARD, lines.of(f'"{name}"'), f"{name} {place}")
        elif _NODE_GIT.match(place) and not re.search(r"#[0-9a-f]{40}$", place):
            yield Hit(MOVING, lines.of(f'"{name}"'), f"{name} from {plain_reference(place)}")
    for name in ("preinstall", "install", "postinstall", "prepare"):
        script = str(table_in(data, "scripts").get(name, ""))
        if re.search(r"curl|wget|https?://|node -e|base64|\beval\b", script):
            yield Hit(INSTALLS, lines.of(f'"{name}"'), script)
        elif re.search(r"core\.hooksPath", script):
            yield Hit(SETS_HOOKS, lines.of(f'"{name}"'), script)


def tox_hits(file: SourceFile) -> Iterator[Hit]:
    """References in ``deps`` of environments."""
    key = ""
    for number, line in enumerate(file.text.split("\n"), start=1):
        if line[:1] not in (" ", "\t"):
            key = line.partition("=")[0].strip()
        text = line.partition("=")[2] if line[:1] not in (" ", "\t") else line
        if key in {"deps", "commands", "commands_pre"} and not text.lstrip().startswith("#"):
            yield from reference_hits(text, number)


def chart_hits(file: SourceFile) -> Iterator[Hit]:
    """Dependencies of a chart: any version, or from a place without TLS."""
    for root in read_yaml(file.text, name=file.name):
        entries = root.get("dependencies")
        for item in entries.items if entries is not None else ():
            wanted, place = item.string("version"), item.string("repository")
            if wanted in {"", "*", "x"} or wanted.startswith(">"):
                yield Hit(WILDCARD, item.line, f"{item.string('name')} {wanted or 'no version'}")
            if place.startswith("http://") and not LOCAL_ADDRESS.match(place):
                yield Hit(CLEARTEXT, item.line, place)
