"""Runs as data: events, attestations, the context of a run, and its record.

`RunRecord` is the one versioned document that reports and pages are drawn from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.core.attack import Score
    from hauberk.core.finding import Assessment
    from hauberk.core.lifecycle import Component
    from hauberk.core.policy import EvidenceMode, Isolation, Policy

RUN_RECORD_SCHEMA = 1

PACKAGES = "Packages"
"""Title of the pipeline's section that lists the project's packages, name to version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a run; what progress displays and the log are fed from.

    Attributes:
        at: Seconds since the epoch by the run's clock.
        kind: ``step-started``, ``step-skipped``, ``step-done``, ``gate``, ``attack`` ...
        facts: JSON values only; no raw rows, no secrets.
    """

    at: float
    kind: str
    component: Component | None = None
    message: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A signed statement about artifacts.

    Attributes:
        predicate_type: URI that says how to read the predicate.
        subjects: Name to digest of what it is about.
        envelope: The signed bytes (DSSE); empty for a run that may not sign.
        key_ids: Keys that signed, in order.
    """

    predicate_type: str
    subjects: Mapping[str, Digest]
    envelope: bytes
    key_ids: tuple[str, ...] = ()
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything of the world that a run may touch, handed in.

    Attributes:
        root: The project's folder.
        clock: Seconds since the epoch.
        seed: Root of all randomness of the run.
        emit: Takes events; must not raise.
        isolation: Level that steps run at.
    """

    root: Path
    run_id: str
    clock: Callable[[], float]
    seed: int
    policy: Policy
    isolation: Isolation
    emit: Callable[[Event], None]
    environment: Mapping[str, str] = field(default_factory=dict)


class StepState(StrEnum):
    """What became of a component in a run."""

    DONE = "done"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_RUN = "not-run"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One block of facts that a room shows in the report.

    Attributes:
        rows: Name and value pairs to show as a table.
        plots: Plots from `core.finding`.
        text: One paragraph in plain language.
    """

    title: str
    text: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    plots: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What one component did in a run."""

    component: Component
    state: StepState
    summary: str
    started: float | None = None
    seconds: float = 0.0
    isolation: Isolation | None = None
    evidence: EvidenceMode | None = None
    inputs: Mapping[str, Digest] = field(default_factory=dict)
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    assessments: tuple[Assessment, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    sections: tuple[Section, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, whole: the source of `hauberk report`.

    Attributes:
        environment: Python, packages, platform, commit, isolation probe: names to values.
        scores: Figures measured in this run by attacks (``try`` and the range).
        trust: How far the chain can be believed: pinned root, witnessed log, signed or not.
    """

    project: str
    run_id: str
    started: float
    finished: float
    exit_code: int
    isolation: Isolation
    steps: tuple[StepReport, ...]
    events: tuple[Event, ...] = ()
    scores: tuple[Score, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    trust: Mapping[str, str] = field(default_factory=dict)
    schema: int = RUN_RECORD_SCHEMA
