"""Import known vulnerabilities, so that scans match them without a network.

``import`` reads an OSV export (zip or folder) or the folder of the Python Packaging Advisory
Database and keeps a small snapshot for this user. ``show`` says how old it is. ``check`` holds
the installed packages that read model files against it: 1 where one is known to be vulnerable, 3
where there is no snapshot, or an old one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

HELP = "import known vulnerabilities for scans without a network"
EXAMPLE = "hauberk advisories import PyPI-all.zip"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="advisories", required=True, metavar="VERB")
    one = verbs.add_parser("import", help="read an export and keep a snapshot")
    one.add_argument("source", metavar="SOURCE", type=Path, help="an OSV zip or folder")
    one.add_argument("--output", metavar="FILE", type=Path, help="keep it there instead")
    two = verbs.add_parser("show", help="say what is kept")
    two.add_argument("--file", metavar="FILE", type=Path, help="another snapshot")
    three = verbs.add_parser("check", help="hold installed loaders of models against it")
    three.add_argument(
        *("--python", "--site"),
        dest="python",
        metavar="PATH",
        type=Path,
        help="an environment: its interpreter, its folder, or its site-packages",
    )
    three.add_argument("--file", metavar="FILE", type=Path, help="another snapshot")
    three.add_argument("--all", action="store_true", help="every package, not only loaders")


def run(args: argparse.Namespace) -> int:
    """Import, show or check."""
    if args.advisories == "check":
        return _check(args)
    from datetime import UTC, datetime

    from hauberk.controls.code.known_vulnerabilities import advisories_file
    from hauberk.errors import UnavailableError
    from hauberk.methods.code.advisories import from_bytes, import_advisories, to_bytes
    from hauberk.report.wording import plural

    if args.advisories == "import":
        path = args.output or advisories_file()
        advisories = import_advisories(args.source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_bytes(advisories))
    else:
        path = args.file or advisories_file()
        if not path.is_file():
            raise UnavailableError(
                "there is no snapshot of advisories",
                subject=str(path),
                hint="hauberk advisories import OSV.zip",
            )
        advisories = from_bytes(path.read_bytes(), name=str(path))
    records = sum(len(items) for items in advisories.packages.values())
    age = advisories.age_days(datetime.now(UTC).date())
    sys.stdout.write(
        f"{path}: {plural(records, 'record')} of {plural(len(advisories.packages), 'package')}, "
        f"as of {advisories.day} ({age} days old)\n"
    )
    return 0


def _check(args: argparse.Namespace) -> int:
    from hauberk.methods.code.loader_versions import faulty_loaders

    found, count = faulty_loaders(
        args.python or Path(sys.prefix), args.file, every=args.all, today=_today()
    )
    for item in found:
        fix = f"move to {item.fixed} or later" if item.fixed else "no version is free of it"
        ids = ", ".join(item.ids[:5])
        sys.stdout.write(f"{item.name} {item.version}: {ids}; next: {fix}\n")
    sys.stdout.write(f"{count} packages checked, {len(found)} known to be vulnerable\n")
    return int(bool(found))


def _today() -> date:
    from datetime import UTC, datetime

    return datetime.now(UTC).date()
