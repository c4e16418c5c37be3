"""Installed packages that read model files, held against a snapshot of advisories."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hauberk.errors import UnavailableError, UsageError
from hauberk.methods.code.advisories import Advisories, from_bytes
from hauberk.methods.code.installed import LOADERS, installed, site_packages

MAX_AGE_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """One installed version that is known to be vulnerable.

    Attributes:
        fixed: The first version without the first of them; empty where there is none.
    """

    name: str
    version: str
    ids: tuple[str, ...]
    fixed: str


def snapshot_file() -> Path:
    """Where the snapshot of this user lies."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "hauberk" / "advisories.json.gz"


def faulty_loaders(
    python: Path, file: Path | None, *, every: bool = False, today: date
) -> tuple[tuple[Faulty, ...], int]:
    """The vulnerable ones among the packages of an environment, and how many were checked.

    Args:
        python: An interpreter, the folder of an environment, or its ``site-packages``.
        file: The snapshot; by default this user's.
        every: Whether all packages count, or only those that read models and data.

    Raises:
        UsageError: There is no environment.
        UnavailableError: There is no snapshot, or nothing is found and it is old.
    """
    folders = site_packages(python) if python.exists() else []
    if not folders:
        raise UsageError(
            "there is no environment with packages",
            subject=str(python),
            expected="an interpreter, the folder of an environment, or its site-packages",
        )
    advisories = _snapshot(file or snapshot_file())
    packages = sorted({pair for folder in folders for pair in installed(folder)})
    wanted = [pair for pair in packages if every or pair[0] in LOADERS]
    found = tuple(
        Faulty(
            name=name, version=version, ids=tuple(item.id for item in known), fixed=known[0].fixed
        )
        for name, version in wanted
        if (known := advisories.of(name, version))
    )
    age = advisories.age_days(today)
    if not found and age > MAX_AGE_DAYS:
        raise UnavailableError(
            f"the advisories are {age} days old",
            expected=f"at most {MAX_AGE_DAYS} days",
            found=advisories.day,
            hint="hauberk advisories import OSV.zip",
        )
    return found, len(wanted)


def _snapshot(path: Path) -> Advisories:
    try:
        return from_bytes(path.read_bytes(), name=str(path))
    except OSError as error:
        raise UnavailableError(
            "installed loaders were not checked: there is no snapshot of advisories",
            subject=str(path),
            found=error.strerror or str(error),
            hint="hauberk advisories import OSV.zip",
        ) from error
