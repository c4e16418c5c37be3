"""What the deeds of `hauberk registry` share: where it is, what is believed, who signs."""

from __future__ import annotations

import argparse
import getpass
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import HauberkError, TrustError, UnavailableError, UsageError

if TYPE_CHECKING:
    from hauberk.trust.keys import Label
    from hauberk.trust.registry.access import Access
    from hauberk.trust.registry.anchor import Anchor
    from hauberk.trust.registry.metadata import Hand
    from hauberk.trust.registry.registrar import Outcome, Registrar
    from hauberk.trust.registry.shelf import Place
    from hauberk.trust.root import Root

VARIABLE = "HAUBERK_REGISTRY"


def place_of(args: argparse.Namespace, model: str | None = None) -> Place:
    """The registry that is meant: by option, variable, project, or the model's pinned root.

    Raises:
        UsageError: None of them says.
    """
    from hauberk.cli.words import configuration
    from hauberk.trust.registry.access import location_of
    from hauberk.trust.registry.shelf import open_location

    location = (
        args.registry
        or os.environ.get(VARIABLE)
        or project_location(Path(args.project))
        or location_of(configuration(), model, args.root)
    )
    if not location:
        raise UsageError(
            "which registry?",
            expected=f"--registry FOLDER, {VARIABLE}, or a project that has one",
            found="none of them",
            hint="name the folder or address where it is, or make one with hauberk registry init",
        )
    return open_location(location, os.environ)


def project_location(project: Path) -> str | None:
    """Where a project's registry is, if it has one."""
    if not (project / "hauberk.toml").is_file() and not (project / "pyproject.toml").is_file():
        return None
    from hauberk.lifecycle.registry_place import is_founded, location
    from hauberk.lifecycle.settings import load

    try:
        found = location(load(project.resolve()))
    except HauberkError:
        return None
    return found if is_founded(found) else None


def access(args: argparse.Namespace, model: str | None = None) -> Access:
    """The registry with what is believed of it."""
    from hauberk.cli.words import clock, configuration
    from hauberk.trust.registry.access import open_access

    return open_access(
        place_of(args, model), configuration(), clock=clock, root_file=args.root, model=model
    )


def hands(args: argparse.Namespace) -> list[Hand]:
    """The keys that are here, and the one of a service that is named.

    Raises:
        TrustError: This is a fork's build.
    """
    from hauberk.cli.words import configuration
    from hauberk.trust import ci, keys

    build = ci.where(os.environ)
    if build.fork:
        raise TrustError(
            "nothing is signed for a fork",
            subject=build.service,
            rule="a job that runs anybody's code holds no key",
            expected="a build of the repository itself",
            found=build.fork,
            hint="sign in a job that runs after the change is merged",
        )
    folder = configuration() / "keys"
    found: list[Hand] = [_service_key(args)] if args.signer else []
    for role in ("person", "release", "snapshot", "timestamp"):
        try:
            found.append(keys.load(folder, keys.Role(role)))
        except UnavailableError:
            continue
    return found


def _service_key(args: argparse.Namespace) -> Hand:
    """A person's key that never leaves a token or a service."""
    from hauberk.trust.oms.signers import ask_secret, read_public_file, service_key

    if args.public_key is None:
        raise UsageError(
            "--signer needs --public-key",
            subject="--public-key",
            expected="the public half of the service's key, in PEM",
            found="none",
        )
    return service_key(args.signer, read_public_file(args.public_key), ask_secret)


def registrar(args: argparse.Namespace, model: str | None = None) -> Registrar:
    """A writer at the registry's state, with the keys that are here."""
    from hauberk.trust.registry.registrar import Registrar

    found = access(args, model)
    return Registrar.open(
        found.place, found.trust, found.memory, hands=hands(args), clock=found.clock
    )


def label(custodian: str | None, machine: str | None) -> Label:
    """The label of a key that is made here."""
    from hauberk.trust.keys import Label, machine_name

    return Label(custodian=custodian or getpass.getuser(), machine=machine or machine_name())


def anchored(name: str, anchor: Anchor, config: Path) -> Path:
    """Pin a registry in the root of trust of a project, which is made where there is none."""
    from hauberk.lifecycle.signing import keys_folder, offered_root
    from hauberk.trust.private_files import is_there
    from hauberk.trust.root import Root, load, pin, root_path

    path = root_path(config, name)
    if is_there(path):
        known = load(path)
        root: Root = replace(known, version=known.version + 1, registry=anchor)
    else:
        try:
            root = replace(offered_root(name, keys_folder(config)), registry=anchor)
        except UnavailableError:
            root = Root(project=name, roles={}, registry=anchor)
    return pin(root, config)


def logged(args: argparse.Namespace, outcome: Outcome, deed: str, subject: str) -> Outcome:
    """The outcome, after the deed was put into the project's log, where it has one.

    A deed that still waits for others is recorded as signed, in state 0.
    """
    from hauberk.cli.words import clock, configuration
    from hauberk.lifecycle.datasets import Place as Project
    from hauberk.lifecycle.registry_events import Deed, log_deed

    project = Project(
        project=Path(args.project).resolve(),
        configuration=configuration(),
        clock=clock,
        tell=print,
    )
    where = place_of(args).location[-200:]
    said = deed if outcome.is_published else f"{deed}-signed"
    log_deed(project, Deed(deed=said, subject=subject, registry=where, state=outcome.version))
    return outcome


def say(outcome: Outcome, done: str) -> int:
    """Print what came of a change; 0 also where it waits, which is no refusal."""
    if outcome.is_published:
        print(f"{done} (state {outcome.version})")
        return 0
    print("signed here, and waiting for others:")
    for one in outcome.waiting:
        print(f"  {one.role}: {len(one.have)} of {one.needed} ({', '.join(one.have) or 'nobody'})")
        print(f"    can still sign: {', '.join(one.missing) or 'nobody: grant another key'}")
    return 0
