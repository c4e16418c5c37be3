"""Settings of package managers beside the lists of packages: npm, Yarn, conda, pixi, Hatch, Renovate.

Also the block of metadata that a single Python script may carry, which tools install from.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from hauberk.core.artifact import SourceFile
from hauberk.errors import ArtifactError
from hauberk.formats.yaml_text import read_yaml
from hauberk.methods.code.dependency_rules import (
    CLEARTEXT,
    UNVERIFIED,
    named_hits,
    reference_hits,
)
from hauberk.methods.code.images import INDEX, MOVING
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

MERGED = rule(
    "dependency-policy/merged-unseen",
    "medium",
    "merges new versions of packages without a person and without a delay",
    "Set a minimum age of releases, and let a person merge.",
    "CWE-1357",
)
RUNS_CODE = rule(
    "dependency-policy/code-while-updating",
    "high",
    "lets packages run code while versions are looked up",
    "Leave insecure-external-code-execution away.",
    "CWE-829",
)

_LISTS = expression(r"(?:^|[-_])(?:dependencies|requires|requirements|packages)$")
_NAME = expression(r"[A-Za-z0-9][\w.-]*")
_METADATA = expression(r"(?m)^# /// script[ \t]*$\n(?P<body>(?:^#(?:[ \t].*)?$\n?)+?)^# ///[ \t]*$")
_HTTP = expression(r"http://(?!localhost|127\.)")


def package_setting_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file; none of most."""
    name = file.path.name.lower()
    reader = _READERS.get(name)
    if reader is not None:
        yield from reader(file)
    elif name == "pyproject.toml":
        yield from _tools(file)
    elif file.path.suffix == ".py" and "# /// script" in file.text:
        yield from _script(file)


def _lined(file: SourceFile) -> Iterator[Hit]:
    """``.npmrc`` and ``.yarnrc``: names and values, one a line."""
    for number, line in enumerate(file.text.split("\n"), start=1):
        key, _, value = (
            part.strip().strip("\"'")
            for part in re.sub(r"\s*[:=]\s*|\s+", "=", line.strip(), count=1).partition("=")
        )
        if key.endswith("registry") and _HTTP.match(value):
            yield Hit(CLEARTEXT, number, value)
        elif key.lower() in {"strict-ssl", "enablestrictssl"} and value == "false":
            yield Hit(UNVERIFIED, number, f"{key} = false")


_NIX = expression(r"\brequire-sigs\s*=\s*false")


def _nix(file: SourceFile) -> Iterator[Hit]:
    """Settings by which Nix takes packages that nobody signed."""
    for number, line in enumerate(file.text.split("\n"), start=1):
        found = _NIX.search(line)
        if found is not None and not line.lstrip().startswith("#"):
            yield Hit(UNVERIFIED, number, found[0])


def _yarn(file: SourceFile) -> Iterator[Hit]:
    for root in read_yaml(file.text, name=file.name):
        hosts = root.get("unsafeHttpWhitelist")
        if root.string("enableStrictSsl") == "false":
            yield Hit(UNVERIFIED, root.key_lines["enableStrictSsl"], "enableStrictSsl")
        if hosts is not None and hosts.items:
            yield Hit(CLEARTEXT, hosts.line, "unsafeHttpWhitelist")


def _conda(file: SourceFile) -> Iterator[Hit]:
    for root in read_yaml(file.text, name=file.name):
        if root.string("ssl_verify").lower() in {"false", "no", "0"}:
            yield Hit(UNVERIFIED, root.key_lines["ssl_verify"], "ssl_verify")
        for key in ("channels", "default_channels", "channel_alias"):
            node = root.get(key)
            for text in node.strings() if node is not None else ():
                if _HTTP.match(text):
                    yield Hit(CLEARTEXT, node.line if node else 1, text)


def _updates(file: SourceFile) -> Iterator[Hit]:
    for root in read_yaml(file.text, name=file.name):
        updates = root.get("updates")
        for item in updates.items if updates is not None else ():
            if item.string("insecure-external-code-execution") == "allow":
                line = item.key_lines["insecure-external-code-execution"]
                yield Hit(RUNS_CODE, line, "insecure-external-code-execution: allow")


