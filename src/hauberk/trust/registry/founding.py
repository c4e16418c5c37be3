"""Founding a registry, and who holds which of its roles.

    root, targets          persons; they say who may do what
    production             persons, two of them by default
    retired                any one person
    models, staging        trainers: the release keys of whoever runs the lifecycle
    snapshot, timestamp    keys of a job, and persons

With one person everything up to staging works; production is refused until a second person
is granted, whereupon changes of the roles need two persons too: whoever can name the
approvers can approve.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hauberk.errors import TrustError, UsageError
from hauberk.trust.fields import time_text
from hauberk.trust.keys import KeyId, Label, PublicKey, custodians
from hauberk.trust.registry import names
from hauberk.trust.registry.anchor import PERSONS, Anchor, check_registry_name
from hauberk.trust.registry.client import root_digest
from hauberk.trust.registry.metadata import OURS, Hand, moment, persons_of, sign, spell, tuf_key
from hauberk.trust.registry.registrar import DAY_S, DAYS, Change

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Targets

    from hauberk.trust.registry.registrar import Outcome, Registrar
    from hauberk.trust.registry.shelf import Place

MAX_BITS = 12


class Office(StrEnum):
    """What a key can be granted for."""

    PERSON = "person"
    TRAINER = "trainer"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"


ROLES: Mapping[Office, tuple[str, ...]] = {
    Office.PERSON: (names.PROMOTED, names.RETIRED),
    Office.TRAINER: (names.MODELS, names.STAGED),
    Office.SNAPSHOT: (),
    Office.TIMESTAMP: (),
}
TOP_ROLES: Mapping[Office, tuple[str, ...]] = {
    Office.PERSON: ("root", "targets", "snapshot", "timestamp"),
    Office.TRAINER: (),
    Office.SNAPSHOT: ("snapshot",),
    Office.TIMESTAMP: ("timestamp",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody's key and what it is for."""

    public: PublicKey
    label: Label
    office: Office


def found(
    place: Place,
    name: str,
    holders: Sequence[Holder],
    *,
    hands: Sequence[Hand],
    clock: Callable[[], float],
    persons: int = PERSONS,
    bits: int = 0,
) -> Anchor:
    """Make a registry with one person, who signs here.

    Args:
        place: Where; it must be empty.
        name: Its name.
        holders: Whose keys count for what; exactly one person, others are granted later.
        hands: What signs here: the person's key, and those of the online roles.
        clock: Seconds since the epoch.
        persons: Persons that production needs, at least.
        bits: Each role's paths are spread over two to this power of files, for registries
            with thousands of models; 0 keeps each role in one file.

    Returns:
        What to pin outside the registry.

    Raises:
        UsageError: There is a registry, or an office is empty.
    """
    check_registry_name(name)
    _check_offices(holders, bits)
    if place.files.get("metadata/1.root.json") is not None:
        raise UsageError(
            "there is a registry already",
            subject=place.location,
            expected="an empty place",
            found="root metadata",
            hint="use it, or choose another place",
        )
    now = clock()
    root = _first_root(name, holders, now, persons)
    written = {"root": root, "targets": _first_targets(holders, now, persons)}
    written[names.RETIRED] = _empty(names.RETIRED, now)  # always there, so that none can drop it
    if bits:
        spread = set(names.PATHS) - {names.RETIRED}
        written |= {role: _bins(role, holders, now, bits, persons) for role in sorted(spread)}
    for role, metadata in written.items():
        top = root.signed if role in ("root", "targets") else written["targets"].signed
        _sign_for(metadata, top.get_delegated_role(role).keyids, hands)
    for role, metadata in written.items():
        place.files.swap(f"metadata/1.{role}.json", spell(metadata), expect=None)
    _first_state(place, root.signed, [role for role in written if role != "root"], hands, now)
    return Anchor(
        name=name,
        version=1,
        root=root_digest(spell(root)),
        floor=1,
        persons=persons,
        location=place.location,
    )


def _check_offices(holders: Sequence[Holder], bits: int) -> None:
    held = [holder.office for holder in holders]
    if held.count(Office.PERSON) != 1:
        raise UsageError(
            "a registry begins with one person",
            expected="one key of a person",
            found=str(held.count(Office.PERSON)),
            hint="grant further persons afterwards: hauberk registry grant",
        )
    missing = sorted(set(Office) - set(held))
    if missing:
        raise UsageError("an office has no key", subject=missing[0], expected="a key for each")
    if not 0 <= bits <= MAX_BITS:
        raise UsageError("too many files", expected=f"0 to {MAX_BITS} bits", found=str(bits))


def _first_root(name: str, holders: Sequence[Holder], now: float, persons: int) -> Metadata[Any]:
    from tuf.api.metadata import Metadata, Root

    root = Root(
        version=1,
        expires=moment(now + DAYS["root"] * DAY_S),
        consistent_snapshot=True,
        unrecognized_fields={
            OURS: {"name": name, "persons": {}, "persons_for_production": persons}
        },
    )
    for holder in holders:
        _add_to_root(root, holder)
    return Metadata(root)


def _first_targets(holders: Sequence[Holder], now: float, persons: int) -> Metadata[Targets]:
    from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Targets

    thresholds = dict.fromkeys(names.PATHS, 1) | {names.PROMOTED: persons}
    roles = {
        role: DelegatedRole(role, [], thresholds[role], terminating=True, paths=[pattern])
        for role, pattern in names.PATHS.items()
    }
    targets = Targets(
        version=1,
        expires=moment(now + DAYS["targets"] * DAY_S),
        delegations=Delegations(keys={}, roles=roles),
        unrecognized_fields={OURS: {"persons": {}, "revoked": {}}},
    )
    for holder in holders:
        _add_to_targets(targets, holder)
    return Metadata(targets)


