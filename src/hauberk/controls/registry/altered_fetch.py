"""Sources whose landed bytes are not the pinned ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import RegistryEntry
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, RowScores, Severity
from hauberk.core.threat import ThreatId


@dataclass(frozen=True, slots=True, kw_only=True)
class AlteredFetch(Check[RegistryEntry]):
    """The bytes that landed under a source's name, hashed and held against its pin.

    The pin is what the client knows beforehand (``trusted["digest"]``): from the lifecycle
    file, from the lock of an earlier landing, or from the publisher. Whatever changed them
    on the way, or in the place where they lie, shows as another digest.

    Limits:
        The first landing without a declared digest pins what it gets: poison that is there
        from the start is for the data controls to find. Only bytes are compared, so an
        honest re-encoding is refused too.

    References:
        CWE-494, "Download of code without integrity check". Croissant 1.0, ``sha256`` of
        FileObject.
    """

    title: ClassVar[str] = "A source changed on its way in"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-2"),)
    subject: ClassVar[type] = RegistryEntry

    def check(self, subject: RegistryEntry) -> Iterator[Finding | RowScores]:
        """Yield a finding where the landed bytes have another digest than the pin.

        Raises:
            NotApplicable: Nothing is pinned for this name.
            UnavailableError: The bytes cannot be read.
        """
        pinned = subject.trusted.get("digest")
        if not isinstance(pinned, str):
            raise NotApplicable("no digest is pinned for this source")
        found = f"sha256:{hashlib.sha256(subject.read('bytes')).hexdigest()}"
        if found != pinned:
            yield Finding(
                message=f"{subject.name} is not what was pinned: expected {pinned}, found {found}",
                path=subject.name,
                severity=Severity.CRITICAL,
                remedy="Do not use it; find out who changed it, and get the digest from the "
                "publisher by another way.",
                evidence=Evidence(
                    statistic="SHA-256 of the landed bytes",
                    facts={"expected": pinned, "found": found},
                ),
            )
