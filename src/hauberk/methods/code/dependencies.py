"""What a project says about where its packages come from: one reader for each kind of file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from hauberk.core.artifact import SourceFile
from hauberk.errors import ArtifactError
from hauberk.formats.yaml_text import Node, read_yaml
from hauberk.methods.code.images import ARCHIVE, INDEX, MOVING
from hauberk.methods.code.package_names import imitated, normal, sounds_internal
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

UNPINNED = rule(
    "dependency-policy/unpinned",
    "medium",
    "installs whatever version is newest",
    "Lock the environment: one exact version for each package, with hashes.",
    "CWE-1357",
)
UNHASHED = rule(
    "dependency-policy/unhashed",
    "medium",
    "installs packages without comparing hashes",
    "Lock with hashes (pip-compile --generate-hashes, uv lock) and install with --require-hashes.",
    "CWE-494",
)
WILDCARD = rule(
    "dependency-policy/wildcard",
    "medium",
    "accepts any version of a package",
    "Say which versions are known to work, and lock.",
    "CWE-1357",
)
CLEARTEXT = rule(
    "dependency-policy/cleartext-index",
    "high",
    "takes packages from an address without TLS",
    "Use https.",
    "CWE-319",
)
UNVERIFIED = rule(
    "dependency-policy/unverified-index",
    "high",
    "takes packages from an index whose certificate is not checked",
    "Install the certificate of your authority, and keep the check on.",
    "CWE-295",
)
PRERELEASE = rule(
    "dependency-policy/pre-releases",
    "medium",
    "takes unfinished versions of every package",
    "Name the one package whose pre-release you need.",
    "CWE-1357",
)
INTERNAL = rule(
    "dependency-policy/internal-name",
    "high",
    "asks for a package of the house by a name that anyone could take on a public index",
    "Bind the name to your own index (uv: explicit = true), or reserve it on the public one.",
    "CWE-427",
)
LOCK = rule(
    "dependency-policy/lock-entry",
    "high",
    "locks a package to a place or bytes that differ from the rest of the lock",
    "Lock again from your index, and look at what changed.",
    "CWE-494",
)
INSTALLS = rule(
    "dependency-policy/code-at-install",
    "high",
    "runs commands or fetches files while it is installed",
    "Build wheels beforehand; let setup only describe the package.",
    "CWE-829",
)
BACKEND = rule(
    "dependency-policy/own-backend",
    "low",
    "is built by code of its own",
    "Review that code like a release step.",
    "CWE-494",
    review=True,
)
SETS_HOOKS = rule(
    "hidden-instructions/sets-hooks",
    "medium",
    "makes git run hooks of the tree for everybody who sets the project up",
    "Let people install hooks on purpose (pre-commit install).",
    "CWE-829",
    review=True,
)
HOOK = rule(
    "dependency-policy/moving-hook",
    "high",
    "runs a hook from a branch of another repository",
    "Name a full commit or a tag that you froze.",
    "CWE-494",
)
LOOKALIKE = rule(
    "lookalike-packages/name",
    "high",
    "asks for a package whose name is one slip away from a popular one",
    "Find out which package was meant, and who publishes this one.",
    "CWE-1357",
)
IMPORTED = rule(
    "lookalike-packages/import",
    "medium",
    "imports a module whose name is one slip away from a popular one",
    "Find out which package was meant.",
    "CWE-1357",
)

_NAME = expression(
    r"^[ \t]*(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)[ \t]*(?:\[[^\]]*\])?[ \t]*(?P<rest>[^#]*)"
)
_SHA = expression(r"@[0-9a-f]{40}(?:\b|$)")
_VCS = expression(
    r"(?:^|[\s@\"'])((?:git|hg|svn|bzr)\+(?:https?|ssh|git|file)://\S+|git@\S+|git://\S+)"
)
_URL = expression(
    r"(?:^|[\s@\"'])(https?://\S+?\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)\S*|https?://\S+/archive/\S+)"
)
_LOCAL = expression(r"https?://(?:localhost|127\.0\.0\.1)\b")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package as a file names it; the version is empty where none is fixed."""

    name: str
    version: str
    line: int


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


def named_hits(name: str, line: int) -> Iterator[Hit]:
    """What the name of a package tells."""
    like = imitated(name)
    if like:
        yield Hit(LOOKALIKE, line, f"{name} looks like {like}")
    if sounds_internal(name):
        yield Hit(INTERNAL, line, name)


