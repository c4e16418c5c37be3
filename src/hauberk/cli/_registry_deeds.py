"""The deeds of `hauberk registry`, one function each, called by their names."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.cli import _allowing
from hauberk.cli._registry import access, anchored, label, logged, registrar, say
from hauberk.errors import TrustError, UsageError
from hauberk.trust.fields import time_text

if TYPE_CHECKING:
    from hauberk.trust.registry.documents import Manifest
    from hauberk.trust.registry.founding import Holder
    from hauberk.trust.registry.registrar import Registrar

LARGE_BITS = 9  # 512 files for each role: a hundred thousand versions in 50 kB pieces
MAX_EXAMINATION_BYTES = 1 << 20
_MAX_SHOWN = 300
_KEY_ROLES = {
    "person": "person",
    "trainer": "release",
    "snapshot": "snapshot",
    "timestamp": "timestamp",
}


def init(args: argparse.Namespace) -> int:
    """Keys, roles, policy and the pin in one command."""
    from hauberk.cli._registry import hands
    from hauberk.cli.words import clock, configuration
    from hauberk.trust.keys import make_missing
    from hauberk.trust.registry import founding

    place, name = _new_place(args)
    holders = [_own(office, args) for office in _KEY_ROLES]
    make_missing(configuration() / "keys", label(args.custodian, args.machine))
    bits = LARGE_BITS if args.large else 0
    anchor = founding.found(
        place, name, holders, hands=hands(args), clock=clock, persons=args.persons, bits=bits
    )
    pinned = anchored(name, anchor, configuration())
    print(f"registry {name} in {place.location}")
    for holder in holders:
        who = f"{holder.label.custodian} on machine {holder.label.machine}"
        print(f"  {holder.office:<10}{holder.public.key_id[:16]}  {who}")
    print(f"  pinned in {pinned}: hand its content to whoever will read from here")
    if args.persons > 1:
        print(f"  production needs {args.persons} persons, and there is 1 so far")
        print("next: the second person runs `hauberk registry key --out CARD` on another machine,")
        print("      then `hauberk registry grant CARD` here")
    return 0


def _new_place(args: argparse.Namespace) -> tuple[Any, str]:
    from hauberk.lifecycle.registry_place import location
    from hauberk.lifecycle.settings import load
    from hauberk.trust.registry.shelf import open_location
    from hauberk.trust.store import Store

    name, where = args.name, args.registry
    if not name or not where:
        settings = load(Path(args.project).resolve())
        name = name or settings.project.name.lower()
        where = where or location(settings)
        if Path(where).resolve().is_relative_to(settings.root / ".hauberk"):
            Store.open(settings.root)  # the store comes first: it refuses folders of others
    if "://" not in where:
        Path(where).absolute().mkdir(parents=True, exist_ok=True)
    return open_location(where, os.environ), name


def _own(office: str, args: argparse.Namespace) -> Holder:
    """The user's own key for an office, made where there is none."""
    from hauberk.cli.words import configuration
    from hauberk.trust import keys
    from hauberk.trust.registry.founding import Holder, Office

    folder, role = configuration() / "keys", keys.Role(_KEY_ROLES[office])
    configuration().mkdir(mode=0o700, parents=True, exist_ok=True)
    keys.make_missing(folder, label(args.custodian, args.machine), (role,))
    public, who = keys.load_public(folder, role)
    return Holder(public=public, label=who, office=Office(office))


def key(args: argparse.Namespace) -> int:
    """Make a key and write its card."""
    from hauberk.trust import keys

    holder = _elsewhere(args) if args.public_key else _own(args.office, args)
    card = keys.card(holder.public, holder.label)
    if args.out is None:
        print(card.decode())
        return 0
    args.out.write_bytes(card)
    who = f"{holder.label.custodian} on machine {holder.label.machine}"
    print(f"key {holder.public.key_id[:16]} of {who}; its public half is in {args.out}")
    return 0


def _elsewhere(args: argparse.Namespace) -> Holder:
    """A key that was made in a token or a service."""
    from hauberk.trust.oms.signers import read_public_file
    from hauberk.trust.registry.founding import Holder, Office

    public = read_public_file(args.public_key)
    return Holder(
        public=public, label=label(args.custodian, args.machine), office=Office(args.office)
    )


