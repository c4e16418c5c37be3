"""Propose a lifecycle file for the project in this folder, and make keys for it.

Looks for data, scripts, requirements and models, writes a commented hauberk.toml and makes
signing keys under your configuration folder. Nothing of the project is run or changed, and
a lifecycle file that is there already is kept.

With --from-dvc, every output that DVC tracks is hashed with SHA-256 and kept as a signed
version instead; hauberk data verify --from-dvc holds the work tree against them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "propose a lifecycle file for the project in this folder"
EXAMPLE = "hauberk init my-project"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("project", nargs="?", default=".", help="the project's folder")
    parser.add_argument("--force", action="store_true", help="replace a lifecycle file")
    parser.add_argument("--no-keys", action="store_true", help="make no keys")
    parser.add_argument(
        "--from-dvc", action="store_true", help="keep DVC's outputs as signed versions"
    )


def run(args: argparse.Namespace) -> int:
    """Write the file unless there is one, make the keys, say what to do next."""
    from hauberk.cli.words import project_folder
    from hauberk.lifecycle.lifecycle_file import find

    if args.from_dvc:
        return _from_dvc(args)
    root = project_folder(args.project)
    existing = find(root)
    name = _kept(root) if existing and not args.force else _proposed(root)
    if not args.no_keys:
        _keys(name)
    print("next: hauberk run" if existing else "next: check the guesses in it, then: hauberk run")
    return 0


def _from_dvc(args: argparse.Namespace) -> int:
    from hauberk.cli import _dvc
    from hauberk.cli.words import clock, configuration, project_folder
    from hauberk.lifecycle.datasets import Place

    root = project_folder(args.project)
    return _dvc.seal(Place(project=root, configuration=configuration(), clock=clock, tell=print))


def _kept(root: Path) -> str:
    """The name in a lifecycle file that is there already; it is left as it is."""
    from hauberk.lifecycle.settings import load

    settings = load(root)
    print(f"kept {settings.source.name} as it is (--force proposes another)")
    return settings.project.name


def _proposed(root: Path) -> str:
    from hauberk.errors import UnavailableError
    from hauberk.lifecycle import propose
    from hauberk.lifecycle.lifecycle_file import FILE

    target = root / FILE
    found = propose.look(root)
    try:
        target.write_text(propose.write(found), encoding="utf-8")
    except OSError as error:
        raise UnavailableError(
            "the lifecycle file cannot be written",
            subject=str(target),
            found=error.strerror or str(error),
            hint="copy the project to a place where you may write",
        ) from error
    print(f"wrote {_shown(target)}")
    for line in propose.told(found):
        print(f"  {line}")
    _said_open(root)
    return found.name


def _said_open(root: Path) -> None:
    """Say what keeps the proposal from being run, before somebody tries."""
    from hauberk.errors import HauberkError
    from hauberk.lifecycle.layout import Layout
    from hauberk.lifecycle.settings import load

    try:
        Layout(load(root)).plan()
    except HauberkError as error:
        where = f" ({error.subject})" if error.subject else ""
        print(f"  to fill in before a run: {error.message}{where}")


def _keys(project: str) -> None:
    """Make the keys that are missing and pin them as this project's root of trust."""
    from hauberk.cli.words import configuration
    from hauberk.lifecycle.signing import make_keys, pin_own_root

    for line in (*make_keys(configuration()), *pin_own_root(project, configuration())):
        print(f"  {line}")


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
