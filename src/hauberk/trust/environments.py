"""An installed Python environment as digests, to be held against before anything is imported.

Nothing of the environment runs while it is read: package lists come from the ``RECORD`` files,
and every file that they name is hashed. Files that belong to no package are listed by
themselves, for a ``.pth`` file or a ``sitecustomize`` runs at every start of the interpreter.

References:
    PEP 376 and PEP 427 on ``RECORD``; the ``site`` module on ``.pth`` files.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hauberk.errors import ArtifactError, TrustError, UsageError

SCHEMA = 1
MAX_FILES = 2_000_000
_LEFT_OUT = frozenset({"__pycache__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What is installed.

    Attributes:
        packages: Name to version and digest over all files of the package.
        loose: Files of no package, such as ``.pth`` files, to their digests.
        wheels: Names of wheels to their digests, where wheels are locked instead.
    """

    packages: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    loose: Mapping[str, str] = field(default_factory=dict)
    wheels: Mapping[str, str] = field(default_factory=dict)


def site_packages(python: Path) -> Path:
    """The packages' folder of an environment, without starting its interpreter.

    Raises:
        UsageError: There is none.
    """
    root = python if python.is_dir() else python.parent.parent
    found = sorted(root.glob("lib/python3*/site-packages")) + sorted(root.glob("Lib/site-packages"))
    if not found:
        raise UsageError(
            "there is no environment",
            subject=str(python),
            expected="a folder such as .venv, or its python",
            found="no site-packages",
        )
    return found[0]


def read_environment(folder: Path) -> Environment:
    """The environment at ``folder``: packages with digests, and files of no package."""
    owned: set[Path] = set()
    packages: dict[str, tuple[str, str]] = {}
    for info in sorted(folder.glob("*.dist-info")):
        name, version = _identity(info)
        lines: list[str] = []
        for relative in _recorded(info):
            path = (folder / relative).resolve() if ".." in relative else folder / relative
            owned.add(path)
            if not relative.endswith(".pyc") and path.is_file():
                lines.append(f"{relative}\0{_digest(path)}")
            elif not relative.endswith(".pyc"):
                lines.append(f"{relative}\0missing")
        packages[name] = (version, hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest())
    loose = {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in _walk(folder)
        if path not in owned and path.suffix != ".pyc"
    }
    return Environment(packages=packages, loose=loose)


def read_wheels(folder: Path) -> Environment:
    """Wheels of a folder by their digests."""
    return Environment(wheels={path.name: _digest(path) for path in sorted(folder.glob("*.whl"))})


def _identity(info: Path) -> tuple[str, str]:
    stem = info.name.removesuffix(".dist-info")
    name, _, version = stem.rpartition("-")
    return re.sub(r"[-_.]+", "-", name).lower(), version


def _recorded(info: Path) -> Iterator[str]:
    record = info / "RECORD"
    own = f"{info.name}/RECORD"
    if not record.is_file():
        yield from (p.relative_to(info.parent).as_posix() for p in _walk(info))
        return
    with record.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            if row and row[0]:
                yield row[0]
    yield own


def _walk(folder: Path) -> Iterator[Path]:
    waiting, count = [folder], 0
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            count += 1
            if count > MAX_FILES:
                raise ArtifactError(
                    "an environment holds too many files", subject=str(folder), found="more"
                )
            if path.is_dir() and not path.is_symlink():
                waiting += [path] if path.name not in _LEFT_OUT else []
            elif path.is_file():
                yield path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_text(environment: Environment) -> str:
    """A lock file, sorted so that it reads well in a diff."""
    data = {
        "schema": SCHEMA,
        "packages": {name: list(pair) for name, pair in sorted(environment.packages.items())},
        "loose": dict(sorted(environment.loose.items())),
        "wheels": dict(sorted(environment.wheels.items())),
    }
    return json.dumps(data, indent=1) + "\n"


def from_text(text: str, *, name: str = "lock") -> Environment:
    """The environment of a lock file.

    Raises:
        ArtifactError: It is none.
    """
    try:
        data = json.loads(text)
        packages = {str(k): (str(v), str(d)) for k, (v, d) in data["packages"].items()}
        loose = {str(key): str(value) for key, value in data["loose"].items()}
        wheels = {str(key): str(value) for key, value in data["wheels"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            "an environment lock is damaged", subject=name, found=str(error)[:80]
        ) from error
    return Environment(packages=packages, loose=loose, wheels=wheels)


def differences(locked: Environment, found: Environment) -> list[str]:
    """What of an environment is not as it was locked; empty where it is."""
    told: list[str] = []
    for name in sorted(locked.packages.keys() | found.packages.keys()):
        old, new = locked.packages.get(name), found.packages.get(name)
        if new is None:
            told.append(f"{name} is locked and not installed")
        elif old is None:
            told.append(f"{name} {new[0]} is installed and not locked")
        elif old != new:
            what = (
                f"{old[0]} was locked, {new[0]} is installed"
                if old[0] != new[0]
                else "its files changed"
            )
            told.append(f"{name}: {what}")
    for kind, before, after in (
        ("file", locked.loose, found.loose), ("wheel", locked.wheels, found.wheels)
    ):  # fmt: skip
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                state = "changed" if name in before and name in after else (
                    "is gone" if name in before else "is not locked"
                )  # fmt: skip
                told.append(f"{kind} {name} {state}")
    return told


def verify(locked: Environment, found: Environment, *, subject: str) -> None:
    """Refuse an environment that is not as it was locked.

    Raises:
        TrustError: Anything differs; the message names the first differences.
    """
    told = differences(locked, found)
    if told:
        more = f" and {len(told) - 5} more" if len(told) > 5 else ""  # noqa: PLR2004 - enough to act on
        raise TrustError(
            "the environment is not the one that was locked",
            subject=subject,
            rule="every installed file is as it was locked",
            found="; ".join(told[:5]) + more,
            hint="install it again with pip install --require-hashes, or lock what you reviewed",
        )
