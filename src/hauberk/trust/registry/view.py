"""A verified state of a registry, and the way from a channel or a version to what may be used.

`hauberk.trust.registry.client` makes a `View` by its rules 1 to 5; this module holds the others:

6.  Roles are loaded when a path of theirs is asked for, each in the snapshot's version.

`View.resolve` follows a channel or a version to its manifest:

7.  The channel's statement is of this model and channel, its number not below one seen.
8.  For production: the root of trust is pinned, and two persons stand behind the statement
    and behind everything that could name other persons.
9.  A rollback has not expired; a promotion is at the channel's highest sequence.
10. The manifest has the digest that the statement names, and says the same of itself; a
    version seen before has not changed.
11. It is not below the release floor, and neither it nor its bytes are retired.
12. A pin on a release, where the caller has one, is met.

Every refusal is an error that names target, role, rule and next step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.digest import digest_bytes
from hauberk.trust.fields import Fields, time_text
from hauberk.trust.keys import KeyId, Label, custody
from hauberk.trust.registry import names
from hauberk.trust.registry.anchor import Anchor, Memory
from hauberk.trust.registry.documents import (
    MAX_DOCUMENT_BYTES,
    Manifest,
    Pointing,
    Retired,
    read_manifest,
    read_pointing,
    read_retired,
)
from hauberk.trust.registry.metadata import (
    MAX_METADATA_BYTES,
    OURS,
    check_bound,
    check_keys,
    count_persons,
    parse,
    persons_of,
    refused,
)
from hauberk.trust.registry.names import PRODUCTION, Reference
from hauberk.trust.registry.refusals import absent, check_same, too_few, undelegated

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile, Targets
    from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet


class Read(Protocol):
    """Gives files of a registry."""

    def __call__(self, name: str, *, max_bytes: int = MAX_METADATA_BYTES) -> bytes:
        """The file, which must be there and not be longer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How the client comes to believe a registry.

    Attributes:
        is_pinned: Whether a person pinned the anchor; else it is trust on first use.
        release_floor: Lowest sequence that counts.
    """

    anchor: Anchor
    is_pinned: bool = True
    release_floor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A version that may be used; everything about it was verified.

    Attributes:
        pointing: The channel's statement; ``None`` where a version was asked for.
        digest: Digest of the manifest.
        custody: Who stands behind the channel's statement, in words.
        expires: When the first of the metadata behind it expires.
    """

    reference: Reference
    manifest: Manifest
    digest: Digest
    pointing: Pointing | None
    custody: str
    is_pinned: bool
    expires: float