def grant(args: argparse.Namespace) -> int:
    """Let a key count, once the persons in charge have said so."""
    from hauberk.trust import keys
    from hauberk.trust.registry import founding, people

    try:
        data = args.card.read_bytes()
    except OSError as error:
        raise UsageError(
            "the card cannot be read",
            subject=str(args.card),
            expected="a file that hauberk registry key --out wrote",
            found=error.strerror,
            hint="ask its holder for it",
        ) from error
    public, who = keys.read_card(data)
    holder = founding.Holder(public=public, label=who, office=founding.Office(args.office))
    writer = _writer(args)
    outcome = people.grant(writer, holder)
    if args.dry_run:
        return _say_rehearsed(writer)
    return say(outcome, f"key {public.key_id[:16]} of {who.custodian} counts as {args.office}")


def _writer(args: argparse.Namespace, model: str | None = None) -> Registrar:
    found = registrar(args, model or _project_name(args))
    if getattr(args, "dry_run", False):
        from hauberk.trust.registry.rehearsal import rehearse

        return rehearse(found)
    return found


def _project_name(args: argparse.Namespace) -> str | None:
    from hauberk.errors import HauberkError
    from hauberk.lifecycle.settings import load

    try:
        return str(load(Path(args.project).resolve()).project.name).lower()
    except HauberkError:
        return None


def sign(args: argparse.Namespace) -> int:
    """Show what waits, and sign what is named."""
    from hauberk.trust.registry import people

    writer = registrar(args, _project_name(args))
    waiting = people.drafts(writer)
    for one in waiting:
        print(f"{one.change.role}, version {one.change.metadata.signed.version}:")
        for line in one.changes or ("nothing but a new expiry",):
            print(f"  {line}")
    if not args.roles:
        print(f"{len(waiting)} waiting; sign with hauberk registry sign ROLE..." if waiting else "")
        return 0
    _refuse_promotions(args.roles)
    chosen = [one for one in waiting if one.change.role in args.roles]
    return say(people.sign_drafts(writer, chosen), "signed and published")


def _refuse_promotions(roles: list[str]) -> None:
    from hauberk.trust.registry.names import PROMOTED

    odd = [role for role in roles if role.startswith(PROMOTED)]
    if odd:
        raise UsageError(
            "promotions are signed by saying what is promoted",
            subject=odd[0],
            rule="whoever signs a promotion has looked at its evidence",
            expected="root, targets, models, staging or retired",
            found=odd[0],
            hint="repeat the promotion: hauberk registry promote MODEL@VERSION",
        )


def publish(args: argparse.Namespace) -> int:
    """Publish what the project has staged, or any file or folder, to staging."""
    from hauberk.lifecycle import publishing
    from hauberk.trust.registry import deeds

    if args.path is None:
        name = _project_name(args)
        writer = registrar(args, name)
        manifest = publishing.of_project(Path(args.project).resolve(), writer.place)
    else:
        if not args.model or not args.version:
            raise UsageError("what is it?", expected="--model NAME --version VERSION with a path")
        writer = registrar(args, args.model)
        manifest = publishing.of_path(
            args.path,
            writer.place,
            model=args.model,
            version=args.version,
            view=writer.view,
            allow=(*_allowing.entries(args), *_allowing.entries_of_root(args.model)),
        )
    outcome = deeds.publish(writer, manifest)
    logged(args, outcome, "publish", f"{manifest.model}@{manifest.version}")
    return say(
        outcome,
        f"{manifest.model} {manifest.version} published to staging, {manifest.evidence.value}",
    )


def promote(args: argparse.Namespace) -> int:
    """Promote, once enough persons have."""
    from hauberk.trust.registry import deeds

    reference = _version(args.reference)
    writer = _writer(args, reference.model)
    outcome = deeds.promote(
        writer, reference.model, reference.what, gate=lambda one: _gate(args, writer, one)
    )
    logged(args, outcome, "promote", str(reference))
    return _say_promoted(outcome, f"{reference} is in production")


