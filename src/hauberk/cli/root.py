"""Roots of trust: what is believed of a project and its registry before anything is read.

A root lies outside the project and its store, in the user's configuration or in a file that an
administrator or a build service provides (`--root FILE` of other verbs). `init` makes one from
keys, `pin` believes one, `show` prints one for others to compare and pin, `rotate` makes the
next version.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make, pin, show and rotate what is believed beforehand"
EXAMPLE = "hauberk root show loans --out loans.root.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    init = deeds.add_parser("init", help="make a root of one's own keys, and pin it")
    init.add_argument("name", metavar="PROJECT")
    init.add_argument("--out", type=Path, metavar="FILE", help="write it there, do not pin it")
    pin = deeds.add_parser("pin", help="believe a root")
    pin.add_argument("what", metavar="FILE|PROJECT", help="a file, or what was taken on first use")
    pin.add_argument("--key", action="append", default=[], metavar="ID", help="a key it must name")
    pin.add_argument("--registry", metavar="FOLDER", help="where its registry is seen from here")
    pin.add_argument("--floor", type=int, metavar="N", help="lowest state of the registry")
    show = deeds.add_parser("show", help="print a root, or write it to a file")
    show.add_argument("what", metavar="FILE|PROJECT")
    show.add_argument("--out", type=Path, metavar="FILE")
    show.add_argument("--format", choices=("text", "json"), default="text")
    rotate = deeds.add_parser("rotate", help="make and pin the next version")
    rotate.add_argument("name", metavar="PROJECT")
    for role in ("lifecycle", "release"):
        rotate.add_argument(f"--add-{role}", type=Path, action="append", default=[], metavar="CARD")
        rotate.add_argument(f"--{role}-threshold", type=int, metavar="N")
    rotate.add_argument("--remove", action="append", default=[], metavar="KEY")
    rotate.add_argument(
        "--until",
        action="append",
        default=[],
        metavar="KEY=DAY",
        help="the last day (UTC) on which a key counts, or never",
    )
    rotate.add_argument("--release-floor", type=int, metavar="N")
    rotate.add_argument("--tool-floor", metavar="VERSION")
    rotate.add_argument("--policy", type=Path, metavar="FILE", help="the policy floor, as JSON")
    rotate.add_argument("--dry-run", action="store_true", help="only say what would change")
    check = deeds.add_parser("check", help="1 where a key ended or ends soon, for a daily job")
    check.add_argument("names", nargs="*", metavar="FILE|PROJECT", help="all that are pinned")
    check.add_argument("--days", type=float, default=30.0, help="how soon is soon")


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    from hauberk.cli import _root

    deeds = {"init": _root.init, "pin": _root.pin, "show": _root.show, "rotate": _root.rotate}
    deeds["check"] = _root.check
    return deeds[args.deed](args)