def _empty(role: str, now: float) -> Metadata[Targets]:
    from tuf.api.metadata import Metadata, Targets

    return Metadata(Targets(version=1, expires=moment(now + DAYS[role] * DAY_S)))


def _bins(
    role: str, holders: Sequence[Holder], now: float, bits: int, persons: int
) -> Metadata[Targets]:
    from tuf.api.metadata import Delegations, Metadata, SuccinctRoles, Targets

    mine = [holder.public for holder in holders if role in ROLES[holder.office]]
    keys = {str(public.key_id): tuf_key(public) for public in mine}
    threshold = persons if role == names.PROMOTED else 1
    return Metadata(
        Targets(
            version=1,
            expires=moment(now + DAYS[role] * DAY_S),
            delegations=Delegations(
                keys=keys, succinct_roles=SuccinctRoles(list(keys), threshold, bits, role)
            ),
        )
    )


def _sign_for(metadata: Metadata[Any], keyids: Sequence[str], hands: Sequence[Hand]) -> None:
    sign(metadata, [hand for hand in hands if hand.public.key_id in keyids])


def _first_state(
    place: Place, root: Any, roles: Sequence[str], hands: Sequence[Hand], now: float
) -> None:
    from tuf.api.metadata import Metadata, MetaFile, Snapshot, Timestamp

    meta = {f"{role}.json": MetaFile(version=1) for role in roles}
    snapshot = Metadata(
        Snapshot(version=1, expires=moment(now + DAYS["snapshot"] * DAY_S), meta=meta)
    )
    _sign_for(snapshot, root.roles["snapshot"].keyids, hands)
    data = spell(snapshot)
    place.files.swap("metadata/1.snapshot.json", data, expect=None)
    timestamp = Metadata(
        Timestamp(
            version=1,
            expires=moment(now + DAYS["timestamp"] * DAY_S),
            snapshot_meta=MetaFile.from_data(1, data, ["sha256"]),
            unrecognized_fields={OURS: {"made": time_text(now)}},
        )
    )
    _sign_for(timestamp, root.roles["timestamp"].keyids, hands)
    place.files.swap("metadata/timestamp.json", spell(timestamp), expect=None)


# Granting and revoking -------------------------------------------------------------------


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
    changed_root = _add_to_root(root, holder)
    changed_targets = _add_to_targets(targets, holder)
    if not changed_root and not changed_targets:
        raise UsageError(
            "the key counts for this already",
            subject=f"key {holder.public.key_id[:16]}",
            found=holder.office.value,
        )
    return registrar.commit(
        _changes(registrar, root if changed_root else None, targets if changed_targets else None)
    )


def revoke(registrar: Registrar, key_id: str, reason: str) -> Outcome:
    """Let a key count for nothing any more, and what it alone had signed be signed anew.

    Raises:
        UsageError: No role knows the key.
        TrustError: Nobody here may say so.
    """
    root = copy.deepcopy(registrar.view.trusted.root)
    targets = registrar.edit("targets", "root").signed
    in_root = [name for name, role in root.roles.items() if key_id in role.keyids]
    in_targets = [name for name, role in _roles(targets).items() if key_id in role.keyids]
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
    _settle(root)
    changes = _changes(registrar, root if in_root else None, targets)
    changes += _signed_anew(registrar, in_targets, targets)
    return registrar.commit(changes)


def _signed_anew(registrar: Registrar, roles: Sequence[str], targets: Targets) -> list[Change]:
    """Metadata of the roles that a key leaves, for others of theirs that are here to sign.

    A role whose other keys are elsewhere is refused by clients until one of them signs.
    """
    here = {hand.public.key_id for hand in registrar.hands}
    return [
        Change(role=role, delegator="targets", metadata=registrar.edit(role))
        for role in roles
        if registrar.view.role(role) is not None
        and len(here & set(_roles(targets)[role].keyids)) >= _roles(targets)[role].threshold
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


def _add_to_root(root: Any, holder: Holder) -> bool:
    roles = [
        role
        for role in TOP_ROLES[holder.office]
        if holder.public.key_id not in root.roles[role].keyids
    ]
    for role in roles:
        root.add_key(tuf_key(holder.public), role)
    if roles:
        root.unrecognized_fields[OURS]["persons"][holder.public.key_id] = _label(holder.label)
        _settle(root)
    return bool(roles)


def _add_to_targets(targets: Any, holder: Holder) -> bool:
    roles = [
        role
        for role in ROLES[holder.office]
        if holder.public.key_id not in _roles(targets)[role].keyids
    ]
    for role in roles:
        targets.add_key(tuf_key(holder.public), role)
    if roles:
        targets.unrecognized_fields[OURS]["persons"][holder.public.key_id] = _label(holder.label)
    return bool(roles)


def _settle(root: Any) -> None:
    """Two persons, where there are two, for whatever names other persons."""
    labels = persons_of(root)
    needed = root.unrecognized_fields[OURS]["persons_for_production"]
    for name in ("root", "targets"):
        held = [labels[KeyId(key)] for key in root.roles[name].keyids if key in labels]
        root.roles[name].threshold = max(1, min(needed, custodians(held)))


def _forget(root: Any, key_id: str) -> None:
    root.unrecognized_fields[OURS]["persons"].pop(key_id, None)


def _roles(targets: Any) -> Any:
    return targets.delegations.roles


def _revoked(targets: Any) -> Any:
    return targets.unrecognized_fields[OURS]["revoked"]


def _label(label: Label) -> dict[str, str]:
    return {"custodian": label.custodian, "machine": label.machine}


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
    from hauberk.trust.registry.differences import differences

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
