"""Names in a registry that point at something its owners never agreed to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.trust.canonical import parse_json
from hauberk.trust.chain import VerifiedChain, verify_chain
from hauberk.trust.digest import digest_bytes, parse_digest
from hauberk.trust.root import Root

MAX_INDEX_BYTES = 4 << 20
MAX_STATEMENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedRelease(Check[RegistryEntry]):
    """The chain behind a channel, verified against the root that the client pinned.

    The channel is followed as a client would: its release, the statements it rests on, every
    byte that is held. The release must be of this project, for this channel, signed by the
    threshold of pinned keys, not older than what the client has seen, and the chain behind
    it must verify whole.

    Limits:
        A client that has never seen a newer release cannot tell an old genuine one from the
        newest: releases do not expire, so withholding updates (a freeze) passes until the
        client learns of a newer number by another way. A registry with signed metadata closes
        that; `hauberk.controls.registry.unverified_channel` reads one.

    References:
        Samuel, Mathewson, Cappos and Dingledine (2010), Survivable key compromise in software
        update systems. SLSA 1.2, verifying artifacts.
    """

    title: ClassVar[str] = "A registry's name points at an unverified release"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("RG-1"),
        ThreatId("VD-2"),
        ThreatId("MS-2"),
        ThreatId("XC-2"),
    )
    subject: ClassVar[type] = RegistryEntry

    def check(self, subject: RegistryEntry) -> Iterator[Finding | RowScores]:
        """Yield what is wrong with a release whose chain verifies.

        Raises:
            TrustError: The chain does not verify; the error names the link.
            NotApplicable: The client pinned no root.
        """
        root = subject.trusted.get("root")
        if not isinstance(root, Root):
            raise NotApplicable("the client pinned no root of trust")
        if "registry" in subject.trusted:
            raise NotApplicable("the client reads a registry with signed metadata")
        chain = verified(subject, root)
        release = chain.release
        floor = int(subject.trusted.get("sequence", 0))
        if release.channel != subject.channel:
            yield _finding(subject, "is for another channel", subject.channel, release.channel)
        if release.sequence < floor:
            yield _finding(
                subject, "is older than one seen before", f">= {floor}", str(release.sequence)
            )


def verified(subject: RegistryEntry, root: Root) -> VerifiedChain:
    """The chain behind the channel.

    Raises:
        TrustError: It does not verify.
        ArtifactError: The registry's index is malformed.
    """
    index: Any = parse_json(subject.read("statements"), max_bytes=MAX_INDEX_BYTES)
    if not isinstance(index, list) or len(index) > MAX_STATEMENTS:
        raise ArtifactError(
            "the index of a channel is malformed",
            subject=subject.name,
            expected=f"a list of at most {MAX_STATEMENTS} digests",
            found=json.dumps(index)[:60],
        )
    return verify_chain(
        release=subject.read("release"),
        statements=[subject.read(f"blobs/{parse_digest(item)}") for item in index],
        places=(_Held(entry=subject),),
        root=root,
        required=tuple(subject.trusted.get("required", ())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The registry's blobs as a place of the chain; what it serves is hashed, never believed."""

    entry: RegistryEntry
    label: str = "registry"

    def digest(self, name: str, expected: Digest) -> Digest | None:
        del name
        try:
            return digest_bytes(self.entry.read(f"blobs/{expected}"))
        except UnavailableError:
            return None


def _finding(subject: RegistryEntry, what: str, expected: str, found: str) -> Finding:
    return Finding(
        message=f"the release that {subject.name}/{subject.channel} names {what}: "
        f"expected {expected}, found {found}",
        path=f"{subject.name}/{subject.channel}",
        severity=Severity.CRITICAL,
        remedy="Do not serve it; find out who moved the name, and publish the right release again.",
        evidence=Evidence(
            statistic="release against request", facts={"expected": expected, "found": found}
        ),
    )
