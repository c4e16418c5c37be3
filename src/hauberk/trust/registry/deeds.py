"""What happens to versions: published, promoted, rolled back, retired.

Each deed begins at a verified state, refuses what readers would refuse, and signs with the
keys that are here. `promote` and `roll_back` need several persons: the first leaves a draft,
the others repeat the same command, which signs the draft if it says exactly what they asked
for, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Digest
from hauberk.errors import TrustError, UsageError
from hauberk.trust.digest import digest_bytes
from hauberk.trust.fields import time_text
from hauberk.trust.registry import names
from hauberk.trust.registry.documents import (
    Manifest,
    Move,
    Pointing,
    Retirement,
    manifest_bytes,
    pointing_bytes,
    read_pointing,
    retired_bytes,
)
from hauberk.trust.registry.metadata import OURS
from hauberk.trust.registry.names import PRODUCTION, STAGING
from hauberk.trust.registry.registrar import DAY_S, Change, Outcome

if TYPE_CHECKING:
    from hauberk.trust.registry.registrar import Registrar

MAX_ROLLBACK_DAYS = 30.0
MAX_DRAFT_AGE_S = 14 * DAY_S

Gate = Callable[[Manifest], None]
"""Refuses a version whose evidence is not enough, by raising."""


def publish(registrar: Registrar, manifest: Manifest, *, stage: bool = True) -> Outcome:
    """Add a version, and let staging point at it.

    Raises:
        TrustError: The version is there with other content, is not newer than what staging
            had, is retired, or nobody here may publish.
    """
    view, model = registrar.view, manifest.model
    path = names.version_path(model, manifest.version)
    data = manifest_bytes(manifest)
    known = view.document(path)
    if known not in (None, data):
        raise TrustError(
            f"version {manifest.version} of {model} is published already",
            subject=path,
            rule="versions are written once",
            expected=digest_bytes(known or b""),
            found=digest_bytes(data),
            hint=_what_to_do(view.manifest(model, manifest.version)[0], manifest),
        )
    refuse_retired(registrar, manifest)
    changes: dict[str, Change] = {}
    if known is None:
        registrar.set(changes, path, data)
    if stage:
        registrar.set(changes, *_staged(registrar, manifest, digest_bytes(data)))
    return registrar.commit(list(changes.values()))


def _what_to_do(known: Manifest, wanted: Manifest) -> str:
    """A publication that was interrupted at its end is whole, and asked for again."""
    if known.files == wanted.files and known.release == wanted.release:
        return "nothing: it is there with these very files"
    return "publish it under a new version"


def _staged(registrar: Registrar, manifest: Manifest, digest: Digest) -> tuple[str, bytes]:
    path = names.channel_path(manifest.model, STAGING)
    before = registrar.view.pointing(manifest.model, STAGING)
    pointing = _promotion(registrar, manifest, digest, STAGING, before)
    return path, pointing_bytes(pointing)


def promote(registrar: Registrar, model: str, version: str, *, gate: Gate) -> Outcome:
    """Let production point at a version, once enough persons have said so.

    Args:
        registrar: Where.
        model: Whose.
        version: Which.
        gate: Asked before anything is signed.

    Raises:
        TrustError: The root is not pinned, the version is older than what production had,
            retired, or not good enough for the gate, or nobody here may promote.
    """
    view = registrar.view
    path = names.channel_path(model, PRODUCTION)
    view.check_pinned(path)
    manifest, digest = view.manifest(model, version)
    refuse_retired(registrar, manifest)
    gate(manifest)
    before = view.pointing(model, PRODUCTION)
    wanted = _promotion(registrar, manifest, digest, PRODUCTION, before)
    return _point(registrar, path, wanted)


def _promotion(
    registrar: Registrar, manifest: Manifest, digest: Digest, channel: str, before: Pointing | None
) -> Pointing:
    if before is not None and manifest.sequence <= before.highest:
        same = before.move is Move.PROMOTION and before.manifest == digest
        raise TrustError(
            f"{channel} points at version {manifest.version} of {manifest.model} already"
            if same
            else f"version {manifest.version} is not newer than what {channel} had",
            subject=names.channel_path(manifest.model, channel),
            rule="promotions go upwards; going back is a rollback with a reason and an end",
            expected=f"a sequence above {before.highest}",
            found=f"sequence {manifest.sequence}",
            hint="publish a newer version, or use hauberk registry rollback",
        )
    return Pointing(
        model=manifest.model,
        channel=channel,
        version=manifest.version,
        sequence=manifest.sequence,
        manifest=digest,
        move=Move.PROMOTION,
        highest=manifest.sequence,
        number=before.number + 1 if before else 1,
        made=_now(registrar),
    )


def roll_back(
    registrar: Registrar, model: str, version: str, *, reason: str, days: float, gate: Gate
) -> Outcome:
    """Let production point at an older version for a while, once enough persons have said so.

    Args:
        registrar: Where.
        model: Whose.
        version: Which; production must have been beyond it.
        reason: Why, one line.
        days: How long, at most `MAX_ROLLBACK_DAYS`.
        gate: Asked before anything is signed.

    Raises:
        TrustError: As `promote`; or production never was beyond that version.
        UsageError: There is no reason, or it lasts too long.
    """
    if not reason.strip() or not 0 < days <= MAX_ROLLBACK_DAYS:
        raise UsageError(
            "a rollback has a reason and an end",
            expected=f"--reason TEXT and --days above 0, at most {MAX_ROLLBACK_DAYS:g}",
            found=f"{ascii(reason)[:60]}, {days:g} days",
        )
    view, path = registrar.view, names.channel_path(model, PRODUCTION)
    view.check_pinned(path)
    manifest, digest = view.manifest(model, version)
    refuse_retired(registrar, manifest)
    gate(manifest)
    before = view.pointing(model, PRODUCTION)
    if before is None or manifest.sequence >= before.highest:
        raise TrustError(
            f"production was never beyond version {version} of {model}",
            subject=path,
            rule="a rollback goes below what production had",
            expected=f"a sequence below {before.highest}" if before else "a promotion before it",
            found=f"sequence {manifest.sequence}",
            hint="use hauberk registry promote",
        )
    made = _now(registrar)
    wanted = replace(
        before,
        version=version,
        sequence=manifest.sequence,
        manifest=digest,
        move=Move.ROLLBACK,
        number=before.number + 1,
        made=made,
        expires=made + round(days * DAY_S),
        reason=reason.strip(),
    )
    return _point(registrar, path, wanted)


def retire(registrar: Registrar, model: str, version: str, *, reason: str) -> Outcome:
    """Never let a version be served again, by its name and by its bytes.

    Raises:
        UsageError: There is no reason.
        TrustError: There is no such version, or nobody here may retire.
    """
    if not reason.strip():
        raise UsageError("a retirement has a reason", expected="--reason TEXT", found="nothing")
    manifest, _ = registrar.view.manifest(model, version)
    before = registrar.view.retired(model)
    if any(one.version == version for one in before.versions):
        raise UsageError(
            "the version is retired already", subject=f"{model}@{version}", found="retired"
        )
    one = Retirement(
        version=version,
        digest=manifest.files[manifest.entry].digest,
        reason=reason.strip(),
        made=_now(registrar),
    )
    changes: dict[str, Change] = {}
    data = retired_bytes(replace(before, versions=(*before.versions, one)))
    registrar.set(changes, names.retired_path(model), data)
    return registrar.commit(list(changes.values()))


def refuse_retired(registrar: Registrar, manifest: Manifest) -> None:
    """Refuse a version that is retired, by its name or by its bytes.

    Raises:
        TrustError: It is.
    """
    gone = registrar.view.retired(manifest.model).of(manifest)
    if gone is not None:
        raise TrustError(
            f"version {manifest.version} of {manifest.model} is retired",
            subject=names.version_path(manifest.model, manifest.version),
            rule="what is retired is never served again, under no name",
            expected="a version that is not retired",
            found=f"retired as {gone.version} {time_text(gone.made)}: {gone.reason}",
            hint="train and publish a mended version",
        )


# Several persons -------------------------------------------------------------------------


def _point(registrar: Registrar, path: str, wanted: Pointing) -> Outcome:
    """Sign the waiting draft if it says exactly this; else begin one."""
    root = registrar.view.trusted.root
    if root.unrecognized_fields[OURS].get("bits") and registrar.view.role(names.PROMOTED) is None:
        raise TrustError(
            "production has too few keys",
            subject=f"{path} (role {names.PROMOTED})",
            rule="a role is signed by its threshold of persons",
            expected=f"{registrar.view.persons_needed()} persons",
            found="fewer have been let in",
            hint="let another person's key in: hauberk registry grant CARD",
        )
    role, delegator = registrar.view.leaf(path)
    draft = registrar.draft(role)
    if draft is not None and _says(registrar, draft, path, wanted):
        change = Change(role=role, delegator=delegator, metadata=draft)
        return registrar.commit([change])
    changes: dict[str, Change] = {}
    registrar.set(changes, path, pointing_bytes(wanted))
    return registrar.commit(list(changes.values()))


def _says(registrar: Registrar, draft: Any, path: str, wanted: Pointing) -> bool:
    """Whether a draft changes this path and no other, as wanted, and is of today's state."""
    role, delegator = registrar.view.leaf(path)
    base = registrar.edit(role, delegator).signed
    target = draft.signed.targets.get(path)
    if target is None or draft.signed.version != base.version:
        return False
    said = read_pointing(registrar.drafted_document(target))
    age = wanted.made - said.made
    lasts = None if said.expires is None else round(said.expires - said.made)
    wanted_lasts = None if wanted.expires is None else round(wanted.expires - wanted.made)
    same = replace(said, made=wanted.made, expires=wanted.expires) == wanted
    base.targets[path] = target
    base.expires = draft.signed.expires
    is_whole = base.to_dict() == draft.signed.to_dict()
    return same and is_whole and lasts == wanted_lasts and -DAY_S < age < MAX_DRAFT_AGE_S


def _now(registrar: Registrar) -> float:
    """The clock in whole seconds, as documents spell it."""
    return float(int(registrar.clock()))
