"""What a registry offers under a name, without enough behind it to be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence as Shown
from hauberk.core.finding import Finding, RowScores, Severity
from hauberk.core.ports import Pointer
from hauberk.core.threat import ThreatId
from hauberk.errors import InternalError, UnavailableError
from hauberk.trust.digest import check, digest_bytes
from hauberk.trust.registry import evidence, names
from hauberk.trust.registry.anchor import Seen, VolatileMemory
from hauberk.trust.registry.client import Client
from hauberk.trust.registry.shelf import Place
from hauberk.trust.registry.transfer import received
from hauberk.trust.registry.view import Trust
from hauberk.trust.root import Root


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedChannel(Check[RegistryEntry]):
    """A channel or version followed as a client does, from the pinned anchor to the last byte.

    The registry's metadata must verify and be fresh, the channel's statement must be signed by
    enough persons and be newer than any seen, the version must not be retired, its release
    must verify against the project's keys with no revoked key behind it, and every file must
    have the signed length and digest.

    Limits:
        Two persons who agree on a bad model get it promoted. A client that has seen nothing
        accepts an old state that has not expired, unless its root of trust has a floor.
        Withholding the registry altogether stops new loads: it fails closed, and it fails.

    References:
        Samuel, Mathewson, Cappos and Dingledine (2010), Survivable key compromise in software
        update systems. The Update Framework specification 1.0.34, section 5.
    """

    title: ClassVar[str] = "A registry offers a version that does not verify"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("EX-3"),
        ThreatId("EX-7"),
        ThreatId("EX-13"),
        ThreatId("RG-1"),
        ThreatId("RG-2"),
        ThreatId("RG-3"),
        ThreatId("RG-4"),
        ThreatId("VD-2"),
        ThreatId("XC-1"),
    )
    subject: ClassVar[type] = RegistryEntry

    def check(self, subject: RegistryEntry) -> Iterator[Finding | RowScores]:
        """Yield a finding where only trust on first use stands behind what is offered.

        Raises:
            TrustError: Something does not verify; the error names target, role and rule.
            ArtifactError: Metadata or a document is malformed.
            NotApplicable: The client pinned no registry.
        """
        trust, root = subject.trusted.get("registry"), subject.trusted.get("root")
        if not isinstance(trust, Trust) or not isinstance(root, Root):
            raise NotApplicable("the client pinned no registry")
        place = Place(location=subject.name, files=_Files(subject), blobs=_Blobs(subject))
        view = Client(
            place=place,
            trust=trust,
            memory=VolatileMemory(_seen(subject)),
            clock=lambda: float(subject.trusted.get("now", 0.0)),
        ).refresh()
        reference = names.parse_reference(f"{subject.name}@{subject.channel or subject.version}")
        found = view.resolve(reference)
        chain = evidence.check_evidence(found.manifest, place, root)
        path = names.version_path(found.manifest.model, found.manifest.version)
        evidence.check_in_force(view, chain, path)
        for name, held in found.manifest.files.items():
            for _ in received(place.blobs.open(held.digest), held, name):
                pass
        if not trust.is_pinned:
            yield _unpinned(subject)


def _seen(subject: RegistryEntry) -> Seen:
    seen = subject.trusted.get("seen")
    return seen if isinstance(seen, Seen) else Seen()


def _unpinned(subject: RegistryEntry) -> Finding:
    return Finding(
        message=f"nobody pinned the registry that offers {subject.name}",
        path=f"{subject.name}@{subject.channel}",
        severity=Severity.HIGH,
        remedy="Compare the registry's keys with their owners, then pin its root of trust.",
        evidence=Shown(statistic="root of trust", facts={"state": "first-use"}),
    )


@dataclass(frozen=True, slots=True)
class _Files:
    """The subject's files as the port that clients read."""

    entry: RegistryEntry

    def get(self, name: str) -> Pointer | None:
        try:
            return Pointer(value=self.entry.read(name), tag="")
        except UnavailableError:
            return None

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        del name, value, expect
        raise InternalError("a control never writes")

    def list(self, prefix: str = "") -> Iterator[str]:
        del prefix
        return iter(())


@dataclass(frozen=True, slots=True)
class _Blobs:
    """The subject's blobs as the port that clients read; what it serves is never believed."""

    entry: RegistryEntry

    def put(self, chunks: object) -> Digest:
        del chunks
        raise InternalError("a control never writes")

    def has(self, digest: Digest) -> bool:
        try:
            return bool(self.entry.read(f"blobs/{digest}")) or True
        except UnavailableError:
            return False

    def open(self, digest: Digest, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        data = self.entry.read(f"blobs/{digest}")
        check(digest_bytes(data), digest, subject=f"{self.entry.name}: blob")
        yield data[start:end]

    def size(self, digest: Digest) -> int:
        return len(self.entry.read(f"blobs/{digest}"))

    def list(self) -> Iterator[Digest]:
        return iter(())

    def delete(self, digest: Digest) -> None:
        del digest
        raise InternalError("a control never writes")