def reference_hits(text: str, line: int) -> Iterator[Hit]:
    """Packages taken from a repository or an address."""
    vcs = _VCS.search(text)
    if vcs is not None:
        if not _SHA.search(vcs[1]):
            yield Hit(MOVING, line, _plain(vcs[1]))
        if vcs[1].startswith(("git://", "git+http://", "git+git://")):
            yield Hit(CLEARTEXT, line, _plain(vcs[1]))
        return
    url = _URL.search(text)
    if url is not None and not re.search(r"#sha256=|--hash=", text):
        yield Hit(ARCHIVE, line, _plain(url[1]))


def _plain(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://...@", text.strip("\"'"))


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
        match = _NAME.match(entry)
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
            yield from _option(entry, line)
            continue
        match = _NAME.match(entry)
        if match is None or "/" in match["name"] or re.match(r"\w+(?:\+\w+)?://", entry):
            yield from reference_hits(entry, line)
            continue
        count += 1
        yield from reference_hits(entry, line)
        yield from named_hits(match["name"], line)
        is_placed = _VCS.search(entry) or _URL.search(entry)
        if not re.match(r"===?\s*[^\s*]+(?:\s|;|$)", match["rest"]) and not is_placed:
            loose.append((line, match["name"]))
        if "--hash=" not in entry and not is_placed:
            unhashed.append((line, match["name"]))
    if not is_source and "constraint" not in file.path.name.lower():
        yield from _summed(loose, count, UNPINNED)
        yield from _summed(unhashed, count, UNHASHED)


def _summed(found: list[tuple[int, str]], count: int, broken: Any) -> Iterator[Hit]:
    """Exceptions one by one, a habit of the whole file once."""
    if not found:
        return
    if len(found) <= max(count // 2, 1) and count > 1:
        yield from (Hit(broken, line, name) for line, name in found)
    else:
        yield Hit(broken, found[0][0], f"{len(found)} packages, {found[0][1]} first")


def _option(entry: str, line: int) -> Iterator[Hit]:
    option, _, value = re.sub(r"[= ]+", " ", entry, count=1).partition(" ")
    if option in {"--extra-index-url", "--trusted-host"}:
        yield Hit(INDEX, line, f"{option} {_plain(value)}")
    elif option in {"-i", "--index-url", "-f", "--find-links"}:
        if value.startswith("http://") and not _LOCAL.match(value):
            yield Hit(CLEARTEXT, line, _plain(value))
    elif option == "--pre":
        yield Hit(PRERELEASE, line, option)
    elif option in {"-e", "--editable"}:
        yield from reference_hits(value, line)


# TOML ----------------------------------------------------------------------------------


def _toml(file: SourceFile) -> dict[str, Any]:
    try:
        return tomllib.loads(file.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ArtifactError(
            "a TOML file does not parse", subject=file.name, found=str(error)[:80]
        ) from error


class _Lines:
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


def _pyproject(file: SourceFile) -> Iterator[Hit]:
    data, lines = _toml(file), _Lines(file.text)
    project = _table(data, "project")
    groups = [_list(project, "dependencies"), _list(_table(data, "build-system"), "requires")]
    groups += [v for v in _table(project, "optional-dependencies").values() if isinstance(v, list)]
    groups += [v for v in _table(data, "dependency-groups").values() if isinstance(v, list)]
    for entry in [item for group in groups for item in group if isinstance(item, str)]:
        match = _NAME.match(entry)
        line = lines.of(entry)
        yield from reference_hits(entry, line)
        if match is not None:
            yield from named_hits(match["name"], line)
    yield from _poetry(_table(data, "tool", "poetry"), lines)
    yield from _uv(_table(data, "tool", "uv"), lines)
    yield from _sources(_list(_table(data, "tool", "pdm"), "source"), lines)
    if isinstance(data.get("build-system"), dict) and data["build-system"].get("backend-path"):
        yield Hit(BACKEND, lines.of("backend-path"), "a build backend inside the project")


def _table(data: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _poetry(poetry: dict[str, Any], lines: _Lines) -> Iterator[Hit]:
    groups = [_table(poetry, "dependencies"), _table(poetry, "dev-dependencies")]
    groups += [_table(group, "dependencies") for group in _table(poetry, "group").values()]
    for name, wanted in [pair for group in groups for pair in group.items()]:
        if name == "python":
            continue
        yield from named_hits(name, lines.of(name))
        yield from _wanted(name, wanted, lines)
    for source in _list(poetry, "source"):
        if not isinstance(source, dict):
            continue
        url, priority = str(source.get("url", "")), str(source.get("priority", "primary"))
        line = lines.of(url or "source")
        if priority in {"supplemental", "secondary"} or source.get("secondary") is True:
            yield Hit(INDEX, line, url)
        if url.startswith("http://") and not _LOCAL.match(url):
            yield Hit(CLEARTEXT, line, url)


def _wanted(name: str, wanted: Any, lines: _Lines) -> Iterator[Hit]:
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
                MOVING, lines.of(str(entry["git"])), f"{name} from {_plain(str(entry['git']))}"
            )
        url = str(entry.get("url") or entry.get("file") or "")
        if url.startswith("http") and "#sha256=" not in url and "hash" not in entry:
            yield Hit(ARCHIVE, lines.of(url), _plain(url))


def _uv(uv: dict[str, Any], lines: _Lines) -> Iterator[Hit]:
    if str(uv.get("index-strategy", "")).startswith("unsafe"):
        yield Hit(INDEX, lines.of("index-strategy"), str(uv["index-strategy"]))
    for key in ("extra-index-url", "allow-insecure-host"):
        if uv.get(key):
            yield Hit(INDEX, lines.of(key), key)
    if uv.get("prerelease") == "allow":
        yield Hit(PRERELEASE, lines.of("prerelease"), "prerelease")
    for index in _list(uv, "index"):
        url = str(index.get("url", "")) if isinstance(index, dict) else ""
        if url.startswith("http://") and not _LOCAL.match(url):
            yield Hit(CLEARTEXT, lines.of(url), url)
    for name, source in _table(uv, "sources").items():
        yield from _wanted(name, source, lines)
    pip = _table(uv, "pip")
    if pip:
        yield from _uv(pip, lines)


def _sources(sources: list[Any], lines: _Lines) -> Iterator[Hit]:
    for number, source in enumerate(sources):
        if not isinstance(source, dict):
            continue
        url = str(source.get("url", ""))
        if source.get("verify_ssl") is False:
            yield Hit(UNVERIFIED, lines.of("verify_ssl", "false"), url)
        if url.startswith("http://") and not _LOCAL.match(url):
            yield Hit(CLEARTEXT, lines.of(url), url)
        elif number and "pypi.org" not in url and not source.get("include_packages"):
            yield Hit(INDEX, lines.of(url), url)


def _pipfile(file: SourceFile) -> Iterator[Hit]:
    data, lines = _toml(file), _Lines(file.text)
    yield from _sources(_list(data, "source"), lines)
    for group in ("packages", "dev-packages"):
        for name, wanted in _table(data, group).items():
            yield from named_hits(name, lines.of(name))
            yield from _wanted(name, wanted, lines)
    if _table(data, "pipenv").get("allow_prereleases") is True:
        yield Hit(PRERELEASE, lines.of("allow_prereleases"), "allow_prereleases")


def _uv_settings(file: SourceFile) -> Iterator[Hit]:
    yield from _uv(_toml(file), _Lines(file.text))


# Locks ---------------------------------------------------------------------------------


def _toml_lock(file: SourceFile) -> Iterator[Hit]:
    data, lines = _toml(file), _Lines(file.text)
    packages = [item for item in _list(data, "package") if isinstance(item, dict)]
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


def _locked(package: dict[str, Any], common: str, count: int, lines: _Lines) -> Iterator[Hit]:
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
        yield Hit(LOCK, line, f"{name} from {_plain(place)}")
    elif host and host != common and not is_git and count > 2:
        yield Hit(LOCK, line, f"{name} from {host}, others from {common or 'the index'}")
    files = [
        f
        for f in [*_list(package, "wheels"), *_list(package, "files"), package.get("sdist")]
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


def _pipfile_lock(file: SourceFile) -> Iterator[Hit]:
    data, lines = _json(file), _Lines(file.text)
    yield from _sources(_list(_table(data, "_meta"), "sources"), lines)
    for group in ("default", "develop"):
        for name, entry in _table(data, group).items():
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


def _node_lock(file: SourceFile) -> Iterator[Hit]:
    data, lines = _json(file), _Lines(file.text)
    entries = [*_table(data, "packages").items(), *_table(data, "dependencies").items()]
    for name, entry in entries:
        place = str(entry.get("resolved", "")) if isinstance(entry, dict) else ""
        if place.startswith("http://") or (
            place.startswith("git") and not re.search(r"#[0-9a-f]{40}", place)
        ):
            yield Hit(LOCK, lines.of(place), f"{name} from {_plain(place)}")
        elif place.startswith("https://") and not entry.get("integrity"):
            yield Hit(UNHASHED, lines.of(place), name)


def _node(file: SourceFile) -> Iterator[Hit]:
    data, lines = _json(file), _Lines(file.text)
    groups = ("dependencies", "devDependencies", "optionalDependencies")
    for name, wanted in [pair for group in groups for pair in _table(data, group).items()]:
        place = str(wanted)
        if place in {"latest", "*", "x", ""} or place.startswith((">", "http://")):
            yield Hit(WILDCARD, lines.of(f'"{name}"'), f"{name} {place}")
        elif _NODE_GIT.match(place) and not re.search(r"#[0-9a-f]{40}$", place):
            yield Hit(MOVING, lines.of(f'"{name}"'), f"{name} from {_plain(place)}")
    for name in ("preinstall", "install", "postinstall", "prepare"):
        script = str(_table(data, "scripts").get(name, ""))
        if re.search(r"curl|wget|https?://|node -e|base64|\beval\b", script):
            yield Hit(INSTALLS, lines.of(f'"{name}"'), script)
        elif re.search(r"core\.hooksPath", script):
            yield Hit(SETS_HOOKS, lines.of(f'"{name}"'), script)


def _tox(file: SourceFile) -> Iterator[Hit]:
    """References in ``deps`` of environments."""
    key = ""
    for number, line in enumerate(file.text.split("\n"), start=1):
        if line[:1] not in (" ", "\t"):
            key = line.partition("=")[0].strip()
        text = line.partition("=")[2] if line[:1] not in (" ", "\t") else line
        if key in {"deps", "commands", "commands_pre"} and not text.lstrip().startswith("#"):
            yield from reference_hits(text, number)


def _chart(file: SourceFile) -> Iterator[Hit]:
    """Dependencies of a chart: any version, or from a place without TLS."""
    for root in read_yaml(file.text, name=file.name):
        entries = root.get("dependencies")
        for item in entries.items if entries is not None else ():
            wanted, place = item.string("version"), item.string("repository")
            if wanted in {"", "*", "x"} or wanted.startswith(">"):
                yield Hit(WILDCARD, item.line, f"{item.string('name')} {wanted or 'no version'}")
            if place.startswith("http://") and not _LOCAL.match(place):
                yield Hit(CLEARTEXT, item.line, place)


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
                _option(text, entry.line)
                if text.startswith("-")
                else reference_hits(text, entry.line)
            )
            match = _NAME.match(text)
            if match is not None and not text.startswith("-"):
                count += 1
                yield from named_hits(match["name"], entry.line)
                if not re.match(r"===?\s*[^\s*]+", match["rest"]) and not _VCS.search(text):
                    loose.append((entry.line, match["name"]))
        if item.text:
            name = item.text.rpartition("::")[2]
            count += 1
            yield from named_hits(re.split(r"[=<> ]", name)[0], item.line)
            if not re.search(r"=", name) or "*" in name.partition("=")[2][:1]:
                loose.append((item.line, name))
    yield from _summed(loose, count, UNPINNED)


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
            yield Hit(INDEX, number, f"{name} {_plain(value)}")
        elif (
            name in {"index-url", "find-links"}
            and value.startswith("http://")
            and not _LOCAL.match(value)
        ):
            yield Hit(CLEARTEXT, number, _plain(value))
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
            match = _NAME.match(part.value)
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
            match = _NAME.match(text)
            yield from reference_hits(text, number)
            if match is not None and line.startswith((" ", "\t")):
                yield from named_hits(match["name"], number)
        if key == "dependency_links" and "http" in text:
            yield Hit(INDEX, number, text.strip())


_READERS: dict[str, Callable[[SourceFile], Iterator[Hit]]] = {
    "pyproject.toml": _pyproject,
    "pipfile": _pipfile,
    "pipfile.lock": _pipfile_lock,
    "uv.toml": _uv_settings,
    "uv.lock": _toml_lock,
    "poetry.lock": _toml_lock,
    "pdm.lock": _toml_lock,
    "pylock.toml": _toml_lock,
    "package-lock.json": _node_lock,
    "package.json": _node,
    "tox.ini": _tox,
    "chart.yaml": _chart,
    "requirements.yaml": _chart,
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
