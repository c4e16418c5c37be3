"""Rules about where packages come from, and what a name or a reference of a package tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hauberk.methods.code.images import ARCHIVE, INDEX, MOVING
from hauberk.methods.code.package_names import imitated, sounds_internal
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

PACKAGE = expression(
    r"^[ \t]*(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)[ \t]*(?:\[[^\]]*\])?[ \t]*(?P<rest>[^#]*)"
)
_SHA = expression(r"@[0-9a-f]{40}(?:\b|$)")
VCS_REFERENCE = expression(
    r"(?:^|[\s@\"'])((?:git|hg|svn|bzr)\+(?:https?|ssh|git|file)://\S+|git@\S+|git://\S+)"
)
ARCHIVE_URL = expression(
    r"(?:^|[\s@\"'])(https?://\S+?\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)\S*|https?://\S+/archive/\S+)"
)
LOCAL_ADDRESS = expression(r"https?://(?:localhost|127\.0\.0\.1)\b")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package as a file names it; the version is empty where none is fixed.

    Attributes:
        ecosystem: As the Open Source Vulnerability format names it (``Debian:12``); empty for
            packages of Python.
    """

    name: str
    version: str
    line: int
    ecosystem: str = ""


def named_hits(name: str, line: int) -> Iterator[Hit]:
    """What the name of a package tells."""
    like = imitated(name)
    if like:
        yield Hit(LOOKALIKE, line, f"{name} looks like {like}")
    if sounds_internal(name):
        yield Hit(INTERNAL, line, name)


def reference_hits(text: str, line: int) -> Iterator[Hit]:
    """Packages taken from a repository or an address."""
    vcs = VCS_REFERENCE.search(text)
    if vcs is not None:
        if not _SHA.search(vcs[1]):
            yield Hit(MOVING, line, plain_reference(vcs[1]))
        if vcs[1].startswith(("git://", "git+http://", "git+git://")):
            yield Hit(CLEARTEXT, line, plain_reference(vcs[1]))
        return
    url = ARCHIVE_URL.search(text)
    if url is not None and not re.search(r"#sha256=|--hash=", text):
        yield Hit(ARCHIVE, line, plain_reference(url[1]))


def plain_reference(text: str) -> str:
    """A reference without quotes and without who logs in."""
    return re.sub(r"://[^/@\s]+@", "://...@", text.strip("\"'"))


def _listed(found: list[tuple[int, str]]) -> str:
    name = found[0][1]
    return name if len(found) == 1 else f"{len(found)} packages, {name} first"


def summed(found: list[tuple[int, str]], count: int, broken: Any) -> Iterator[Hit]:
    """Exceptions one by one, a habit of the whole file once."""
    if not found:
        return
    if len(found) <= max(count // 2, 1) and count > 1:
        yield from (Hit(broken, line, name) for line, name in found)
    else:
        yield Hit(broken, found[0][0], _listed(found))


def option_hits(entry: str, line: int) -> Iterator[Hit]:
    """Options of pip on a line of their own."""
    option, _, value = re.sub(r"[= ]+", " ", entry, count=1).partition(" ")
    if option in {"--extra-index-url", "--trusted-host"}:
        yield Hit(INDEX, line, f"{option} {plain_reference(value)}")
    elif option in {"-i", "--index-url", "-f", "--find-links"}:
        if value.startswith("http://") and not LOCAL_ADDRESS.match(value):
            yield Hit(CLEARTEXT, line, plain_reference(value))
    elif option == "--pre":
        yield Hit(PRERELEASE, line, option)
    elif option in {"-e", "--editable"}:
        yield from reference_hits(value, line)
