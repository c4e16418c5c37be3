"""Reading a registry from the command line: a verified version, its state, its history."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.errors import UnavailableError
from hauberk.trust.fields import time_text

if TYPE_CHECKING:
    from hauberk.trust.chain import VerifiedChain
    from hauberk.trust.registry.access import Access
    from hauberk.trust.registry.documents import HeldFile, Manifest
    from hauberk.trust.registry.shelf import Place
    from hauberk.trust.registry.view import Resolved, View
    from hauberk.trust.root import Root


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A version that may be used, with what stands behind it.

    Attributes:
        chain: The verified evidence; ``None`` where the caller took it without.
        view: Gives the registry's state whenever it is asked.
    """

    place: Place
    resolved: Resolved
    chain: VerifiedChain | None
    view: Callable[[], View]

    @property
    def manifest(self) -> Manifest:
        """The version's manifest."""
        return self.resolved.manifest

    @property
    def reference(self) -> str:
        """What was asked for."""
        return str(self.resolved.reference)

    def layout(self) -> dict[str, HeldFile]:
        """Path to file as a bundle has them: a bundle is fetched as one."""
        from hauberk.trust.registry.transfer import served_files

        return served_files(self.manifest)

    def statements(self) -> dict[str, bytes]:
        """The signed release, where a bundle carries it."""
        from hauberk.guard.bundle import MANIFEST, STATEMENTS
        from hauberk.trust.registry.transfer import envelope

        if self.manifest.release is None or MANIFEST not in self.layout():
            return {}
        name = self.manifest.release.removeprefix("sha256:")[:32]
        return {f"{STATEMENTS}/{name}.json": envelope(self.place.blobs, self.manifest.release)}

    def said(self) -> Iterator[str]:
        """How it was verified, one line each."""
        found = self.resolved
        yield f"root of trust: {'pinned' if found.is_pinned else 'trust on first use'}"
        pointing = found.pointing
        if pointing is not None:
            until = "" if pointing.expires is None else f" until {time_text(pointing.expires)}"
            yield f"{pointing.channel}: {pointing.move.value}{until}, signed by {found.custody}"
        if self.chain is None:
            yield "NOT ATTESTED: nobody says where it comes from"
        else:
            steps, tests = len(self.chain.links), len(self.chain.tests)
            yield f"release with {steps} steps and {tests} tests verified"
            yield f"weakest isolation on the way: {self.chain.isolation.value}"
        yield f"not retired; this state is believed until {time_text(found.expires)}"


def project_root(root_file: Path | None, model: str) -> Root:
    """The root of trust with the keys of a model's project.

    Raises:
        UnavailableError: There is none.
    """
    from hauberk.cli.words import configuration
    from hauberk.trust import root as roots

    path = root_file or _root_of(configuration(), model)
    if path is None:
        raise UnavailableError(
            f"no root of trust names the keys of project {model}",
            subject=model,
            rule="where a model comes from is verified against pinned keys",
            expected=f"--root FILE, or {configuration() / 'roots' / f'{model}.json'}",
            found="none",
            hint="get it from the project's owner (hauberk root show), then hauberk root pin FILE",
        )
    return roots.load(path)


def _root_of(config: Path, model: str) -> Path | None:
    """The pinned root of the project whose name in lower case is the model's."""
    found = (path for path in (config / "roots").glob("*.json") if path.stem.lower() == model)
    return next(found, None)


def resolved(
    args: argparse.Namespace, text: str, *, unattested: bool = False, bytes_too: bool = False
) -> Found:
    """What a reference leads to, verified with its evidence.

    Args:
        args: With ``registry``, ``root`` and ``project``.
        text: ``MODEL@CHANNEL`` or ``MODEL@VERSION``.
        unattested: Take what nobody attests, except from production.
        bytes_too: Hash every file again; else whoever fetches them does.

    Raises:
        TrustError: A rule is broken.
        UnavailableError: There is no registry, or no root for the evidence.
    """
    from hauberk.cli._registry import access
    from hauberk.trust.registry import documents, evidence, names, transfer

    reference = names.parse_reference(text)
    opened = access(args, reference.model)
    view = opened.view()
    found = view.resolve(reference)
    manifest = found.manifest
    bare = unattested and manifest.evidence is documents.Evidence.UNATTESTED
    chain = None
    if not bare or reference.what == names.PRODUCTION:
        root = opened.root if _has_keys(opened.root) else project_root(args.root, manifest.model)
        assert root is not None  # noqa: S101 - the line above
        chain = evidence.check_evidence(manifest, opened.place, root)
        path = names.version_path(manifest.model, manifest.version)
        evidence.check_in_force(view, chain, path)
    if bytes_too:
        for name, held in sorted(manifest.files.items()):
            for _ in transfer.received(opened.place.blobs.open(held.digest), held, name):
                pass
    return Found(place=opened.place, resolved=found, chain=chain, view=opened.view)


def _has_keys(root: Root | None) -> bool:
    return root is not None and bool(root.roles)