def rollback(args: argparse.Namespace) -> int:
    """Roll back, once enough persons have."""
    from hauberk.cli import _rollback_request
    from hauberk.trust.registry import deeds

    reference = _version(args.reference)
    writer = _writer(args, reference.model)
    outcome = deeds.roll_back(
        writer,
        reference.model,
        reference.what,
        reason=_rollback_request.reason(args, writer, reference.model),
        days=args.days,
        gate=lambda one: _gate(args, writer, one),
    )
    logged(args, outcome, "rollback", str(reference))
    return _say_promoted(outcome, f"production is back at {reference} for {args.days:g} days")


def _say_promoted(outcome: Any, done: str) -> int:
    code = say(outcome, done)
    if not outcome.is_published:
        print("next: another person repeats this command with a key of their own")
    return code


def _gate(args: argparse.Namespace, writer: Registrar, manifest: Manifest) -> None:
    """What must be known of a version before it goes to production."""
    from hauberk.trust.registry import evidence, names

    root = _project_root(args, manifest.model)
    chain = evidence.check_evidence(manifest, writer.place, root)
    path = names.version_path(manifest.model, manifest.version)
    evidence.check_in_force(writer.view, chain, path)
    wanted = root.policy.examination
    if args.max_age is not None:
        wanted = replace(wanted, max_age_days=min(args.max_age, wanted.max_age_days))
    further = [evidence.read_examination(_bytes_of(one), root) for one in args.examination]
    evidence.check_for_production(manifest, chain, wanted, now=writer.clock(), further=further)


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_EXAMINATION_BYTES:
            raise UsageError(
                "this is no examination",
                subject=str(path),
                expected=f"at most {MAX_EXAMINATION_BYTES} bytes",
                found=f"{path.stat().st_size}",
            )
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            "the examination cannot be read", subject=str(path), found=error.strerror
        ) from error


def _project_root(args: argparse.Namespace, model: str) -> Any:
    from hauberk.cli._registry_reading import project_root

    return project_root(args.root, model)


def _version(text: str) -> Any:
    from hauberk.trust.registry.names import parse_reference

    reference = parse_reference(text)
    if reference.is_channel:
        raise UsageError(
            "a version is promoted, not a channel",
            subject=text,
            expected="MODEL@VERSION",
            found=text,
            hint="hauberk registry history MODEL lists versions",
        )
    return reference


def retire(args: argparse.Namespace) -> int:
    """Retire a version."""
    from hauberk.trust.registry import deeds

    reference = _version(args.reference)
    writer = _writer(args, reference.model)
    outcome = deeds.retire(writer, reference.model, reference.what, reason=args.reason)
    logged(args, outcome, "retire", str(reference))
    return say(outcome, f"{reference} is retired and will not be served again")


def revoke_key(args: argparse.Namespace) -> int:
    """Revoke a key."""
    from hauberk.trust.registry import people

    writer = _writer(args)
    key_id = _key_id(writer, args.key_id)
    outcome = people.revoke(writer, key_id, args.reason)
    if args.dry_run:
        return _say_rehearsed(writer)
    logged(args, outcome, "revoke-key", key_id[:16])
    return say(outcome, f"key {key_id[:16]} counts for nothing from now on")


def _say_rehearsed(writer: Registrar) -> int:
    from hauberk.trust.registry.rehearsal import rehearsed

    print("dry run; nothing was written. It would change:")
    for line in rehearsed(writer):
        print(f"  {line}")
    return 0


def _key_id(writer: Registrar, beginning: str) -> str:
    targets: Any = writer.view.role("targets", "root")
    known = {*writer.view.trusted.root.keys, *targets.delegations.keys}
    found = sorted(key for key in known if key.startswith(beginning) and len(beginning) >= 8)  # noqa: PLR2004 - shorter ones are guesses
    if len(found) == 1:
        return str(found[0])
    raise UsageError(
        "this is not the id of one key",
        subject=ascii(beginning)[:80],
        expected="at least 8 digits of the id of a key, see hauberk registry status",
        found=f"{len(found)} keys that begin so",
    )


