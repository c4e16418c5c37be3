"""Show where a released model comes from: every step, what it took, what it made.

Only what has been verified is shown; a chain that does not verify is refused as by
``hauberk verify``. MODEL@CHANNEL explains what a registry offers, and who stands behind it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "show where a model comes from"
EXAMPLE = "hauberk explain examples/loans"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "project",
        nargs="?",
        default=".",
        metavar="PROJECT|MODEL@CHANNEL",
        help="the project's folder, or a channel or version in a registry",
    )
    parser.add_argument("--registry", metavar="FOLDER", help="where the registry is")
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="root of trust, outside the project"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(args: argparse.Namespace) -> int:
    """Verify, then draw the chain as a tree."""
    import json

    from hauberk.cli.words import configuration, project_folder
    from hauberk.lifecycle.chain_text import as_json, tree_lines
    from hauberk.lifecycle.settings import load
    from hauberk.lifecycle.verification import verify_project

    if "@" in args.project and not Path(args.project).exists():
        return _published(args)
    root = project_folder(args.project)
    chain = verify_project(load(root), configuration(), root_file=args.root)
    if args.format == "json":
        print(json.dumps(as_json(chain), indent=1))
    else:
        print("\n".join(tree_lines(chain)))
    return 0


def _published(args: argparse.Namespace) -> int:
    import json

    from hauberk.cli._registry_reading import resolved, verified_document
    from hauberk.lifecycle.chain_text import as_json, tree_lines

    reference, args.project = args.project, "."
    found = resolved(args, reference)
    chain = found.chain
    if args.format == "json":
        tree = {} if chain is None else as_json(chain)
        print(json.dumps({**tree, "registry": verified_document(found)}, indent=1))
        return 0
    print(f"{found.reference}: version {found.manifest.version}")
    for line in (*found.said(), *(() if chain is None else tree_lines(chain))):
        print(f"  {line}")
    return 0
