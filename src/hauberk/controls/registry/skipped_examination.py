"""Models in production that nobody examined, or not hard enough; see `SkippedExamination`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from hauberk.core.artifact import RegistryEntry
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Finding
from hauberk.core.threat import ThreatId
from hauberk.trust.examinations import check_examination
from hauberk.trust.root import Root
from hauberk.trust.served import verified

PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedExamination(Check[RegistryEntry]):
    """A release for production whose examination is missing, stale, weak or another model's.

    The chain behind the channel is verified as a client does. The signed test result in it
    must be of the released model by its digest, on sealed sets of the chain, young enough, and
    must say with which attacks, how many calls of the model, up to which radius and on how many
    rows robustness was examined: at least what the pinned root of trust demands.
    `hauberk registry promote` asks the same before it signs.

    Limits:
        It shows that a model was attacked with a stated strength, not that it withstood: bounds
        on what it must withstand are the project's own, in ``[validation.robustness]``. Who
        controls the runner's host can have any strength signed. A test set that is small or
        tame makes every examination easy.

    Args:
        max_age_days: Stricter than the pinned age, where it is smaller.

    References:
        in-toto attestation framework, Test Result predicate v0.1. MITRE ATLAS AML.T0015,
        "Evade ML Model".
    """

    title: ClassVar[str] = "A model reaches production without an examination"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-3"),)
    subject: ClassVar[type] = RegistryEntry

    max_age_days: float = 90.0

    def check(self, subject: RegistryEntry) -> Iterator[Finding]:
        """Refuse, by raising, what the pinned root does not let into production.

        Raises:
            TrustError: The chain does not verify, or the examination does not suffice.
            NotApplicable: The client pinned no root, has no clock, or the channel is another.
        """
        root = subject.trusted.get("root")
        if not isinstance(root, Root):
            raise NotApplicable("the client pinned no root of trust")
        if "registry" in subject.trusted:
            raise NotApplicable("the registry's persons hold examinations against the root")
        if subject.channel != PRODUCTION or "now" not in subject.trusted:
            raise NotApplicable("only what is in production needs an examination")
        chain = verified(subject, root)
        wanted = root.policy.examination
        check_examination(
            chain.tests,
            replace(wanted, max_age_days=min(self.max_age_days, wanted.max_age_days)),
            subject=f"{subject.name}/{subject.channel}",
            model=chain.release.files[chain.release.model],
            sets={name: digest for test in chain.tests for name, digest in test.data.items()},
            now=float(subject.trusted["now"]),
        )
        yield from ()
