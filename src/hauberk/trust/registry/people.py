"""Who holds which role: letting keys in, revoking them, and signing what others have begun."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hauberk.errors import TrustError, UsageError
from hauberk.trust.fields import time_text
from hauberk.trust.registry import names
from hauberk.trust.registry.differences import differences
from hauberk.trust.registry.founding import (
    ROLES,
    SPREAD,
    Holder,
    add_to_root,
    add_to_targets,
    bins,
    bits_of,
    roles_of,
    settle,
)
from hauberk.trust.registry.metadata import OURS, bind, moment
from hauberk.trust.registry.registrar import DAY_S, DAYS, Change

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Targets

    from hauberk.trust.registry.registrar import Outcome, Registrar


def grant(registrar: Registrar, holder: Holder) -> Outcome:
    """Let a key count for an office; where it is a second person's, two must sign from now on.

    Raises:
        UsageError: It counts already.
        TrustError: It was revoked, or nobody here may say so.
    """
    targets = registrar.edit("targets", "root").signed
    if holder.public.key_id in _revoked(targets):
        raise TrustError(
            "this key was revoked",
            subject=f"key {holder.public.key_id[:16]}",
            rule="a revoked key never counts again",
            expected="another key",
            found=f"revoked: {_revoked(targets)[holder.public.key_id]['reason']}",
            hint="make a new key",
        )
    root = copy.deepcopy(registrar.view.trusted.root)
    changed_root = add_to_root(root, holder)
    changed_targets = add_to_targets(targets, holder)
    if not changed_root and not changed_targets:
        raise UsageError(
            "the key counts for this already",
            subject=f"key {holder.public.key_id[:16]}",
            found=holder.office.value,
        )
    changes = _changes(
        registrar, root if changed_root else None, targets if changed_targets else None
    )
    if changed_targets:
        changes += _spread(registrar, ROLES[holder.office], targets)
    return registrar.commit(changes)


def revoke(registrar: Registrar, key_id: str, reason: str) -> Outcome:
    """Let a key count for nothing any more, and what it alone had signed be signed anew.

    Raises:
        UsageError: No role knows the key.
        TrustError: Nobody here may say so.
    """
    root = copy.deepcopy(registrar.view.trusted.root)
    targets = registrar.edit("targets", "root").signed
    in_root = [name for name, role in root.roles.items() if key_id in role.keyids]
    in_targets = [name for name, role in roles_of(targets).items() if key_id in role.keyids]
    if not in_root and not in_targets:
        raise UsageError(
            "no role knows this key",
            subject=f"key {ascii(key_id)[1:17]}",
            expected="the id of a key, see hauberk registry status",
            found="none with this id",
        )
    for name in in_root:
        root.revoke_key(key_id, name)
    for name in in_targets:
        targets.revoke_key(key_id, name)
    _forget(root, key_id)
    _revoked(targets)[key_id] = {"made": time_text(registrar.clock()), "reason": reason}
    settle(root)
    changes = _changes(registrar, root if in_root else None, targets)
    changes += _spread(registrar, in_targets, targets)
    done = {change.role for change in changes}
    changes += _signed_anew(registrar, [role for role in in_targets if role not in done], targets)
    return registrar.commit(changes)


def _spread(registrar: Registrar, roles: Sequence[str], targets: Targets) -> list[Change]:
    """Where a role is spread over files, it names their keys itself: tell it of the change."""
    from tuf.api.metadata import SuccinctRoles

    named: Any = targets
    bits = registrar.view.trusted.root.unrecognized_fields[OURS].get("bits", 0)
    changes = []
    for role in roles if bits else ():
        delegated, holders = roles_of(named)[role], named.delegations
        if role not in SPREAD or len(delegated.keyids) < delegated.threshold:
            continue
        if registrar.view.role(role) is None:
            metadata = bins(targets, role, registrar.clock(), bits)
            bind(metadata.signed, registrar.view.trusted.root)
        else:
            metadata = registrar.edit(role)
            held: Any = metadata.signed.delegations
            held.keys = {key: holders.keys[key] for key in delegated.keyids}
            held.succinct_roles = SuccinctRoles(
                list(delegated.keyids), delegated.threshold, bits_of(role, bits), role
            )
        changes.append(Change(role=role, delegator="targets", metadata=metadata))
    return changes


def _signed_anew(registrar: Registrar, roles: Sequence[str], targets: Targets) -> list[Change]:
    """Metadata of the roles that a key leaves, for others of theirs to sign.

    Where the keys here are too few it becomes a draft for the others, who sign it with the
    revocation itself; a role none of whose keys is here is refused by clients until one signs.
    """
    here = {hand.public.key_id for hand in registrar.hands}
    return [
        Change(role=role, delegator="targets", metadata=registrar.edit(role))
        for role in roles
        if registrar.view.role(role) is not None and here & set(roles_of(targets)[role].keyids)
    ]


def _changes(registrar: Registrar, root: Any | None, targets: Any | None) -> list[Change]:
    from tuf.api.metadata import Metadata

    changes = []
    if root is not None:
        root.version = registrar.view.trusted.root.version + 1
        root.expires = moment(registrar.clock() + DAYS["root"] * DAY_S)
        changes.append(Change(role="root", delegator="root", metadata=Metadata(root)))
    if targets is not None:
        changes.append(Change(role="targets", delegator="root", metadata=Metadata(targets)))
    return changes


def _forget(root: Any, key_id: str) -> None:
    root.unrecognized_fields[OURS]["persons"].pop(key_id, None)


def _revoked(targets: Any) -> Any:
    return targets.unrecognized_fields[OURS]["revoked"]


# Signing what waits ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change that waits for signatures.

    Attributes:
        changes: What it changes, one line each.
    """

    change: Change
    changes: tuple[str, ...]


def drafts(registrar: Registrar) -> tuple[Draft, ...]:
    """Everything that waits and still fits the registry's state, with what it changes.

    Raises:
        ArtifactError: A draft is malformed.
    """
    found = []
    for name in registrar.place.files.list("drafts/"):
        role = name.removeprefix("drafts/").removesuffix(".json")
        draft = registrar.draft(role)
        if draft is not None and (one := _drafted(registrar, role, draft)) is not None:
            found.append(one)
    order = {"root": 0, "targets": 1}
    return tuple(sorted(found, key=lambda one: order.get(one.change.role, 2)))


def _drafted(registrar: Registrar, role: str, draft: Metadata[Any]) -> Draft | None:
    delegator = {"root": "root", "targets": "root"}.get(role, "targets")
    if role == "root":
        old: Any = registrar.view.trusted.root
        fits = draft.signed.version == old.version + 1
    else:
        delegator = delegator if role in ("targets", *names.PATHS) else role.rpartition("-")[0]
        if delegator not in ("root", "targets"):
            registrar.view.role(delegator)
        edited = registrar.edit(role, delegator).signed
        fits, old = draft.signed.version == edited.version, edited
    if not fits or draft.signed.type != old.type:
        return None
    change = Change(role=role, delegator=delegator, metadata=draft)
    return Draft(change=change, changes=tuple(differences(registrar, old, draft.signed)))


def sign_drafts(registrar: Registrar, waiting: Sequence[Draft]) -> Outcome:
    """Sign what waits, together, and publish what has enough signatures then.

    Raises:
        UsageError: Nothing waits.
        TrustError: No key here may sign it.
    """
    if not waiting:
        raise UsageError(
            "nothing waits for a signature",
            subject=registrar.place.location,
            expected="a draft",
            found="none that fits the registry's state",
        )
    return registrar.commit([one.change for one in waiting])