def resign(args: argparse.Namespace) -> int:
    """Sign anew what expires; 1 where only others can."""
    from hauberk.trust.registry.upkeep import resign as sign_anew

    writer = registrar(args, _project_name(args))
    done = sign_anew(writer)
    print(f"signed anew: {', '.join(done.signed)} (state {done.version})")
    for one in done.alarms:
        print(f"ALARM: {one.role} expires {time_text(one.expires)}; only its holders can sign it:")
        print(f"  {', '.join(one.holders)}")
    return 1 if done.alarms else 0


def status(args: argparse.Namespace) -> int:
    """Show the registry's state."""
    from hauberk.cli._registry_reading import status_document, status_lines

    found = access(args, _project_name(args))
    document = status_document(found)
    print(
        json.dumps(document, indent=1)
        if args.format == "json"
        else "\n".join(status_lines(document))
    )
    _refuse_refused(document["channels"])
    return 0


def _refuse_refused(channels: dict[str, dict[str, Any]]) -> None:
    """Nobody is served from these; a job that asks for the state should end with code 1."""
    refused = [
        f"{model}@{channel} {said}"
        for model, found in channels.items()
        for channel, said in found.items()
        if str(said).startswith("refused: ")
    ]
    if refused:
        raise TrustError(
            "a channel of the registry is refused",
            subject=refused[0].partition(" ")[0],
            rule="a channel points at what its persons signed, byte for byte",
            expected="statements as they were signed",
            found="; ".join(refused)[:_MAX_SHOWN],
            hint="hauberk verify MODEL@CHANNEL says more; restore the registry from a backup, or "
            "promote again",
        )


def _refuse_unknown(view: Any, model: str) -> None:
    """Refuse a name that no version has, where others have: it was mistyped."""
    from difflib import get_close_matches

    from hauberk.trust.registry.upkeep import models

    known = models(view)
    if known and model not in known:
        near = get_close_matches(model, known, n=1)
        raise UsageError(
            "the registry has no model of that name",
            subject=model,
            expected=", ".join(known)[:_MAX_SHOWN],
            found="no version of it",
            hint=f"did you mean {near[0]}?" if near else "hauberk registry status lists models",
        )


def history(args: argparse.Namespace) -> int:
    """Show what the channels of a model pointed at."""
    from hauberk.cli._registry_reading import history_document, history_lines
    from hauberk.trust.registry.names import check_name

    found = access(args, check_name(args.model))
    view = found.view()
    _refuse_unknown(view, args.model)
    document = history_document(view, args.model)
    print(
        json.dumps(document, indent=1)
        if args.format == "json"
        else "\n".join(history_lines(document))
    )
    moves = [one for channel in document["channels"].values() for one in channel]
    broken = [one["what"] for one in moves if one["broken"]]
    if broken:
        raise TrustError(
            "the history is not what was signed",
            subject=args.model,
            rule="what a channel once pointed at stays as it was published",
            expected="statements as they were signed",
            found="; ".join(broken)[:_MAX_SHOWN],
            hint="restore the registry's metadata folder from a backup; the present state is "
            "judged by hauberk verify and status",
        )
    return 0


def pull(args: argparse.Namespace) -> int:
    """Fetch a verified version into a folder."""
    from hauberk.cli._registry_reading import resolved
    from hauberk.engine.load_gate import admit_to_store
    from hauberk.trust.registry.transfer import fetch_folder

    allow = _allowing.entries(args)
    found = resolved(args, args.reference, unattested=args.unattested)
    allow += _allowing.entries_of_root(found.manifest.model)
    fetch_folder(
        found.place.blobs,
        found.layout(),
        args.target,
        extra=found.statements(),
        admit=lambda folder: admit_to_store(folder, allow=allow),
    )
    print(f"{found.reference}: version {found.manifest.version} in {args.target}")
    for line in found.said():
        print(f"  {line}")
    return 0


def export(args: argparse.Namespace) -> int:
    """Write a verified version as a signed OCI image layout."""
    from hauberk.cli._export import export_version

    return export_version(args)


def requests(args: argparse.Namespace) -> int:
    """Say what became of requests to promote."""
    from hauberk.cli._requests import answer

    return answer(args)


__all__ = [
    "export",
    "grant",
    "history",
    "init",
    "key",
    "promote",
    "publish",
    "pull",
    "requests",
    "resign",
    "retire",
    "revoke_key",
    "rollback",
    "sign",
    "status",
]
