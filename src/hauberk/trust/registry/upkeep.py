"""Keeping a registry fresh and knowing its state: re-signing, alarms, standing, history.

The timestamp says once a day that the registry's state is still the state; a job signs it with
a key that can do nothing else. Whatever only people can sign is announced early. When nobody
re-signs, nothing is served wrongly: clients refuse new loads, and a server goes on with the
verified model that it has loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hauberk.errors import HauberkError, UnavailableError
from hauberk.trust.keys import KeyId, Label, custody
from hauberk.trust.registry import names
from hauberk.trust.registry.documents import Pointing, read_pointing
from hauberk.trust.registry.metadata import count_persons, parse, persons_of, refused
from hauberk.trust.registry.registrar import DAY_S, DAYS, Change
from hauberk.trust.registry.view import signers_of, stored_name

if TYPE_CHECKING:
    from hauberk.trust.registry.registrar import Registrar
    from hauberk.trust.registry.view import View

ALARM_SHARE = 0.2  # of its life: five weeks for what people sign, five hours for the job
MAX_HISTORY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A role as it stands.

    Attributes:
        version: Of its metadata; 0 where nobody has signed any yet.
        holders: Who holds its keys, one phrase each.
        persons: Persons behind the keys that it has.
        expires: Seconds since the epoch; 0 where there is no metadata.
    """

    role: str
    version: int
    threshold: int
    holders: tuple[str, ...]
    persons: int
    custody: str
    expires: float

    def is_due(self, now: float) -> bool:
        """Whether it expires soon, for its kind."""
        life = DAYS.get(self.role, DAYS["production"]) * DAY_S
        return self.version > 0 and self.expires - now < ALARM_SHARE * life


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What a round of re-signing did.

    Attributes:
        signed: Roles that were signed anew.
        alarms: Roles that expire soon, or have expired, and that nobody here can sign.
    """

    signed: tuple[str, ...]
    alarms: tuple[Standing, ...]
    version: int


def standing(view: View) -> Iterator[Standing]:
    """Every role as it stands; the files of a divided role are not looked into."""
    root, targets = view.trusted.root, view.role("targets", "root")
    labels = persons_of(root)
    for name in ("root", "targets", "snapshot", "timestamp"):
        signed: Any = root if name == "root" else view.trusted[name]
        yield _stand(name, root.roles[name], labels, signed)
    delegations = targets.delegations if targets else None
    named = persons_of(targets)
    for name, role in (delegations.roles or {}).items() if delegations else ():
        yield _stand(name, role, named, view.role(name))


def _stand(name: str, role: Any, labels: dict[KeyId, Label], signed: Any) -> Standing:
    known = [labels[key] for key in role.keyids if key in labels]
    return Standing(
        role=name,
        version=0 if signed is None else signed.version,
        threshold=role.threshold,
        holders=tuple(_holder(key, labels) for key in role.keyids),
        persons=count_persons([KeyId(key) for key in role.keyids], labels),
        custody=custody(known) if known else "no key",
        expires=0.0 if signed is None else signed.expires.timestamp(),
    )


def _holder(key: str, labels: dict[KeyId, Label]) -> str:
    label = labels.get(KeyId(key))
    return f"{label.custodian}@{label.machine} {key[:16]}" if label else key[:16]


def resign(registrar: Registrar) -> Upkeep:
    """Sign the timestamp anew, and whatever else is due as far as its keys are here.

    Raises:
        TrustError: The timestamp's key is not here, or somebody else changed the registry.
    """
    now, view = registrar.clock(), registrar.view
    before = {one.role: one for one in standing(view)}
    due = {name for name, one in before.items() if one.is_due(now)}
    roles = [name for name in sorted(due & set(names.PATHS)) if _can_sign(registrar, name)]
    if roles:
        changes = [
            Change(role=role, delegator="targets", metadata=registrar.edit(role)) for role in roles
        ]
        version = registrar.commit(changes).version
        done = {*roles, "snapshot", "timestamp"}
    elif "snapshot" in due and _holds(registrar, "snapshot"):
        version, done = registrar.publish_state({}), {"snapshot", "timestamp"}
    else:
        version, done = registrar.publish_timestamp(), {"timestamp"}
    return Upkeep(
        signed=tuple(sorted(done)),
        alarms=tuple(one for name, one in before.items() if name in due - done),
        version=version,
    )


def _can_sign(registrar: Registrar, role: str) -> bool:
    targets = registrar.view.role("targets", "root")
    delegated: Any = targets.get_delegated_role(role) if targets else None
    here = {hand.public.key_id for hand in registrar.hands}
    enough = delegated is not None and len(here & set(delegated.keyids)) >= delegated.threshold
    return enough and role != names.PROMOTED and _holds(registrar, "snapshot")


def _holds(registrar: Registrar, role: str) -> bool:
    keys = registrar.view.trusted.root.roles[role].keyids
    return any(hand.public.key_id in keys for hand in registrar.hands)


# History -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A statement that a channel once made.

    Attributes:
        version: Of the role's metadata that brought it.
        signers: Keys in force today that signed it.
        problem: Why it can no longer be read, else empty.
        is_broken: Whether something else than what was signed lies there; files that were
            not kept are no defect.
    """

    version: int
    pointing: Pointing | None
    signers: tuple[KeyId, ...]
    problem: str = ""
    is_broken: bool = False


def history(view: View, model: str, channel: str) -> Iterator[Past]:
    """What a channel pointed at, newest first, as far back as files are kept.

    Only the newest is vouched for by today's state; older ones show who of today's keys
    signed them.
    """
    path = names.channel_path(model, channel)
    role, delegator = view.leaf(path)
    current = view.role(role, delegator)
    shown: Past | None = None
    for version in range(current.version if current else 0, 0, -1)[:MAX_HISTORY]:
        found = _past(view, role, delegator, version, path)
        if found is None:
            continue
        if shown is not None and not _same(shown, found):
            yield shown
        shown = found  # the earliest metadata that says so is the one that brought it
    if shown is not None:
        yield shown


def _same(one: Past, other: Past) -> bool:
    return one.pointing == other.pointing and one.problem == other.problem


def _past(view: View, role: str, delegator: str, version: int, path: str) -> Past | None:
    name = f"metadata/{version}.{role}.json"
    try:
        data = view.read(name)
        metadata = parse(data, role)
        target = metadata.signed.targets.get(path)
        if target is None:
            return None
        document = view.read(stored_name(path, target.hashes.get("sha256", "")))
        with refused(role):
            target.verify_length_and_hashes(document)
        pointing = read_pointing(document)
    except HauberkError as error:
        broken = not isinstance(error, UnavailableError)
        return Past(
            version=version, pointing=None, signers=(), problem=error.message, is_broken=broken
        )
    signers = signers_of(data, role, view.trusted[delegator])
    return Past(version=version, pointing=pointing, signers=signers)


def models(view: View) -> Sequence[str]:
    """Every model that has a version."""
    return sorted({names.parts_of(path)[0] for path in view.paths(names.MODELS)})


def versions(view: View, model: str) -> Sequence[str]:
    """Every version of a model, by name."""
    prefix = f"models/{model}/"
    return [names.parts_of(path)[1] for path in view.paths(names.MODELS) if path.startswith(prefix)]
