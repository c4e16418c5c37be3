"""Packages of project files in TOML: pyproject, Poetry, uv, PDM, Pipenv."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from hauberk.core.artifact import SourceFile
from hauberk.errors import ArtifactError
from hauberk.methods.code.dependency_rules import (
    BACKEND,
    CLEARTEXT,
    LOCAL_ADDRESS,
    PACKAGE,
    PRERELEASE,
    UNVERIFIED,
    WILDCARD,
    named_hits,
    plain_reference,
    reference_hits,
)
from hauberk.methods.code.images import ARCHIVE, INDEX, MOVING
from hauberk.methods.code.rules import Hit


def read_toml(file: SourceFile) -> dict[str, Any]:
    """A file of TOML.

    Raises:
        ArtifactError: It does not parse.
    """
    try:
        return tomllib.loads(file.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ArtifactError(
            "a TOML file does not parse", subject=file.name, found=str(error)[:80]
        ) from error


class Places:
    """Where texts stand in a file; each place is given out once, in order."""

    def __init__(self, text: str) -> None:
        self._text, self._from = text, {}  # type: str, dict[str, int]

    def of(self, *needles: str) -> int:
        """The line on which all needles stand together first, or the first one alone."""
        for line, content in enumerate(self._text.split("\n"), start=1):
            if all(needle in content for needle in needles):
                return line
        place = self._text.find(needles[0])
        return self._text.count("\n", 0, place) + 1 if place >= 0 else 1


def pyproject_hits(file: SourceFile) -> Iterator[Hit]:
    """Dependencies, groups and tools of a project."""
    data, lines = read_toml(file), Places(file.text)
    project = table_in(data, "project")
    groups = [list_in(project, "dependencies"), list_in(table_in(data, "build-system"), "requires")]
    groups += [
        v for v in table_in(project, "optional-dependencies").values() if isinstance(v, list)
    ]
    groups += [v for v in table_in(data, "dependency-groups").values() if isinstance(v, list)]
    for entry in [item for group in groups for item in group if isinstance(item, str)]:
        match = PACKAGE.match(entry)
        line = lines.of(entry)
        yield from reference_hits(entry, line)
        if match is not None:
            yield from named_hits(match["name"], line)
    yield from _poetry(table_in(data, "tool", "poetry"), lines)
    yield from _uv(table_in(data, "tool", "uv"), lines)
    yield from source_hits(list_in(table_in(data, "tool", "pdm"), "source"), lines)
    if isinstance(data.get("build-system"), dict) and data["build-system"].get("backend-path"):
        yield Hit(BACKEND, lines.of("backend-path"), "a build backend inside the project")


def table_in(data: Any, *keys: str) -> dict[str, Any]:
    """The table under some keys, empty where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def list_in(data: dict[str, Any], key: str) -> list[Any]:
    """The list under a key, empty where there is none."""
    value = data.get(key)
    return value if isinstance(value, list) else []


def _poetry(poetry: dict[str, Any], lines: Places) -> Iterator[Hit]:
    groups = [table_in(poetry, "dependencies"), table_in(poetry, "dev-dependencies")]
    groups += [table_in(group, "dependencies") for group in table_in(poetry, "group").values()]
    for name, wanted in [pair for group in groups for pair in group.items()]:
        if name == "python":
            continue
        yield from named_hits(name, lines.of(name))
        yield from _wanted(name, wanted, lines)
    for source in list_in(poetry, "source"):
        if not isinstance(source, dict):
            continue
        url, priority = str(source.get("url", "")), str(source.get("priority", "primary"))
        line = lines.of(url or "source")
        if priority in {"supplemental", "secondary"} or source.get("secondary") is True:
            yield Hit(INDEX, line, url)
        if url.startswith("http://") and not LOCAL_ADDRESS.match(url):
            yield Hit(CLEARTEXT, line, url)


def _wanted(name: str, wanted: Any, lines: Places) -> Iterator[Hit]:
    """A dependency of Poetry, Pipenv or uv's sources: a version, or where it comes from."""
    for entry in wanted if isinstance(wanted, list) else [wanted]:
        if entry == "*" or (isinstance(entry, dict) and entry.get("version") == "*"):
            yield Hit(WILDCARD, lines.of(name, "*"), name)
        if not isinstance(entry, dict):
            continue
        if "git" in entry and not re.fullmatch(
            r"[0-9a-f]{40}", str(entry.get("rev") or entry.get("ref") or "")
        ):
            yield Hit(
                MOVING,
                lines.of(str(entry["git"])),
                f"{name} from {plain_reference(str(entry['git']))}",
            )
        url = str(entry.get("url") or entry.get("file") or "")
        if url.startswith("http") and "#sha256=" not in url and "hash" not in entry:
            yield Hit(ARCHIVE, lines.of(url), plain_reference(url))


def _uv(uv: dict[str, Any], lines: Places) -> Iterator[Hit]:
    if str(uv.get("index-strategy", "")).startswith("unsafe"):
        yield Hit(INDEX, lines.of("index-strategy"), str(uv["index-strategy"]))
    for key in ("extra-index-url", "allow-insecure-host"):
        if uv.get(key):
            yield Hit(INDEX, lines.of(key), key)
    if uv.get("prerelease") == "allow":
        yield Hit(PRERELEASE, lines.of("prerelease"), "prerelease")
    for index in list_in(uv, "index"):
        url = str(index.get("url", "")) if isinstance(index, dict) else ""
        if url.startswith("http://") and not LOCAL_ADDRESS.match(url):
            yield Hit(CLEARTEXT, lines.of(url), url)
    for name, source in table_in(uv, "sources").items():
        yield from _wanted(name, source, lines)
    pip = table_in(uv, "pip")
    if pip:
        yield from _uv(pip, lines)


def source_hits(sources: list[Any], lines: Places) -> Iterator[Hit]:
    """Indexes that packages are looked for in."""
    for number, source in enumerate(sources):
        if not isinstance(source, dict):
            continue
        url = str(source.get("url", ""))
        if source.get("verify_ssl") is False:
            yield Hit(UNVERIFIED, lines.of("verify_ssl", "false"), url)
        if url.startswith("http://") and not LOCAL_ADDRESS.match(url):
            yield Hit(CLEARTEXT, lines.of(url), url)
        elif number and "pypi.org" not in url and not source.get("include_packages"):
            yield Hit(INDEX, lines.of(url), url)


def pipfile_hits(file: SourceFile) -> Iterator[Hit]:
    """Packages and sources of Pipenv."""
    data, lines = read_toml(file), Places(file.text)
    yield from source_hits(list_in(data, "source"), lines)
    for group in ("packages", "dev-packages"):
        for name, wanted in table_in(data, group).items():
            yield from named_hits(name, lines.of(name))
            yield from _wanted(name, wanted, lines)
    if table_in(data, "pipenv").get("allow_prereleases") is True:
        yield Hit(PRERELEASE, lines.of("allow_prereleases"), "allow_prereleases")


def uv_hits(file: SourceFile) -> Iterator[Hit]:
    """Settings of uv."""
    yield from _uv(read_toml(file), Places(file.text))
