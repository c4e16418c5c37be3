"""`hauberk log references`: where a repository's references point, recorded and compared."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.lifecycle.datasets import Place


def configure_references(deeds: Any) -> None:
    """Declare the arguments."""
    deed = deeds.add_parser(
        "references", help="hold a repository's branches and tags against the last record"
    )
    deed.add_argument("repository", nargs="?", type=Path, default=Path(), metavar="REPO")
    deed.add_argument("--record", action="store_true", help="keep the present state, signed")
    deed.add_argument("--accept", default="", metavar="REASON", help="record moved ones too")
    deed.add_argument("--project", default=".", metavar="DIR", help="whose log holds the record")
    deed.add_argument("--root", type=Path, metavar="FILE", help="root of trust with the keys")


def references(args: argparse.Namespace) -> int:
    """1 where a reference was moved, 3 where nothing was recorded yet."""
    from hauberk.lifecycle.datasets import prepare
    from hauberk.lifecycle.references import hold, record

    place = _place(args)
    if args.record or args.accept:
        prepare(place)
        number = record(place, args.repository, reason=args.accept)
        print(f"state {number} of the references is recorded")
        return 0
    held = hold(place, args.repository)
    if held.assessment is None:
        print("no state was recorded yet; record one with: hauberk log references --record")
        return 3
    for finding in held.assessment.findings:
        print(f"moved: {finding.message}")
    if not held.assessment.findings:
        print(f"every reference stands as state {held.number} says, or grew")
    return 1 if held.assessment.findings else 0


def _place(args: argparse.Namespace) -> Place:
    from hauberk.cli.words import clock, configuration, project_folder
    from hauberk.lifecycle.datasets import Place

    return Place(
        project=project_folder(args.project),
        configuration=configuration(),
        clock=clock,
        root_file=args.root,
        tell=print,
    )
