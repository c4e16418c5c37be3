"""Write requirements/lock.txt: every package of development and of hauberk[all], by hash.

python scripts/lock.py            newest versions that are at least a week old
python scripts/lock.py --days 30  with a longer cool-down

Fresh releases are left out because a hijacked one is usually found within days. Needs
pip-tools; ``make lock`` brings it. The lock names packages, versions and hashes, never the
index that they came from.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
BUILD = ("hatchling", "editables")
OLDER = ("async-timeout",)
"""What packages want on earlier patch releases of Python than the one that resolves: redis before
3.11.3, which Debian has."""
HEADER = """\
# Written by scripts/lock.py (make lock); do not edit.
# Everything that development and hauberk[all] install, by hash.
"""
ENVIRONMENT = {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
"""Local settings of pip do not decide what the lock holds."""
OPTIONS = (
    "--generate-hashes",
    "--strip-extras",
    "--allow-unsafe",
    "--no-annotate",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--no-emit-options",
    "--quiet",
)


def main() -> int:
    """Resolve and write the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7, help="age that a release must have")
    days = parser.parse_args().days
    LOCK.write_text(HEADER + resolved(days), "utf-8")
    print(f"{LOCK.relative_to(ROOT)}: {LOCK.read_text('utf-8').count('==')} packages")
    return 0


def resolved(days: int) -> str:
    """The packages as requirements with hashes, sorted by name."""
    until = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "all.in"), Path(folder, "lock.txt")
        source.write_text("\n".join(wanted()), "utf-8")
        command = [sys.executable, "-m", "piptools", "compile", *OPTIONS]
        subprocess.run(
            [*command, f"--uploaded-prior-to={until}", f"--output-file={target}", str(source)],
            check=True,
            env=os.environ | ENVIRONMENT,
        )
        return target.read_text("utf-8")


def wanted() -> list[str]:
    """What pyproject.toml asks for: base, every extra, the development group, the build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    groups = [project["project"]["dependencies"], *map(extras.get, chosen(extras, "all"))]
    groups += [project["dependency-groups"]["dev"], BUILD, OLDER]
    return sorted({item for group in groups for item in group if not item.startswith("hauberk[")})


def chosen(extras: dict[str, list[str]], name: str) -> set[str]:
    """The extras that ``name`` stands for, itself included."""
    inner = [item for item in extras[name] if item.startswith("hauberk[")]
    names = {part for item in inner for part in item[len("hauberk[") : -1].split(",")}
    return {name}.union(*(chosen(extras, part) for part in names))


if __name__ == "__main__":
    sys.exit(main())
