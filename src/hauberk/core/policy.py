"""Policy decides what assessments mean; a denied gate is a value, not an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from hauberk.core.finding import Severity

if TYPE_CHECKING:
    from hauberk.core.finding import Assessment, Finding


class Isolation(StrEnum):
    """How strongly a step was held, weakest first; the level reached is attested."""

    OBSERVE = "observe"
    LANDLOCK = "landlock"
    FULL = "full"

    @property
    def rank(self) -> int:
        """0 for observe to 2 for full."""
        return tuple(Isolation).index(self)


class EvidenceMode(StrEnum):
    """How the evidence of a step came about."""

    ISOLATED = "isolated"
    HOOKED = "hooked"
    IMPORTED = "imported"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A finding that somebody answers for, until a day.

    Attributes:
        threat: Threat id it covers.
        subject: Path or name it covers, exactly; no patterns.
        expires: Last day on which it counts.
    """

    threat: str
    subject: str
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What production demands of the examination of a model.

    A model of numbers, or one without a feature that could be moved, cannot be attacked; its
    examination says so instead, signed like the rest.

    Attributes:
        parts: Parts that were gone through: ``robustness``, ``fairness``, ``membership``,
            ``backdoor``.
        attacks: Attacks that were tried on robustness.
        min_rows: Rows that each part looked at, or all there are where there are fewer.
        min_queries: Calls of the model that each attacked row was worth.
        min_radius: Largest radius that was tried, in the examination's own unit.
        max_age_days: Days after which it counts no more.
    """

    parts: frozenset[str] = frozenset({"robustness"})
    attacks: frozenset[str] = frozenset({"search"})
    min_rows: int = 100
    min_queries: int = 20
    min_radius: float = 0.05
    max_age_days: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a gate demands.

    Attributes:
        fail_on: Mildest severity of a defect that denies.
        required: Ids of controls that must have been able to judge; ``None`` means all
            that need nothing optional.
        waivers: Only waivers that have not expired count.
        min_isolation: Below this level a step fails closed.
        examination: What a model's examination must hold before it goes to production.
        digest: Identity of the policy, named in every attestation.
    """

    fail_on: Severity = Severity.HIGH
    required: frozenset[str] | None = None
    waivers: tuple[Waiver, ...] = ()
    min_isolation: Isolation = Isolation.OBSERVE
    examination: Examination = Examination()
    digest: str = ""


class Decision(StrEnum):
    """What a gate says."""

    ALLOW = "allow"
    DENY = "deny"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer of a gate.

    Attributes:
        decision: ``undecided`` where nothing was found but a required control could not judge.
        denied_by: Findings at or above the policy's severity that no waiver covers.
        waived: Findings that a waiver covers.
        not_assessed: Required controls that failed.
    """

    decision: Decision
    denied_by: tuple[Finding, ...] = ()
    waived: tuple[Finding, ...] = ()
    not_assessed: tuple[Assessment, ...] = ()
    assessments: tuple[Assessment, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 allowed, 1 denied, 3 a required control could not judge."""
        return {Decision.ALLOW: 0, Decision.DENY: 1, Decision.UNDECIDED: 3}[self.decision]
