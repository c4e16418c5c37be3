"""Lock an installed environment file by file, and verify it before anything is imported.

``lock`` hashes every file of every installed package, and files that belong to none, such as
``.pth`` files. ``verify`` refuses what is unlocked, missing or changed. Nothing of the
environment is started. With --wheels a folder of wheels is locked instead.

Exit codes: 0 as locked, 1 refused, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "lock an environment file by file, and verify it before use"
EXAMPLE = "hauberk env lock .venv && hauberk env verify .venv"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("verb", choices=("lock", "verify"))
    parser.add_argument(
        "environment", nargs="?", type=Path, default=Path(".venv"), metavar="FOLDER"
    )
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="wheels instead")
    parser.add_argument("--file", type=Path, default=Path("hauberk-env.lock"), metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Lock or verify."""
    from hauberk.errors import UsageError
    from hauberk.trust.environments import (
        from_text,
        read_environment,
        read_wheels,
        site_packages,
        to_text,
        verify,
    )

    if args.wheels is not None:
        found = read_wheels(args.wheels)
    else:
        found = read_environment(site_packages(args.environment))
    subject = str(args.wheels or args.environment)
    if args.verb == "lock":
        args.file.write_text(to_text(found), "utf-8")
        sys.stdout.write(f"{args.file}: {len(found.packages or found.wheels)} packages locked\n")
        return 0
    try:
        text = args.file.read_text("utf-8")
    except OSError as error:
        raise UsageError(
            "there is no lock", subject=str(args.file), hint="hauberk env lock"
        ) from error
    verify(from_text(text, name=str(args.file)), found, subject=subject)
    sys.stdout.write(f"{subject}: {len(found.packages or found.wheels)} packages as locked\n")
    return 0
