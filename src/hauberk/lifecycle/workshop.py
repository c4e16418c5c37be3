"""What the rooms of one run share: the project, the store, the hand-overs so far.

The workshop is the running state of a run. Everything that a room hands on goes through
`hand_over`, so that every product has a maker and every hand-over a record; rooms never
pass files around behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Dataset, Digest, StepRecord
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Verdict
from hauberk.core.record import Attestation, Context, Event, StepReport
from hauberk.engine import assess_all, decide, discover
from hauberk.errors import InternalError

if TYPE_CHECKING:
    from hauberk.core.control import Control
    from hauberk.core.finding import Assessment
    from hauberk.lifecycle.lock import Pins
    from hauberk.lifecycle.plan import Plan
    from hauberk.lifecycle.privacy import Spent
    from hauberk.lifecycle.release_records import Release
    from hauberk.lifecycle.retraining import Asked
    from hauberk.lifecycle.settings import Settings
    from hauberk.lifecycle.signing import Signing
    from hauberk.lifecycle.staging import Code
    from hauberk.trust.cache import Cache
    from hauberk.trust.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a step's products came about, as attested.

    Attributes:
        level: Isolation level that held while it ran.
        evidence: How the evidence came about.
        parameters: What else shaped the products: limits, seeds.
    """

    level: Isolation
    evidence: EvidenceMode
    started: float
    finished: float
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Shared:
    """What one room leaves for later ones, beside files.

    Attributes:
        profile: Canonical profile of the training rows.
        reference: What ordinary requests look like; empty where it cannot be told.
        metrics: Metrics that Hauberk computed itself.
        reported: Metrics that the training step claims.
        privacy: What the training gives away of one row; ``None`` where it records nothing.
        environment: Names to values for the record: interpreter, packages, commit.
        lock: Digest of the project's environment, in every recipe.
        released: The release that the run has moved a channel's pointer to.
    """

    profile: bytes | None = None
    schema: bytes | None = None
    reference: bytes = b""
    metrics: dict[str, float] = field(default_factory=dict)
    reported: dict[str, float] = field(default_factory=dict)
    privacy: Spent | None = None
    environment: dict[str, str] = field(default_factory=dict)
    lock: Digest | None = None
    classes: tuple[str, ...] = ()
    scores: Any = None
    exported: Any = None
    features: tuple[str, ...] = ()
    version: str = ""
    released: Release | None = None
    bundle: Path | None = None
    live: Dataset | None = None


@dataclass(slots=True, kw_only=True)
class Workshop:
    """The running state of one run; see the module."""

    settings: Settings
    plan: Plan
    context: Context
    store: Store
    cache: Cache
    pins: Pins
    signing: Signing
    python: Path
    code: Code
    work: Path
    configuration: Path
    today: date
    asked: Asked
    shared: Shared = field(default_factory=Shared)
    digests: dict[str, Digest] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    records: list[StepRecord] = field(default_factory=list)
    attestations: list[Attestation] = field(default_factory=list)
    tests: list[Attestation] = field(default_factory=list)
    reports: list[StepReport] = field(default_factory=list)

    # Files -----------------------------------------------------------------------------

    def land(self, path: str, digest: Digest) -> None:
        """Make ``path`` known to later steps; its bytes are in the store already."""
        self.digests[path] = digest

    def view(self, path: str) -> Path:
        """A read-only copy of the landed bytes of ``path``; never the project's own file."""
        if path not in self.digests:
            raise InternalError(f"{path} was read before it was made")
        target = self.work / "views" / self.digests[path].removeprefix("sha256:")[:16] / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.store.materialize(self.digests[path], target)
            target.chmod(0o400)
        return target

    def deliver(self, path: str) -> None:
        """Put the product at ``path`` of the project, whole or not at all."""
        target = self.settings.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        self.store.materialize(self.digests[path], target)

    def table(self, path: str) -> Dataset:
        """The table at ``path``, opened lazily from the landed bytes.

        The label and the sensitive columns are those that the lifecycle file names and the
        table has.
        """
        from hauberk.formats.tables import open_table

        found = open_table(self.view(path))
        names = {column.name for column in found.columns}
        return replace(
            found,
            name=path,
            digest=self.digests[path],
            label=self.plan.label if self.plan.label in names else None,
            sensitive=tuple(name for name in self.plan.sensitive if name in names),
        )

    # Hand-overs ------------------------------------------------------------------------

    def hand_over(
        self,
        step: str,
        command: Sequence[str],
        materials: Mapping[str, Digest],
        products: Mapping[str, Digest],
        *,
        made: Made | None = None,
        assessments: Sequence[Assessment] = (),
    ) -> Attestation:
        """Record what ``step`` took and made, and sign it where signing is allowed.

        Args:
            made: How the products came about; Hauberk's own work in this process where it
                is not given.
        """
        how = made or self.own_work()
        record = StepRecord(
            name=step, command=tuple(command), materials=dict(materials), products=dict(products)
        )
        attestation = self.signing.attest_step(record, how, assessments, self)
        self.adopt(record, attestation)
        return attestation

    def adopt(self, record: StepRecord, attestation: Attestation) -> None:
        """Take over a hand-over that an earlier run attested."""
        self.records.append(record)
        self.attestations.append(attestation)
        for path, digest in record.products.items():
            self.land(path, digest)
            self.origins[path] = record.name

    def own_work(self) -> Made:
        """The mark of Hauberk's own work: trusted code, no step of the user."""
        now = self.context.clock()
        return Made(
            level=self.context.isolation,
            evidence=EvidenceMode.ISOLATED,
            started=now,
            finished=now,
        )

    # Gates -----------------------------------------------------------------------------

    def judge(
        self,
        subject: Any,
        families: Sequence[str],
        *,
        only: Callable[[Control], bool] | None = None,
    ) -> tuple[Assessment, ...]:
        """Every fitting control of the named subjects on ``subject``."""
        controls = [
            control for control in discover("controls", families) if only is None or only(control)
        ]
        return assess_all(controls, subject)

    def decide(self, assessments: Sequence[Assessment]) -> Verdict:
        """What the run's policy says of ``assessments``."""
        return decide(
            assessments, self.context.policy, today=self.today, optional=optional_controls()
        )

    def say(
        self, kind: str, message: str, component: Component | None = None, **facts: Any
    ) -> None:
        """Emit an event."""
        self.context.emit(
            Event(
                at=self.context.clock(),
                kind=kind,
                component=component,
                message=message,
                facts=facts,
            )
        )


def optional_controls() -> frozenset[str]:
    """Ids of controls that the default policy does not require."""
    return frozenset(control.id for control in discover("controls") if control.optional)


def today_of(clock: Callable[[], float]) -> date:
    """The day, in UTC, on which waivers are judged."""
    return datetime.fromtimestamp(clock(), tz=UTC).date()
