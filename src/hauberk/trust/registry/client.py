"""The reading side of a registry: it believes the pinned anchor and what follows from it.

`Client.refresh` follows the workflow of the TUF specification (section 5), with python-tuf's
state machine for the rules and some of our own, in this order:

1.  Begin with the newest root metadata seen, or the anchor's; its bytes have the pinned digest.
2.  Follow rotations one version at a time, each signed by the old and the new keys.
3.  The clock has not gone back since the last look, and is not behind the registry's.
4.  The timestamp is signed, not expired, not older than one seen, not below the floor.
5.  The snapshot is the timestamp's, and takes back nothing of one seen.
6.  Roles are loaded when a path of theirs is asked for: `hauberk.trust.registry.view`, which
    also holds the rules for what a channel or a version leads to.

Every refusal is an error that names target, role, rule and next step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.trust.canonical import parse_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.fields import Fields
from hauberk.trust.registry import names
from hauberk.trust.registry.anchor import Memory, Seen
from hauberk.trust.registry.metadata import (
    MAX_METADATA_BYTES,
    OURS,
    check_bound,
    check_keys,
    moment,
    parse,
    refused,
)
from hauberk.trust.registry.refusals import clock_is_wrong
from hauberk.trust.registry.view import Trust, View

if TYPE_CHECKING:
    from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

    from hauberk.trust.registry.shelf import Place

MAX_ROTATIONS = 1024
MAX_ROOT_BYTES = 512_000
MAX_TIMESTAMP_BYTES = 16_384
CLOCK_SLACK_S = 3600.0
_LONG_AGO = moment(0)


@dataclass(slots=True, kw_only=True)
class Client:
    """One client of one registry.

    Attributes:
        memory: What it has seen; `VolatileMemory` makes it a fresh one each time.
        clock: Seconds since the epoch.
        ignores_expiry: For writers that are about to sign anew; nothing is served then.
    """

    place: Place
    trust: Trust
    memory: Memory
    clock: Callable[[], float]
    ignores_expiry: bool = False

    def refresh(self) -> View:
        """The registry's state now, by rules 1 to 5.

        Raises:
            TrustError: A rule is broken.
            ArtifactError: Metadata is malformed.
            UnavailableError: Metadata is missing or cannot be read.
        """
        seen, now = self._remembered(), self.clock()
        first = seen.root or self._anchored()  # 1
        if seen.root and self.place.files.get(self._anchor_name()) is not None:
            self._anchored()  # a registry that was replaced is called that, whatever was seen
        with refused("root"):
            trusted = _trusted_set(first)
        newest = self._rotate(trusted, first)  # 2
        if seen.clock > now + CLOCK_SLACK_S and not self.ignores_expiry:  # 3
            raise clock_is_wrong("has gone back since the last look", seen.clock, now)
        trusted.reference_time = _LONG_AGO if self.ignores_expiry else moment(now)
        timestamp = self._timestamp(trusted, seen, now)  # 4
        snapshot = self._snapshot(trusted, seen)  # 5
        kept = replace(
            seen,
            anchor=self.trust.anchor.root,
            root=newest,
            timestamp=timestamp,
            snapshot=snapshot,
            clock=max(seen.clock, now) if not self.ignores_expiry else seen.clock,
        )
        if kept != seen:
            self.memory.save(kept)
        return View(
            read=self.read,
            trust=self.trust,
            memory=self.memory,
            trusted=trusted,
            now=now,
            raw={"root": newest},
        )

    def read(self, name: str, *, max_bytes: int = MAX_METADATA_BYTES) -> bytes:
        """A file of the registry that must be there.

        Raises:
            UnavailableError: It is not.
            TrustError: It is longer than what was signed.
        """
        found = self.place.files.get(name)
        if found is None:
            raise UnavailableError(
                "a file of the registry is missing",
                subject=f"{name} in {self.place.location}",
                rule="everything that the registry's metadata names is there",
                expected="the file",
                found="nothing",
                hint="restore it from a copy; what else is missing there?",
            )
        if len(found.value) > max_bytes:
            raise TrustError(
                "a file of the registry is longer than was signed for",
                subject=name,
                rule="nothing is read beyond its declared length",
                expected=f"at most {max_bytes} bytes",
                found=f"{len(found.value)} bytes",
                hint="find out who changed it",
            )
        return found.value

    def _remembered(self) -> Seen:
        """What was seen, unless a person has pinned another beginning since."""
        seen = self.memory.load()
        if seen.anchor in (None, self.trust.anchor.root) or not seen.root:
            return seen
        known = parse(seen.root, "root").signed.version
        if self.trust.anchor.version > known:  # a newer pin: go on from it, forget no version
            return replace(seen, root=b"")
        return Seen(clock=seen.clock)

    def _anchor_name(self) -> str:
        return f"metadata/{self.trust.anchor.version}.root.json"

    def _anchored(self) -> bytes:
        anchor = self.trust.anchor
        data = self.read(self._anchor_name(), max_bytes=MAX_ROOT_BYTES)
        found = root_digest(data)
        if found != anchor.root:
            raise TrustError(
                f"this is not the registry {anchor.name} that was pinned",
                subject=f"root metadata {anchor.version} in {self.place.location}",
                rule="a registry begins at the root metadata that was pinned outside it",
                expected=anchor.root,
                found=found,
                hint="somebody replaced the registry with its keys; find the genuine one, or pin "
                "this one with hauberk root pin after comparing its keys with their owners",
            )
        return data

    def _rotate(self, trusted: TrustedMetadataSet, newest: bytes) -> bytes:
        for _ in range(MAX_ROTATIONS):
            name = f"metadata/{trusted.root.version + 1}.root.json"
            found = self.place.files.get(name)
            if found is None:
                break
            newest = found.value
            parse(newest, "root")
            with refused("root"):
                trusted.update_root(newest)
        with refused("root"):
            check_keys(trusted.root)
            self._check_name(trusted)
        return newest

    def _check_name(self, trusted: TrustedMetadataSet) -> None:
        said = Fields.of(trusted.root.unrecognized_fields.get(OURS), OURS).text("name")
        if said != self.trust.anchor.name:
            raise TrustError(
                "the registry calls itself by another name",
                subject=self.place.location,
                rule="a registry keeps the name that it was pinned under",
                expected=self.trust.anchor.name,
                found=ascii(said)[:100],
                hint="find the genuine registry",
            )

    def _timestamp(self, trusted: TrustedMetadataSet, seen: Seen, now: float) -> bytes:
        _load_seen(trusted.update_timestamp, seen.timestamp)
        data = self.read("metadata/timestamp.json", max_bytes=MAX_TIMESTAMP_BYTES)
        from tuf.api.exceptions import EqualVersionNumberError

        made = _made(parse(data, "timestamp").signed.unrecognized_fields)
        with refused("timestamp"):
            try:
                trusted.update_timestamp(data)
            except EqualVersionNumberError:
                data = seen.timestamp
        check_bound(trusted.timestamp, "timestamp", trusted.root)
        version = trusted.timestamp.version
        if version < self.trust.anchor.floor:
            raise TrustError(
                "the registry's state is below the pinned floor",
                subject="role timestamp",
                rule="a client is not fed a state below the floor of its root of trust",
                expected=f"version {self.trust.anchor.floor} or higher",
                found=f"version {version}",
                hint="fetch the current registry; find out who serves an old one",
            )
        if made > now + CLOCK_SLACK_S and not self.ignores_expiry:
            raise clock_is_wrong("is behind the registry's", made, now)
        return data

    def _snapshot(self, trusted: TrustedMetadataSet, seen: Seen) -> bytes:
        meta = trusted.timestamp.snapshot_meta
        if seen.snapshot and _is_meta(seen.snapshot, meta):
            with refused("snapshot"):
                trusted.update_snapshot(seen.snapshot, trusted=True)
            return seen.snapshot
        if seen.snapshot:
            _load_seen(lambda data: trusted.update_snapshot(data, trusted=True), seen.snapshot)
        bound = min(meta.length or MAX_METADATA_BYTES, MAX_METADATA_BYTES)
        data = self.read(f"metadata/{meta.version}.snapshot.json", max_bytes=bound)
        with refused("snapshot"):
            trusted.update_snapshot(data)
        parse(data, "snapshot")
        check_bound(trusted.snapshot, "snapshot", trusted.root)
        return data


def root_digest(data: bytes) -> Digest:
    """Digest of what root metadata says, whoever has signed it by now: what an anchor pins."""
    return digest_bytes(parse(data, "root").signed_bytes)


def _trusted_set(first: bytes) -> TrustedMetadataSet:
    from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
    from tuf.ngclient.config import EnvelopeType

    parse(first, "root")
    return TrustedMetadataSet(first, EnvelopeType.METADATA)


def _load_seen(update: Callable[[bytes], Any], data: bytes) -> None:
    """Load what was seen, as TUF has it: only to hold newer metadata against it."""
    from tuf.api.exceptions import RepositoryError

    if not data:
        return
    try:
        update(data)
    except RepositoryError:
        return  # expired, or signed by keys no longer in force: no help against rollback


def _is_meta(data: bytes, meta: Any) -> bool:
    from tuf.api.exceptions import LengthOrHashMismatchError

    if not meta.hashes:
        return False
    try:
        meta.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        return False
    return True


def _made(unknown: Mapping[str, Any]) -> float:
    ours = unknown.get(OURS)
    return 0.0 if ours is None else Fields.of(ours, OURS).time("made")


def peek(data: bytes) -> str:
    """The name that root metadata claims; nothing of it is believed.

    Raises:
        ArtifactError: It claims none.
    """
    signed = Fields.of(parse_json(data, max_bytes=MAX_ROOT_BYTES), "root").object("signed")
    name = signed.object(OURS).text("name")
    if not names.is_name(name):
        raise ArtifactError("this is no name of a registry", subject=ascii(name)[:100])
    return name