def _renovate(file: SourceFile) -> Iterator[Hit]:
    try:
        data = json.loads(file.text)
    except (ValueError, RecursionError):
        return  # Their own comments are allowed there; what is none of JSON stays unread.
    if (
        isinstance(data, dict)
        and data.get("automerge") is True
        and not data.get("minimumReleaseAge")
    ):
        place = file.text.find('"automerge"')
        yield Hit(
            MERGED, file.text.count("\n", 0, place) + 1, "automerge without minimumReleaseAge"
        )


# TOML ----------------------------------------------------------------------------------


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ArtifactError(
            "a TOML file does not parse", subject=name, found=str(error)[:80]
        ) from error


def _tools(file: SourceFile) -> Iterator[Hit]:
    """Lists of packages that tools keep in tables of their own: environments, groups."""
    if "[tool." not in file.text:
        return
    try:
        tools = _toml(file.text, file.name).get("tool", {})
    except ArtifactError:
        return  # Told by the reader of dependencies.
    for name in ("hatch", "pixi", "pdm", "rye", "flit", "setuptools", "uv"):
        table = tools.get(name) if isinstance(tools, dict) else None
        yield from _walked(table, file.text, 0)


def _pixi(file: SourceFile) -> Iterator[Hit]:
    yield from _walked(_toml(file.text, file.name), file.text, 0)


_MAX_DEPTH = 12


def _walked(table: Any, text: str, depth: int) -> Iterator[Hit]:
    """References and channels anywhere in a tree of tables."""
    if depth > _MAX_DEPTH or not isinstance(table, dict):
        return
    for key, value in table.items():
        if isinstance(value, list) and _LISTS.search(key):
            for entry in value:
                yield from (
                    reference_hits(entry, _line(text, entry)) if isinstance(entry, str) else ()
                )
        elif key == "channels" and isinstance(value, list):
            for entry in value:
                if isinstance(entry, str) and _HTTP.match(entry):
                    yield Hit(CLEARTEXT, _line(text, entry), entry)
        elif isinstance(value, dict) and _LISTS.search(key):
            yield from _sourced(value, text)
            yield from _walked(value, text, depth + 1)
        elif isinstance(value, dict):
            yield from _walked(value, text, depth + 1)


def _sourced(table: dict[str, Any], text: str) -> Iterator[Hit]:
    """``name = { git = ..., branch = ... }``."""
    for name, entry in table.items():
        if not isinstance(entry, dict) or "git" not in entry:
            continue
        revision = str(entry.get("rev") or "")
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            yield Hit(MOVING, _line(text, str(entry["git"])), f"{name} from a repository")


def _line(text: str, needle: str) -> int:
    place = text.find(needle)
    return text.count("\n", 0, place) + 1 if place >= 0 else 1


def _script(file: SourceFile) -> Iterator[Hit]:
    """The block ``# /// script``.

    References:
        Inline script metadata, PyPA specifications.
    """
    found = _METADATA.search(file.text)
    if found is None:
        return
    body = re.sub(r"(?m)^#[ \t]?", "", found["body"])
    try:
        data = tomllib.loads(body)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    wanted = data.get("dependencies")
    for entry in wanted if isinstance(wanted, list) else ():
        if isinstance(entry, str):
            line = _line(file.text, entry)
            yield from reference_hits(entry, line)
            name = _NAME.match(entry)
            yield from named_hits(name[0], line) if name is not None else ()
    tool = data.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    for key in ("extra-index-url", "allow-insecure-host", "trusted-host"):
        if isinstance(uv, dict) and uv.get(key):
            yield Hit(INDEX, _line(file.text, key), key)


_READERS: dict[str, Callable[[SourceFile], Iterator[Hit]]] = {
    ".npmrc": _lined,
    ".yarnrc": _lined,
    ".yarnrc.yml": _yarn,
    ".condarc": _conda,
    "condarc": _conda,
    "dependabot.yml": _updates,
    "dependabot.yaml": _updates,
    "renovate.json": _renovate,
    ".renovaterc": _renovate,
    ".renovaterc.json": _renovate,
    "pixi.toml": _pixi,
    "bunfig.toml": _lined,
    "flake.nix": _nix,
    "nix.conf": _nix,
    "default.nix": _nix,
    "shell.nix": _nix,
    "hatch.toml": _pixi,
}
