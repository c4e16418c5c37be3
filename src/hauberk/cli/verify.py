"""Check the whole chain of a project's release: from the model back to the sources.

Where PATH is a file, or a folder with a model.sig that is no project, its signature is
checked instead: every signed file, and no other (OpenSSF Model Signing).

Signatures are held against the keys pinned outside the project; every byte that the chain
names is hashed again, in the store and in the project's folder. The first broken link is
named and the exit code is 1. MODEL@CHANNEL verifies what a registry offers: the signed
metadata from the pinned root on, the release with its chain, and every released byte.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "check a model's whole chain, or say what is broken"
EXAMPLE = "hauberk verify examples/loans"
_OWN = {
    "hauberk.toml": ("lifecycle", "the limits in it were not applied"),
    "hauberk.lock": ("lock", "its pins are not those of the data that were taken"),
}
"""Files that a release names and does not rest on: what they are, and what another one means."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from hauberk.cli import _signatures

    parser.add_argument(
        "project",
        nargs="?",
        default=".",
        metavar="PATH|MODEL@CHANNEL",
        help="project or model, or a channel or version in a registry",
    )
    parser.add_argument("--registry", metavar="FOLDER", help="where the registry is")
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="root of trust, outside the project"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    _signatures.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Verify; a broken promise is raised and becomes exit code 1."""
    from hauberk.cli import _signatures

    # What a signature does not need is not imported for it: its bytes are read in a second.
    if "@" in args.project and not Path(args.project).exists():
        return _verify_published(args)
    return _signatures.run(args) if _signatures.is_meant(args) else _verify_chain(args)


def _verify_chain(args: argparse.Namespace) -> int:
    import json

    from hauberk.cli._root import warn_ending
    from hauberk.cli.words import configuration, project_folder
    from hauberk.lifecycle.chain_text import as_json, verified_lines
    from hauberk.lifecycle.settings import load
    from hauberk.lifecycle.verification import changed_since, verify_project

    root = project_folder(args.project)
    settings = load(root)
    chain = verify_project(settings, configuration(), root_file=args.root)
    changed = changed_since(settings, chain)
    if args.format == "json":
        as_run = {f"{what}_file_as_run": file not in changed for file, (what, _) in _OWN.items()}
        print(json.dumps({**as_json(chain), **as_run}, indent=1))
    else:
        print("\n".join(verified_lines(chain)))
        for file in changed:
            what, told = _OWN[file]
            print(f"  {what:<14}{file} IS NOT THE ONE THAT WAS RUN: {told}")
    warn_ending(load(root).project.name, args.root)
    return 0


def _verify_published(args: argparse.Namespace) -> int:
    import json

    from hauberk.cli._registry_reading import resolved, verified_document

    reference, args.project = args.project, "."
    found = resolved(args, reference, bytes_too=True)
    if args.format == "json":
        print(json.dumps(verified_document(found), indent=1))
        return 0
    print(f"{found.reference}: version {found.manifest.version} verified")
    for line in found.said():
        print(f"  {line}")
    print(f"  {len(found.manifest.files)} files hashed again")
    return 0
