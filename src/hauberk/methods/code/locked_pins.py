"""Exact versions that files of a project fix: requirement and lock files of several tools."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.dependencies import Pin, is_dependency_file, pins_of
from hauberk.methods.expressions import expression

_CONDA = expression(
    r"^\s*-\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*={1,2}\s*(?P<version>\d[\w.]*)", re.MULTILINE
)
_APT = expression(r"\b(?P<name>[a-z0-9][a-z0-9+.-]+)==(?P<version>\d[\w.]*)")


def exact_pins(file: SourceFile) -> Iterator[Pin]:
    """Packages with exactly one version in a file; nothing where it does not parse."""
    name = file.path.name.lower()
    if name in {"uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"}:
        yield from _toml(file)
    elif name == "pipfile.lock":
        yield from _pipfile(file)
    elif file.path.suffix in {".txt", ".in"} and is_dependency_file(file.path):
        yield from (pin for pin in pins_of(file.text) if pin.version)
    elif name.startswith(("environment", "conda")) and file.path.suffix in {".yml", ".yaml"}:
        yield from _matched(_CONDA, file.text)
    elif name.startswith(("dockerfile", "containerfile")) or name == "pyproject.toml":
        yield from _matched(_APT, file.text)


def _matched(form: re.Pattern[str], text: str) -> Iterator[Pin]:
    for match in form.finditer(text):
        yield Pin(match["name"], match["version"], text.count("\n", 0, match.start("name")) + 1)


def _toml(file: SourceFile) -> Iterator[Pin]:
    try:
        data = tomllib.loads(file.text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    packages = data.get("package") or data.get("packages") or []
    for package in packages if isinstance(packages, list) else []:
        if isinstance(package, dict) and package.get("name") and package.get("version"):
            line = file.text.find(f'name = "{package["name"]}"')
            at = file.text.count("\n", 0, max(line, 0)) + 1
            yield Pin(str(package["name"]), str(package["version"]), at)


def _pipfile(file: SourceFile) -> Iterator[Pin]:
    try:
        data = json.loads(file.text)
    except (ValueError, RecursionError):
        return
    for group in ("default", "develop"):
        for name, entry in (data.get(group) or {}).items() if isinstance(data, dict) else ():
            version = str(entry.get("version", "")) if isinstance(entry, dict) else ""
            if version.startswith("=="):
                line = file.text.count("\n", 0, max(file.text.find(f'"{name}"'), 0)) + 1
                yield Pin(name, version.removeprefix("=="), line)
