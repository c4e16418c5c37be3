"""The writing side of a registry: edits signed by whoever is here, published in one step.

A writer believes no more than a reader: it begins at a verified state. What it publishes
becomes visible with the timestamp, which is the last file written and the only one replaced:

1.  Documents and role metadata are written under names that nobody reads yet.
2.  A new snapshot names them; the timestamp that names the snapshot is swapped against the
    one that the writer has seen. Whoever comes second is told to begin again.

After a crash in between, the leftovers are harmless: the next writer takes the next version.
Where signatures are missing, the change waits under ``drafts/`` for other persons. A draft
counts for nothing until its role's threshold has signed it, and whoever signs sees what it
changes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hauberk.errors import HauberkError, TrustError, UnavailableError
from hauberk.trust.fields import time_text
from hauberk.trust.keys import KeyId, Label
from hauberk.trust.registry.anchor import Memory
from hauberk.trust.registry.client import Client
from hauberk.trust.registry.documents import MAX_DOCUMENT_BYTES
from hauberk.trust.registry.metadata import (
    OURS,
    Hand,
    bind,
    count_persons,
    moment,
    parse,
    persons_of,
    refused,
    sign,
    spell,
)
from hauberk.trust.registry.names import PROMOTED, role_of
from hauberk.trust.registry.view import View, stored_name

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Targets

    from hauberk.trust.registry.shelf import Place
    from hauberk.trust.registry.view import Trust

DAY_S = 86_400.0
DAYS: Mapping[str, float] = {
    "root": 365,
    "targets": 365,
    "models": 180,
    "staging": 180,
    "production": 180,
    "retired": 365,
    "snapshot": 30,
    "timestamp": 1,
}
"""How long metadata lasts: a day for what a job re-signs, half a year for what people sign."""

_MAX_LEFTOVERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New metadata of one role.

    Attributes:
        delegator: The role that names its keys.
    """

    role: str
    delegator: str
    metadata: Metadata[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A role whose new metadata lacks signatures.

    Attributes:
        have: Who signed so far, by person.
        missing: Who could still sign.
    """

    role: str
    have: tuple[str, ...]
    needed: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a change.

    Attributes:
        waiting: Roles that wait for signatures; empty where the change is published.
        version: The timestamp's version now; 0 where nothing was published.
    """

    waiting: tuple[Waiting, ...] = ()
    version: int = 0

    @property
    def is_published(self) -> bool:
        """Whether clients see it now."""
        return not self.waiting


@dataclass(slots=True, kw_only=True)
class Registrar:
    """A writer at one verified state of a registry; make one with `Registrar.open`.

    Attributes:
        hands: What signs here.
        tag: Tag of the timestamp that the state was read from.
    """

    place: Place
    view: View
    hands: tuple[Hand, ...]
    clock: Callable[[], float]
    tag: str
    _top: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        place: Place,
        trust: Trust,
        memory: Memory,
        *,
        hands: Sequence[Hand],
        clock: Callable[[], float],
    ) -> Registrar:
        """Begin at the registry's current state; expired metadata may be signed anew.

        Raises:
            TrustError: The state does not verify.
            UnavailableError: There is no registry.
        """
        client = Client(place=place, trust=trust, memory=memory, clock=clock, ignores_expiry=True)
        seen = place.files.get("metadata/timestamp.json")
        view = client.refresh()
        if seen is None:
            raise UnavailableError("there is no registry", subject=place.location)
        return cls(place=place, view=view, hands=tuple(hands), clock=clock, tag=seen.tag)

    # Editing -------------------------------------------------------------------------

    def edit(self, role: str, delegator: str = "targets") -> Metadata[Targets]:
        """A copy of a role's metadata to be changed, in its next version, not signed yet."""
        from tuf.api.metadata import Metadata, Targets

        current = self.view.role(role, delegator)
        signed = copy.deepcopy(current) if current is not None else Targets()
        signed.version = self._next(role, 0 if current is None else current.version)
        signed.expires = moment(self.clock() + DAYS[_kind(role)] * DAY_S)
        bind(signed, self.view.trusted.root)
        return Metadata(signed)

    def document(self, path: str, data: bytes) -> Any:
        """Put a document where its path and digest say; the target that names it.

        Raises:
            TrustError: Other bytes lie there.
        """
        from tuf.api.metadata import TargetFile

        target = TargetFile.from_data(path, data, ["sha256"])
        self._write_once(stored_name(path, target.hashes["sha256"]), data)
        return target

    def set(self, changes: dict[str, Change], path: str, data: bytes) -> None:
        """Let the responsible role name a document, among the changes gathered so far."""
        role, delegator = self.view.leaf(path)
        if role not in changes:
            edited = self.edit(role, delegator)
            changes[role] = Change(role=role, delegator=delegator, metadata=edited)
        changes[role].metadata.signed.targets[path] = self.document(path, data)

    def _next(self, role: str, version: int) -> int:
        """The next version whose name is free; a crash may have left some behind."""
        for number in range(version + 1, version + _MAX_LEFTOVERS):
            if self.place.files.get(f"metadata/{number}.{role}.json") is None:
                return number
        raise TrustError(
            "a role has too many versions that nobody names",
            subject=f"role {role}",
            rule="leftovers of crashed writers are few",
            expected=f"fewer than {_MAX_LEFTOVERS}",
            found=f"all from {version + 1} on",
            hint="find out who writes to the registry; remove what no snapshot names",
        )

    # Signing and publishing ------------------------------------------------------------

    def commit(self, changes: Sequence[Change]) -> Outcome:
        """Sign with every hand that may, then publish, or leave drafts for other persons.

        Args:
            changes: New metadata; a root's comes before what depends on it.

        Raises:
            TrustError: No hand here may sign it, or somebody else changed the registry.
        """
        tops = self._delegators(changes)
        signed = [self._sign(change, tops) for change in changes]
        waiting = tuple(
            one for change in changes if (one := self._waiting(change, tops)) is not None
        )
        if not waiting:
            return Outcome(version=self._publish(changes, tops))
        if not any(signed):
            raise self._no_hand(changes[0], waiting[0])
        for change in changes:
            self.save_draft(change)
        return Outcome(waiting=waiting)

    def _delegators(self, changes: Sequence[Change]) -> dict[str, Any]:
        """Who names keys once the changes are in force."""
        changed = {change.role: change.metadata.signed for change in changes}
        return {
            name: changed.get(name) or self._signed(name)
            for name in {"root", "targets", *(change.delegator for change in changes)}
        }

    def _signed(self, name: str) -> Any:
        if name == "root":
            return self.view.trusted.root
        return self.view.role(name, "root" if name == "targets" else "targets")

    def _sign(self, change: Change, tops: Mapping[str, Any]) -> bool:
        wanted = set(_role(tops[change.delegator], change.role).keyids)
        if change.role == "root":
            wanted |= set(self.view.trusted.root.roles["root"].keyids)
        hands = [hand for hand in self.hands if hand.public.key_id in wanted]
        sign(change.metadata, hands)
        return bool(hands)

    def _waiting(self, change: Change, tops: Mapping[str, Any]) -> Waiting | None:
        delegator = tops[change.delegator]
        role = _role(delegator, change.role)
        result = delegator.get_verification_result(
            change.role, change.metadata.signed_bytes, change.metadata.signatures
        )
        labels = persons_of(delegator) or persons_of(tops["targets"])
        signers = [KeyId(key) for key in result.signed]
        needed = self._persons_needed(change, role.threshold)
        old = self._old_root_result(change)
        enough = count_persons(signers, labels) >= needed
        if result.verified and enough and old:
            return None
        candidates = [key for key in role.keyids if key not in result.signed]
        return Waiting(
            role=change.role,
            have=_said(signers, labels),
            needed=max(needed, role.threshold),
            missing=_said(candidates, labels),
        )

    def _old_root_result(self, change: Change) -> bool:
        if change.role != "root":
            return True
        old = self.view.trusted.root
        return bool(
            old.get_verification_result(
                "root", change.metadata.signed_bytes, change.metadata.signatures
            ).verified
        )

    def _persons_needed(self, change: Change, threshold: int) -> int:
        if PROMOTED in (change.role, change.delegator):
            return self.view.persons_needed()
        return threshold if change.role in ("root", "targets") else 1

    def _publish(self, changes: Sequence[Change], tops: Mapping[str, Any]) -> int:
        for change in changes:
            name = f"metadata/{change.metadata.signed.version}.{change.role}.json"
            self._write_once(name, spell(change.metadata))
        named = {
            change.role: change.metadata.signed.version
            for change in changes
            if change.role != "root"
        }
        version = self.publish_state(named, root=tops["root"])
        for change in changes:
            self.drop_draft(change.role)
        return version

    def publish_state(self, named: Mapping[str, int], *, root: Any = None) -> int:
        """A new snapshot and the timestamp that names it, which makes both visible.

        Raises:
            TrustError: Nobody here may sign them, or somebody else changed the registry.
        """
        from tuf.api.metadata import Metadata, MetaFile, Snapshot

        root = root or self.view.trusted.root
        current = self.view.trusted.snapshot
        meta = dict(current.meta) | {
            f"{role}.json": MetaFile(version=version) for role, version in named.items()
        }
        snapshot = Metadata(
            Snapshot(
                version=self._next("snapshot", current.version),
                expires=moment(self.clock() + DAYS["snapshot"] * DAY_S),
                meta=meta,
            )
        )
        bind(snapshot.signed, root)
        self._sign_online(snapshot, "snapshot", root)
        data = spell(snapshot)
        self._write_once(f"metadata/{snapshot.signed.version}.snapshot.json", data)
        known = MetaFile.from_data(snapshot.signed.version, data, ["sha256"])
        return self.publish_timestamp(known, root=root)

    def publish_timestamp(self, known: Any = None, *, root: Any = None) -> int:
        """The timestamp, for a new snapshot or for the one there is; its version."""
        from tuf.api.metadata import Metadata, Timestamp

        root = root or self.view.trusted.root
        version = self.view.trusted.timestamp.version + 1
        timestamp = Metadata(
            Timestamp(
                version=version,
                expires=moment(self.clock() + DAYS["timestamp"] * DAY_S),
                snapshot_meta=known or self.view.trusted.timestamp.snapshot_meta,
                unrecognized_fields={OURS: {"made": time_text(self.clock())}},
            )
        )
        bind(timestamp.signed, root)
        self._sign_online(timestamp, "timestamp", root)
        tag = self.place.files.swap("metadata/timestamp.json", spell(timestamp), expect=self.tag)
        self.tag = str(tag)
        return version

    def _sign_online(self, metadata: Metadata[Any], role: str, root: Any) -> None:
        keys = set(root.roles[role].keyids)
        hands = [hand for hand in self.hands if hand.public.key_id in keys]
        sign(metadata, hands[: root.roles[role].threshold])
        result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        if not result.verified:
            raise TrustError(
                f"nobody here may sign the registry's {role}",
                subject=f"role {role}",
                rule="a change is visible once snapshot and timestamp are signed",
                expected=f"{root.roles[role].threshold} key of role {role}",
                found=f"{len(result.signed)} here",
                hint="run this where the key is, or have its holder grant you one: "
                "hauberk registry grant CARD --as snapshot",
            )

    def _write_once(self, name: str, data: bytes) -> None:
        found = self.place.files.get(name)
        if found is None:
            self.place.files.swap(name, data, expect=None)
        elif found.value != data:
            raise TrustError(
                "a file of the registry would be overwritten",
                subject=name,
                rule="files under a version or a digest are written once",
                expected="no such file, or the same",
                found="another",
                hint="run the command again; if it happens again, find out who writes there",
            )

    # Drafts ----------------------------------------------------------------------------

    def draft(self, role: str) -> Metadata[Any] | None:
        """What waits for signatures of a role; nothing of it is believed yet."""
        found = self.place.files.get(f"drafts/{role}.json")
        if found is None:
            return None
        try:
            return parse(found.value, f"{role} (draft)")
        except HauberkError as error:
            error.hint = "somebody left a broken draft; remove it and begin again"
            raise

    def save_draft(self, change: Change) -> None:
        """Leave a change for other persons."""
        name = f"drafts/{change.role}.json"
        before = self.place.files.get(name)
        self.place.files.swap(name, spell(change.metadata), expect=before.tag if before else None)

    def drop_draft(self, role: str) -> None:
        """Forget what waits for a role."""
        name = f"drafts/{role}.json"
        before = self.place.files.get(name)
        if before is not None:
            self.place.files.swap(name, None, expect=before.tag)

    def drafted_document(self, target: Any) -> bytes:
        """The document that a draft names."""
        name = stored_name(target.path, target.hashes.get("sha256", ""))
        data = self.view.read(name, max_bytes=min(target.length, MAX_DOCUMENT_BYTES))
        with refused(role_of(target.path)):
            target.verify_length_and_hashes(data)
        return data

    def _no_hand(self, change: Change, waiting: Waiting) -> TrustError:
        return TrustError(
            f"no key here may sign role {change.role}",
            subject=f"role {change.role}",
            rule="every role is signed by its own keys",
            expected=" or ".join(waiting.missing) or "a key of the role",
            found=", ".join(hand.public.key_id[:16] for hand in self.hands) or "no key",
            hint="ask one of them, or have a key granted: hauberk registry grant",
        )


def _kind(role: str) -> str:
    """The role whose rules a bin has."""
    return role if role in DAYS else role.rpartition("-")[0]


def _role(delegator: Any, role: str) -> Any:
    return delegator.get_delegated_role(role)


def _said(keys: Sequence[str], labels: Mapping[KeyId, Label]) -> tuple[str, ...]:
    return tuple(
        f"{labels[KeyId(key)].custodian} ({key[:16]})" if key in labels else key[:16]
        for key in keys
    )
