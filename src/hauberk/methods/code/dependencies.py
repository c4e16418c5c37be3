"""What a project says about where its packages come from: one reader for each kind of file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

from hauberk.core.artifact import SourceFile
from hauberk.formats.yaml_text import Node, read_yaml
from hauberk.methods.code.dependency_locks import (
    chart_hits,
    node_hits,
    node_lock_hits,
    pipfile_lock_hits,
    toml_lock_hits,
    tox_hits,
)
from hauberk.methods.code.dependency_rules import (
    ARCHIVE_URL,
    CLEARTEXT,
    HOOK,
    INSTALLS,
    LOCAL_ADDRESS,
    PACKAGE,
    PRERELEASE,
    UNHASHED,
    UNPINNED,
    VCS_REFERENCE,
    Pin,
    named_hits,
    option_hits,
    plain_reference,
    reference_hits,
    summed,
)
from hauberk.methods.code.dependency_tables import pipfile_hits, pyproject_hits, uv_hits
from hauberk.methods.code.images import INDEX
from hauberk.methods.code.package_names import normal
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression


def is_dependency_file(path: PurePath) -> bool:
    """Whether a file says which packages are installed."""
    return _reader(path) is not None


def _reader(path: PurePath) -> Callable[[SourceFile], Iterator[Hit]] | None:
    name = path.name.lower()
    if _is_requirements(path):
        return _requirements
    if name in {"environment.yml", "environment.yaml", "conda.yaml", "conda.yml"} or (
        name.startswith(("environment", "conda-env", "conda_env"))
        and path.suffix in {".yml", ".yaml"}
    ):
        return _conda
    return _READERS.get(name)


def _is_requirements(path: PurePath) -> bool:
    name = path.name.lower()
    if path.suffix not in {".txt", ".in", ".pip"}:
        return False
    folder = path.parts[-2].lower() if len(path.parts) > 1 else ""
    return re.search(r"require|constraint|^deps|^reqs?\b", name) is not None or folder in {
        "requirements", "reqs", "constraints"
    }  # fmt: skip


def dependency_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file.

    Raises:
        ArtifactError: It does not parse.
    """
    reader = _reader(file.path)
    if reader is not None:
        yield from reader(file)


# Requirements --------------------------------------------------------------------------


