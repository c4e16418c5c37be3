"""Show where a released model comes from: every step, what it took, what it made.

Only what has been verified is shown; a chain that does not verify is refused as by
``hauberk verify``.
"""

from __future__ import annotations

import argparse

HELP = "show where a model comes from"
EXAMPLE = "hauberk explain examples/loans"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("project", nargs="?", default=".", help="the project's folder")
    parser.add_argument("--root", metavar="FILE", help="root of trust, outside the project")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(args: argparse.Namespace) -> int:
    """Verify, then draw the chain as a tree."""
    import json
    from pathlib import Path

    from hauberk.cli.words import configuration, project_folder
    from hauberk.lifecycle.chain_text import as_json, tree_lines
    from hauberk.lifecycle.settings import load
    from hauberk.lifecycle.verification import verify_project

    root = project_folder(args.project)
    chain = verify_project(
        load(root), configuration(), root_file=Path(args.root) if args.root else None
    )
    if args.format == "json":
        print(json.dumps(as_json(chain), indent=1))
    else:
        print("\n".join(tree_lines(chain)))
    return 0
