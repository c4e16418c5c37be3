"""Measure what an installation weighs, and refuse what weighs more than was promised.

python scripts/measure_install.py dist/hauberk-*.whl

Counts every file below site-packages, byte code included, and every distribution; pip and
setuptools, which a new environment brings along, are left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000
BROUGHT_ALONG = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What an installation may weigh."""

    extra: str
    max_bytes: int
    max_packages: int | None


PROMISES = (
    Promise(extra="", max_bytes=60 * MB, max_packages=20),
    Promise(extra="[all]", max_bytes=850 * MB, max_packages=None),
)


def main() -> int:
    """Install, measure, compare; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--constraints", type=Path, help="versions to install")
    parser.add_argument("--keep", type=Path, help="folder in which the last environment stays")
    args = parser.parse_args()
    kept = True
    for promise in PROMISES:
        with tempfile.TemporaryDirectory() as folder:
            last = promise is PROMISES[-1] and args.keep is not None
            home = args.keep if last else Path(folder)
            kept &= measured(promise, args.wheel, args.constraints, home)
    return 0 if kept else 1


def measured(promise: Promise, wheel: Path, constraints: Path | None, home: Path) -> bool:
    """Install ``wheel`` with an extra in ``home`` and say what it weighs."""
    install(home, f"{wheel}{promise.extra}", constraints)
    (packages,) = home.glob("lib/python*/site-packages")
    size, count = weight(packages), len(distributions(packages))
    over = size > promise.max_bytes or (promise.max_packages or count) < count
    limit = f"at most {promise.max_bytes / MB:.0f} MB"
    limit += f" and {promise.max_packages} packages" if promise.max_packages else ""
    print(
        f"hauberk{promise.extra}: {size / MB:.1f} MB, {count} packages"
        f" ({limit}){': TOO MUCH' if over else ''}"
    )
    return not over


def install(home: Path, requirement: str, constraints: Path | None) -> None:
    """Make an environment in ``home`` with ``requirement`` in it."""
    venv.create(home, with_pip=True, clear=True)
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement]
    chosen = ["--constraint", str(constraints)] if constraints else []
    subprocess.run([*command, "--disable-pip-version-check", *chosen], check=True)


def weight(packages: Path) -> int:
    """Bytes of all files that were installed."""
    return sum(
        path.lstat().st_size
        for entry in packages.iterdir()
        if not entry.name.startswith(BROUGHT_ALONG)
        for path in (entry.rglob("*") if entry.is_dir() else (entry,))
        if path.is_file()
    )


def distributions(packages: Path) -> list[str]:
    """Names of the distributions that were installed."""
    return sorted(
        path.name
        for path in packages.glob("*.dist-info")
        if not path.name.startswith(BROUGHT_ALONG)
    )


if __name__ == "__main__":
    sys.exit(main())