def verified_document(found: Found) -> dict[str, Any]:
    """What `hauberk verify MODEL@CHANNEL` says, as JSON."""
    pointing = found.resolved.pointing
    return {
        "schema": 1,
        "reference": found.reference,
        "version": found.manifest.version,
        "sequence": found.manifest.sequence,
        "manifest": found.resolved.digest,
        "evidence": found.manifest.evidence.value,
        "trust": "pinned" if found.resolved.is_pinned else "first-use",
        "custody": found.resolved.custody,
        "move": pointing.move.value if pointing else None,
        "rollback_until": time_text(pointing.expires) if pointing and pointing.expires else None,
        "believed_until": time_text(found.resolved.expires),
        "files": {path: held.digest for path, held in found.manifest.files.items()},
    }


# Status and history ----------------------------------------------------------------------


def status_document(found: Access) -> dict[str, Any]:
    """The registry's state as JSON; expired metadata is shown, not refused."""
    from hauberk.trust.registry.client import Client
    from hauberk.trust.registry.upkeep import models, standing

    now = found.clock()
    view = Client(
        place=found.place,
        trust=found.trust,
        memory=found.memory,
        clock=found.clock,
        ignores_expiry=True,
    ).refresh()
    roles = [
        {
            "role": one.role,
            "version": one.version,
            "threshold": one.threshold,
            "persons": one.persons,
            "custody": one.custody,
            "holders": list(one.holders),
            "expires": time_text(one.expires) if one.version else None,
            "state": _state(one, now),
        }
        for one in standing(view)
    ]
    return {
        "schema": 1,
        "name": found.trust.anchor.name,
        "location": found.place.location,
        "trust": "pinned" if found.trust.is_pinned else "first-use",
        "state": view.trusted.timestamp.version,
        "floor": found.trust.anchor.floor,
        "persons_for_production": view.persons_needed(),
        "roles": roles,
        "channels": {model: _channels(view, model) for model in models(view)},
        "waiting": [name[7:-5] for name in found.place.files.list("drafts/")],
    }


def _state(one: Any, now: float) -> str:
    if not one.version:
        return "nothing signed yet"
    if one.expires <= now:
        return "expired"
    return "due" if one.is_due(now) else "fresh"


def _channels(view: View, model: str) -> dict[str, Any]:
    from hauberk.errors import HauberkError
    from hauberk.trust.registry.names import CHANNELS

    found: dict[str, Any] = {}
    for channel in CHANNELS:
        try:
            pointing = view.pointing(model, channel)
        except HauberkError as error:
            found[channel] = f"refused: {error.message}"
            continue
        if pointing is not None:
            found[channel] = pointing.version
    gone = view.retired(model)
    found["retired"] = [one.version for one in gone.versions]
    return found


def status_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"registry {document['name']} in {document['location']}"
    yield f"  root of trust: {document['trust']}; state {document['state']}, pinned floor " + str(
        document["floor"]
    )
    yield f"  production needs {document['persons_for_production']} persons"
    for one in document["roles"]:
        until = f", until {one['expires']}" if one["expires"] else ""
        yield (
            f"  {one['role']:<11}{one['threshold']} of {len(one['holders'])} keys "
            f"({one['custody']}): {one['state']}{until}"
        )
        for holder in one["holders"]:
            yield f"             {holder}"
    for model, channels in document["channels"].items():
        said = [f"{name} {version}" for name, version in channels.items() if name != "retired"]
        gone = f"; retired: {', '.join(channels['retired'])}" if channels["retired"] else ""
        yield f"  {model}: {', '.join(said) or 'in no channel'}{gone}"
    for role in document["waiting"]:
        yield f"  waiting for signatures: {role} (hauberk registry sign shows what)"


def history_document(view: View, model: str) -> dict[str, Any]:
    """What the channels of a model pointed at, as JSON, newest first."""
    from hauberk.trust.registry.differences import pointing_text
    from hauberk.trust.registry.names import CHANNELS
    from hauberk.trust.registry.upkeep import history, versions

    channels = {
        channel: [
            {
                "made": time_text(one.pointing.made) if one.pointing else None,
                "what": pointing_text(one.pointing) if one.pointing else one.problem,
                "version": one.pointing.version if one.pointing else None,
                "broken": one.is_broken,
                "signed_by": [key[:16] for key in one.signers],
            }
            for one in history(view, model, channel)
        ]
        for channel in CHANNELS
    }
    gone = view.retired(model)
    return {
        "schema": 1,
        "model": model,
        "versions": list(versions(view, model)),
        "channels": channels,
        "retired": [
            {"version": one.version, "made": time_text(one.made), "reason": one.reason}
            for one in gone.versions
        ],
    }


def history_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"{document['model']}: versions {', '.join(document['versions']) or 'none'}"
    for channel, moves in document["channels"].items():
        for one in moves:
            by = ", ".join(one["signed_by"]) or "no key that is in force"
            yield f"  {channel}: {one['made'] or 'when is unknown'} {one['what']} (by {by})"
    for one in document["retired"]:
        yield f"  retired: {one['version']} {one['made']} {one['reason']}"