@dataclass(slots=True, kw_only=True)
class View:
    """A verified state of a registry.

    Attributes:
        read: Gives a file of the registry, at most ``max_bytes`` of it.
        now: The client's clock when it was read.
        raw: Role to the bytes of its metadata, as far as they were read.
    """

    read: Read
    trust: Trust
    memory: Memory
    trusted: TrustedMetadataSet
    now: float
    raw: dict[str, bytes] = field(default_factory=dict)

    # Roles ---------------------------------------------------------------------------

    def role(self, name: str, delegator: str = "targets") -> Targets | None:
        """The metadata of a role; ``None`` where nobody has signed any yet (rule 6)."""
        if name in self.raw:
            signed: Any = self.trusted[name]
            return signed  # type: ignore[no-any-return]  # roles below root are Targets
        if name != "targets":
            self.role("targets", "root")
        meta = self.trusted.snapshot.meta.get(f"{name}.json")
        if meta is None:
            return None
        bound = min(meta.length or MAX_METADATA_BYTES, MAX_METADATA_BYTES)
        data = self.read(f"metadata/{meta.version}.{name}.json", max_bytes=bound)
        parse(data, name)
        with refused(name):
            try:
                found = self.trusted.update_delegated_targets(data, name, delegator)
            except ValueError as error:
                raise undelegated(name, delegator, error) from error
            check_keys(found)
        check_bound(found, name, self.trusted.root)
        self.raw[name] = data
        return found

    def leaf(self, path: str) -> tuple[str, str]:
        """The role whose metadata lists a path, and who delegates to it.

        Raises:
            TrustError: The role that should answer for the path was not given it.
        """
        wanted = names.role_of(path)
        targets = self.role("targets", "root")
        delegations = targets.delegations if targets else None
        given = [name for name, _ in delegations.get_roles_for_target(path)] if delegations else []
        if given != [wanted]:
            raise TrustError(
                f"role {wanted} does not answer for {path}",
                subject=path,
                rule="every path has exactly one role, by its place",
                expected=wanted,
                found=", ".join(given) or "no role",
                hint="do not use this registry; find out who signed its roles",
            )
        top = self.role(wanted)
        if top is None or top.delegations is None:
            return wanted, "targets"
        bins = top.delegations.succinct_roles
        if bins is None:
            raise TrustError("a role hands its paths on", subject=wanted, rule="only to its bins")
        return bins.get_role_for_target(path), wanted

    def signers(self, role: str, delegator: str) -> tuple[KeyId, ...]:
        """Keys of a role whose signatures on its metadata are good."""
        return signers_of(self.raw[role], role, self.trusted[delegator])

    def labels(self, delegator: str) -> Mapping[KeyId, Label]:
        """Who holds the keys that a delegator names."""
        found = persons_of(self.trusted[delegator])
        if not found and delegator not in ("root", "targets"):
            return persons_of(self.trusted["targets"])
        return found

    def persons_needed(self) -> int:
        """Persons behind production: the stricter of the registry's word and the anchor's."""
        ours = Fields.of(self.trusted.root.unrecognized_fields.get(OURS), OURS)
        return max(ours.count("persons_for_production"), self.trust.anchor.persons)

    # Documents -----------------------------------------------------------------------

    def entry(self, path: str) -> TargetFile | None:
        """What the responsible role says of a path; ``None`` where it does not list it."""
        role, delegator = self.leaf(path)
        found = self.role(role, delegator)
        return None if found is None else found.targets.get(path)

    def document(self, path: str) -> bytes | None:
        """The document at a path; ``None`` where the responsible role does not list it.

        Raises:
            TrustError: The bytes are not those that were signed for.
            UnavailableError: They are missing.
        """
        listed = self.entry(path)
        if listed is None:
            return None
        data = self.read(
            stored_name(path, listed.hashes.get("sha256", "")),
            max_bytes=min(listed.length, MAX_DOCUMENT_BYTES),
        )
        with refused(names.role_of(path)):
            if set(listed.hashes) != {"sha256"}:
                raise ArtifactError(
                    "a target is named by another digest than SHA-256",
                    subject=path,
                    expected="sha256",
                    found=", ".join(sorted(listed.hashes))[:80],
                )
            listed.verify_length_and_hashes(data)
        return data

    def pointing(self, model: str, channel: str) -> Pointing | None:
        """What a channel points at, by rule 7; ``None`` where it never pointed anywhere."""
        path = names.channel_path(model, channel)
        data = self.document(path)
        if data is None:
            return None
        found = read_pointing(data)
        check_same(path, "model and channel", f"{model}, {channel}", _spoken(found))
        seen = self.memory.load()
        if found.number < seen.numbers.get(path, 0):
            raise TrustError(
                "the channel's statement is older than one seen before",
                subject=path,
                rule="numbers of a channel only grow",
                expected=f"number {seen.numbers[path]} or higher",
                found=f"number {found.number}",
                hint="fetch the current registry; find out who serves an old one",
            )
        return found

    def manifest(self, model: str, version: str) -> tuple[Manifest, Digest]:
        """A version's manifest with its digest.

        Raises:
            TrustError: There is no such version, or it changed since it was seen.
        """
        path = names.version_path(model, version)
        data = self.document(path)
        if data is None:
            raise absent(path, f"version {version} of {model}", "hauberk registry history")
        found, digest = read_manifest(data), digest_bytes(data)
        said = f"{found.model}, {found.version}"
        check_same(path, "model and version", f"{model}, {version}", said)
        known = self.memory.load().digests.get(path)
        if known not in (None, digest):
            raise TrustError(
                f"version {version} of {model} changed since it was seen",
                subject=path,
                rule="versions are written once",
                expected=str(known),
                found=digest,
                hint="somebody with the role's key overwrote it; revoke the key",
            )
        return found, digest

    def retired(self, model: str) -> Retired:
        """What is never to be served again of a model."""
        path = names.retired_path(model)
        if self.role(names.RETIRED) is None:
            raise absent(path, "a list of what is retired", "hauberk registry status")
        data = self.document(path)
        found = Retired(model=model) if data is None else read_retired(data)
        check_same(path, "model", model, found.model)
        known = self.memory.load().numbers.get(path, 0)
        if len(found.versions) < known:
            raise TrustError(
                f"a version of {model} that was retired is not listed any more",
                subject=path,
                rule="what is retired stays retired",
                expected=f"{known} versions or more",
                found=str(len(found.versions)),
                hint="find out who signed the list; publish a mended version under a new name",
            )
        return found

    def paths(self, role: str) -> Iterator[str]:
        """Every path that a role lists, in order; all of its bins are read."""
        top = self.role(role)
        if top is None:
            return
        bins = top.delegations.succinct_roles if top.delegations else None
        listed = set(top.targets)
        for name in bins.get_roles() if bins else ():
            found = self.role(name, role)
            listed |= set(found.targets) if found else set()
        for path in sorted(listed):
            names.parts_of(path)
            yield path

    # Use -----------------------------------------------------------------------------

    def resolve(self, reference: Reference, *, remember: bool = True) -> Resolved:
        """Follow a channel or a version to what may be used, by rules 7 to 11.

        Args:
            reference: What is asked for.
            remember: Keep what was seen, so that it cannot be taken back.

        Raises:
            TrustError: A rule is broken, or there is nothing.
            ArtifactError: A document is malformed.
        """
        pointing, who = None, "nobody promoted it: a version was asked for"
        if reference.is_channel:
            pointing, who = self._pointed(reference)  # 7, 8, 9
        version = pointing.version if pointing else reference.what
        manifest, digest = self.manifest(reference.model, version)  # 10
        if pointing is not None:
            path = names.channel_path(reference.model, reference.what)
            check_same(path, "manifest", pointing.manifest, digest)
            check_same(path, "sequence", str(pointing.sequence), str(manifest.sequence))
        self._check_allowed(reference, manifest)  # 11
        if remember:
            self._remember(reference, version, digest, pointing)
        return Resolved(
            reference=reference,
            manifest=manifest,
            digest=digest,
            pointing=pointing,
            custody=who,
            is_pinned=self.trust.is_pinned,
            expires=min(self.trusted[name].expires.timestamp() for name in self._used()),
        )

    def _used(self) -> list[str]:
        return ["timestamp", "snapshot", *self.raw]

    def _pointed(self, reference: Reference) -> tuple[Pointing, str]:
        path = names.channel_path(reference.model, reference.what)
        if reference.what == PRODUCTION:
            self.check_pinned(path)
        found = self.pointing(reference.model, reference.what)
        if found is None:
            deed = "promote" if reference.what == PRODUCTION else "publish"
            raise absent(path, f"anything in {reference}", f"hauberk registry {deed}")
        role, delegator = self.leaf(path)
        signers = self.signers(role, delegator)
        if reference.what == PRODUCTION:
            self._check_persons(path, role, delegator)
        if found.expires is not None and found.expires < self.now:
            raise TrustError(
                f"the rollback of {reference} has expired",
                subject=path,
                rule="a rollback is a statement with an end: a way out, no place to stay",
                expected=f"a promotion, or a rollback that lasts beyond {time_text(self.now)}",
                found=f"rollback to {found.version} until {time_text(found.expires)}",
                hint="publish a mended version and promote it, or roll back again",
            )
        labels = self.labels(delegator)
        return found, custody([labels[key] for key in signers if key in labels])

    def check_pinned(self, path: str) -> None:
        """Rule 8, first half.

        Raises:
            TrustError: The registry was believed on first use.
        """
        if not self.trust.is_pinned:
            raise TrustError(
                "trust on first use does not reach production",
                subject=path,
                rule="production needs a root of trust that a person pinned",
                expected="a pinned root",
                found="a registry that was believed on first use",
                hint="compare its keys with their owners (hauberk root show), then pin it "
                "(hauberk root pin)",
            )

    def _check_persons(self, path: str, role: str, delegator: str) -> None:
        """Rule 8, second half: who can name the approvers can approve."""
        needed = self.persons_needed()
        self.role("targets", "root")
        chain = [(role, delegator), ("targets", "root"), ("root", "root")]
        if delegator != "targets":
            chain.insert(1, (delegator, "targets"))
        for name, above in chain:
            labels = self.labels(above)
            signers = self.signers(name, above)
            persons = count_persons(signers, labels)
            if persons < needed:
                raise too_few(path, name, needed, signers, labels)

    def _check_allowed(self, reference: Reference, manifest: Manifest) -> None:
        path = names.version_path(reference.model, manifest.version)
        floor = self.trust.release_floor
        if manifest.sequence < floor:
            raise TrustError(
                f"version {manifest.version} of {reference.model} is below the pinned floor",
                subject=path,
                rule="releases count from the root's floor on",
                expected=f"sequence {floor} or higher",
                found=f"sequence {manifest.sequence}",
                hint="ask for a newer version",
            )
        gone = self.retired(reference.model).of(manifest)
        if gone is not None:
            raise TrustError(
                f"version {manifest.version} of {reference.model} is retired",
                subject=path,
                rule="what is retired is never served again, under no name",
                expected="a version that is not retired",
                found=f"retired {time_text(gone.made)}: {gone.reason or 'no reason given'}",
                hint="use a newer version; promote one if production points here",
            )

    def _remember(
        self, reference: Reference, version: str, digest: Digest, pointing: Pointing | None
    ) -> None:
        memory = self.memory
        seen = memory.load()
        new = seen.with_digest(names.version_path(reference.model, version), digest)
        retired = len(self.retired(reference.model).versions)
        if retired:
            new = new.with_number(names.retired_path(reference.model), retired)
        if pointing is not None:
            path = names.channel_path(reference.model, reference.what)
            new = new.with_number(path, pointing.number)
        if new != seen:
            memory.save(new)


def stored_name(path: str, digest: str) -> str:
    """Where the document of a path lies: its digest in the file's name, as TUF has it."""
    folder, _, name = path.rpartition("/")
    return f"targets/{folder}/{digest}.{name}"


def signers_of(data: bytes, role: str, delegator: Any) -> tuple[KeyId, ...]:
    """Keys that ``delegator`` names for a role and whose signatures on ``data`` are good."""
    metadata = parse(data, role)
    result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return tuple(KeyId(key) for key in result.signed)


def _spoken(found: Pointing) -> str:
    return f"{found.model}, {found.channel}"