def requirement_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a requirements file, continued ones joined, comments taken out."""
    number, pieces, first = 0, "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        first = first or number
        bare = re.sub(r"(?:^|\s)#.*$", "", line)
        pieces += bare.rstrip("\\\r ") + " "
        if not line.rstrip().endswith("\\"):
            if pieces.strip():
                yield first, pieces.strip()
            pieces, first = "", 0
    if pieces.strip():
        yield first, pieces.strip()


def pins_of(text: str) -> list[Pin]:
    """Packages of a requirements file."""
    pins = []
    for line, entry in requirement_lines(text):
        match = PACKAGE.match(entry)
        if match is not None and not entry.startswith("-"):
            exact = re.match(r"===?\s*([\w.!+-]+)", match["rest"])
            pins.append(Pin(match["name"], exact[1] if exact else "", line))
    return pins


def _requirements(file: SourceFile) -> Iterator[Hit]:
    loose: list[tuple[int, str]] = []
    unhashed: list[tuple[int, str]] = []
    count = 0
    is_source = file.path.suffix == ".in"
    for line, entry in requirement_lines(file.text):
        if entry.startswith("-"):
            yield from option_hits(entry, line)
            continue
        match = PACKAGE.match(entry)
        if match is None or "/" in match["name"] or re.match(r"\w+(?:\+\w+)?://", entry):
            yield from reference_hits(entry, line)
            continue
        count += 1
        yield from reference_hits(entry, line)
        yield from named_hits(match["name"], line)
        is_placed = VCS_REFERENCE.search(entry) or ARCHIVE_URL.search(entry)
        if not re.match(r"===?\s*[^\s*]+(?:\s|;|$)", match["rest"]) and not is_placed:
            loose.append((line, match["name"]))
        if "--hash=" not in entry and not is_placed:
            unhashed.append((line, match["name"]))
    if not is_source and "constraint" not in file.path.name.lower():
        yield from summed(loose, count, UNPINNED)
        yield from summed(unhashed, count, UNHASHED)


# Conda, pip, hooks, setup --------------------------------------------------------------


def _conda(file: SourceFile) -> Iterator[Hit]:
    for root in read_yaml(file.text, name=file.name):
        channels = root.get("channels")
        for channel in channels.items if channels is not None else ():
            if (channel.text or "").startswith("http://"):
                yield Hit(CLEARTEXT, channel.line, channel.text or "")
        entries = root.get("dependencies")
        yield from _conda_entries(entries.items if entries is not None else [])


def _conda_entries(items: list[Node]) -> Iterator[Hit]:
    loose: list[tuple[int, str]] = []
    count = 0
    for item in items:
        inner = item.get("pip")
        for entry in inner.items if inner is not None else ():
            text = entry.text or ""
            yield from (
                option_hits(text, entry.line)
                if text.startswith("-")
                else reference_hits(text, entry.line)
            )
            match = PACKAGE.match(text)
            if match is not None and not text.startswith("-"):
                count += 1
                yield from named_hits(match["name"], entry.line)
                if not re.match(r"===?\s*[^\s*]+", match["rest"]) and not VCS_REFERENCE.search(
                    text
                ):
                    loose.append((entry.line, match["name"]))
        if item.text:
            name = item.text.rpartition("::")[2]
            count += 1
            yield from named_hits(re.split(r"[=<> ]", name)[0], item.line)
            if not re.search(r"=", name) or "*" in name.partition("=")[2][:1]:
                loose.append((item.line, name))
    yield from summed(loose, count, UNPINNED)


def _pip_settings(file: SourceFile) -> Iterator[Hit]:
    name = ""
    for number, line in enumerate(file.text.split("\n"), start=1):
        key, mark, value = line.partition("=")
        if name and line[:1] in " \t" and not re.match(r"\s*[\w-]+\s*=", line):
            value = line.strip()  # A value of the name above goes on.
        elif mark:
            name, value = key.strip().lower().replace("_", "-"), value.strip()
        else:
            name = ""
        if not name or not value:
            continue
        if name in {"extra-index-url", "trusted-host"}:
            yield Hit(INDEX, number, f"{name} {plain_reference(value)}")
        elif (
            name in {"index-url", "find-links"}
            and value.startswith("http://")
            and not LOCAL_ADDRESS.match(value)
        ):
            yield Hit(CLEARTEXT, number, plain_reference(value))
        elif name == "pre" and value.lower() in {"true", "1", "yes"}:
            yield Hit(PRERELEASE, number, "pre")


def _hooks(file: SourceFile) -> Iterator[Hit]:
    for root in read_yaml(file.text, name=file.name):
        repositories = root.get("repos")
        for item in repositories.items if repositories is not None else ():
            repo, rev = item.string("repo"), item.string("rev")
            if repo.startswith(("http://", "git://")):
                yield Hit(CLEARTEXT, item.line, repo)
            is_version = re.fullmatch(r"[0-9a-f]{7,40}|v?\d[\w.+-]*|.*\d+\.\d+.*", rev)
            if repo not in {"local", "meta"} and not is_version:
                line = item.key_lines.get("rev", item.line)
                yield Hit(HOOK, line, f"{repo} at {rev or 'no revision'}")


_SETUP_RUNS = expression(
    r"\b(?:os\.system|subprocess\.\w+|urllib\.request|urlopen|requests\.(?:get|post)|urlretrieve|socket\.|exec\(|eval\(|__import__\()"
)


def _setup(file: SourceFile) -> Iterator[Hit]:
    """``setup.py``: what it would do when it is run, and where dependencies come from."""
    import ast

    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # Told by the controls of Python.
    hooks = "cmdclass" in file.text
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from reference_hits(node.value, node.lineno) if "://" in node.value else ()
        is_hook = (
            isinstance(node, ast.ClassDef)
            and hooks
            and any(
                re.search(r"(?i)install|develop|egg_info|build_py|sdist|command", ast.unparse(base))
                for base in node.bases
            )
        )
        if is_hook and isinstance(node, ast.ClassDef):
            found = _SETUP_RUNS.search(ast.unparse(node))
            if found is not None and "build_ext" not in ast.unparse(node):
                yield Hit(INSTALLS, node.lineno, found[0])
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node in tree.body:
            found = re.match(
                r"(?:os\.system|subprocess\.\w+|exec|urllib\.request\.urlretrieve)",
                ast.unparse(node.value.func),
            )
            if found is not None and "__file__" not in ast.unparse(node):
                yield Hit(INSTALLS, node.lineno, found[0])
        if (
            isinstance(node, ast.keyword)
            and node.arg == "dependency_links"
            and ast.unparse(node.value) not in {"[]", "None"}
        ):
            yield Hit(INDEX, node.value.lineno, "dependency_links")
        if isinstance(node, ast.keyword) and node.arg in {
            "install_requires",
            "setup_requires",
            "tests_require",
        }:
            yield from _strings(node.value)


def _strings(node: Any) -> Iterator[Hit]:
    import ast

    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            match = PACKAGE.match(part.value)
            if match is not None:
                yield from named_hits(match["name"], part.lineno)


def _setup_settings(file: SourceFile) -> Iterator[Hit]:
    section = key = ""
    for number, line in enumerate(file.text.split("\n"), start=1):
        if line.startswith("["):
            section = line.strip("[] \r")
        if not line.startswith((" ", "\t")):
            key = line.partition("=")[0].strip()
        text = line.partition("=")[2] if not line.startswith((" ", "\t")) else line
        if key in {"install_requires", "setup_requires"} or section == "options.extras_require":
            match = PACKAGE.match(text)
            yield from reference_hits(text, number)
            if match is not None and line.startswith((" ", "\t")):
                yield from named_hits(match["name"], number)
        if key == "dependency_links" and "http" in text:
            yield Hit(INDEX, number, text.strip())


_READERS: dict[str, Callable[[SourceFile], Iterator[Hit]]] = {
    "pyproject.toml": pyproject_hits,
    "pipfile": pipfile_hits,
    "pipfile.lock": pipfile_lock_hits,
    "uv.toml": uv_hits,
    "uv.lock": toml_lock_hits,
    "poetry.lock": toml_lock_hits,
    "pdm.lock": toml_lock_hits,
    "pylock.toml": toml_lock_hits,
    "package-lock.json": node_lock_hits,
    "package.json": node_hits,
    "tox.ini": tox_hits,
    "chart.yaml": chart_hits,
    "requirements.yaml": chart_hits,
    "pip.conf": _pip_settings,
    "pip.ini": _pip_settings,
    ".pre-commit-config.yaml": _hooks,
    ".pre-commit-config.yml": _hooks,
    "setup.py": _setup,
    "setup.cfg": _setup_settings,
}

__all__ = [
    "Pin",
    "dependency_hits",
    "is_dependency_file",
    "named_hits",
    "normal",
    "pins_of",
    "reference_hits",
    "requirement_lines",
]
