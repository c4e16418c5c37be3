"""Names in a registry that point at something its owners never agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import RegistryEntry
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.trust.root import Root
from hauberk.trust.served import verified


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
