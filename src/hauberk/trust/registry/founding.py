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

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hauberk.errors import UsageError
from hauberk.trust.fields import time_text
from hauberk.trust.keys import KeyId, Label, PublicKey, custodians
from hauberk.trust.registry import names
from hauberk.trust.registry.anchor import PERSONS, Anchor, check_registry_name
from hauberk.trust.registry.client import root_digest
from hauberk.trust.registry.metadata import (
    ID,
    OURS,
    Hand,
    bind,
    moment,
    persons_of,
    sign,
    spell,
    tuf_key,
)
from hauberk.trust.registry.registrar import DAY_S, DAYS

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Targets

    from hauberk.trust.registry.shelf import Place

MAX_BITS = 12


SPREAD = (names.MODELS, names.STAGED, names.PROMOTED)
"""Roles whose paths grow with the number of models."""


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
    root = _first_root(name, holders, now, persons, bits)
    written = {"root": root, "targets": _first_targets(holders, now, persons)}
    written[names.RETIRED] = _empty(names.RETIRED, now)  # always there, so that none can drop it
    if bits:
        targets = written["targets"].signed
        roles = [role for role in SPREAD if _is_signable(targets, role)]
        written |= {role: bins(targets, role, now, bits) for role in roles}
    for role, metadata in written.items():
        if role != "root":
            bind(metadata.signed, root.signed)
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


def _first_root(
    name: str, holders: Sequence[Holder], now: float, persons: int, bits: int
) -> Metadata[Any]:
    from tuf.api.metadata import Metadata, Root

    root = Root(
        version=1,
        expires=moment(now + DAYS["root"] * DAY_S),
        consistent_snapshot=True,
        unrecognized_fields={
            OURS: {
                "bits": bits,
                ID: secrets.token_hex(16),
                "name": name,
                "persons": {},
                "persons_for_production": persons,
            }
        },
    )
    for holder in holders:
        add_to_root(root, holder)
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
        add_to_targets(targets, holder)
    return Metadata(targets)


def _empty(role: str, now: float) -> Metadata[Targets]:
    from tuf.api.metadata import Metadata, Targets

    return Metadata(Targets(version=1, expires=moment(now + DAYS[role] * DAY_S)))


def _is_signable(targets: Any, role: str) -> bool:
    delegated = targets.delegations.roles[role]
    return bool(len(delegated.keyids) >= delegated.threshold)


def bits_of(role: str, bits: int) -> int:
    """How far a role is spread; channels have one path where models have many versions."""
    return bits if role == names.MODELS else max(1, bits - 2)


def bins(targets: Any, role: str, now: float, bits: int) -> Metadata[Targets]:
    """The metadata of a role that hands its paths to its files, for the keys that it has."""
    from tuf.api.metadata import Delegations, Metadata, SuccinctRoles, Targets

    delegated = targets.delegations.roles[role]
    keys = {key: targets.delegations.keys[key] for key in delegated.keyids}
    spread = SuccinctRoles(list(keys), delegated.threshold, bits_of(role, bits), role)
    return Metadata(
        Targets(
            version=1,
            expires=moment(now + DAYS[role] * DAY_S),
            delegations=Delegations(keys=keys, succinct_roles=spread),
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
    bind(snapshot.signed, root)
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
    bind(timestamp.signed, root)
    _sign_for(timestamp, root.roles["timestamp"].keyids, hands)
    place.files.swap("metadata/timestamp.json", spell(timestamp), expect=None)


def add_to_root(root: Any, holder: Holder) -> bool:
    """Let a key count for the top roles of its office; whether that changed anything."""
    roles = [
        role
        for role in TOP_ROLES[holder.office]
        if holder.public.key_id not in root.roles[role].keyids
    ]
    for role in roles:
        root.add_key(tuf_key(holder.public), role)
    if roles:
        root.unrecognized_fields[OURS]["persons"][holder.public.key_id] = _label(holder.label)
        settle(root)
    return bool(roles)


def add_to_targets(targets: Any, holder: Holder) -> bool:
    """Let a key count for the roles of its office; whether that changed anything."""
    roles = [
        role
        for role in ROLES[holder.office]
        if holder.public.key_id not in roles_of(targets)[role].keyids
    ]
    for role in roles:
        targets.add_key(tuf_key(holder.public), role)
    if roles:
        targets.unrecognized_fields[OURS]["persons"][holder.public.key_id] = _label(holder.label)
    return bool(roles)


def settle(root: Any) -> None:
    """Two persons, where there are two, for whatever names other persons."""
    labels = persons_of(root)
    needed = root.unrecognized_fields[OURS]["persons_for_production"]
    for name in ("root", "targets"):
        held = [labels[KeyId(key)] for key in root.roles[name].keyids if key in labels]
        root.roles[name].threshold = max(1, min(needed, custodians(held)))


def roles_of(targets: Any) -> Any:
    """The roles that targets delegates to, by name."""
    return targets.delegations.roles


def _label(label: Label) -> dict[str, str]:
    return {"custodian": label.custodian, "machine": label.machine}
