"""What controls say: findings with their evidence, and the assessment that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.core.identity import Digest, ThreatId
    from hauberk.core.plots import Curve as Curve  # noqa: PLC0414 - told on
    from hauberk.core.plots import Histogram as Histogram  # noqa: PLC0414 - told on
    from hauberk.core.plots import Matrix as Matrix  # noqa: PLC0414 - told on
    from hauberk.core.plots import Plot as Plot  # noqa: PLC0414 - told on
    from hauberk.core.plots import Thumbnail as Thumbnail  # noqa: PLC0414 - told on


_PLOTS = frozenset({"Curve", "Histogram", "Matrix", "Plot", "Thumbnail"})

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Plots, which most scans never draw, are imported when somebody asks for one."""
        if name not in _PLOTS:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from hauberk.core import plots

        return getattr(plots, name)


class Severity(StrEnum):
    """How much harm a finding can do if it is true; ordered by `rank`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return tuple(Severity).index(self)


class Level(StrEnum):
    """A defect fails by itself; a review asks for a second person."""

    DEFECT = "defect"
    REVIEW = "review"


class Outcome(StrEnum):
    """What became of one control on one subject. Silence is never a pass."""

    CLEAN = "clean"
    FLAGGED = "flagged"
    NOT_APPLICABLE = "not_applicable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where in the subject a finding lies; only what is known is set.

    Attributes:
        line: First line, from 1.
        column: First column, from 1.
        end_line: Last line, from 1.
        offset: First byte, from 0.
        inner: Path inside nested containers, outermost first.
        rows: Row numbers in landed order, at most a few; the rest is in the scores.
        field: Column, tensor, key or step.
    """

    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    offset: int | None = None
    inner: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The numbers behind a finding.

    Attributes:
        statistic: What was measured, in words.
        value: The measured value.
        threshold: The value from which on it is a finding.
        n: Sample size behind the value.
        facts: Further named facts: digests, names, decoded calls. Never raw rows or secrets.
        plots: Numbers to draw.
    """

    statistic: str = ""
    value: float | None = None
    threshold: float | None = None
    n: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, in one place.

    Attributes:
        control: Id of the control, ``subject/defect``; the engine fills it in.
        path: The object: path of a file, name of a data set or step.
        message: Object, rule, expected and found in one or two sentences.
        remedy: What to do next.
        confidence: 0 to 1; how sure the control is, apart from how bad it would be.
    """

    message: str
    path: str
    severity: Severity
    remedy: str
    control: str = ""
    threats: tuple[ThreatId, ...] = ()
    level: Level = Level.DEFECT
    confidence: float = 1.0
    location: Location = field(default_factory=Location)
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowScores:
    """A score per row, columnar and lazy; higher is more suspicious.

    Attributes:
        read: Yields ``(first_row, scores)`` with consecutive scores in landed order.
        is_chance: Whether a score is the chance, 0 to 1, that the row was tampered with, so
            that it means the same as another control's.
        flagged_above: Score above which the control itself would set a row aside; ``None``
            where it only ranks rows.
    """

    path: str
    n_rows: int
    read: Callable[[], Iterator[tuple[int, Sequence[float]]]]
    is_chance: bool = False
    flagged_above: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One control on one subject.

    Attributes:
        reason: Why the outcome is not ``clean``; empty otherwise.
        seconds: Processor seconds spent.
        subject_digest: What exactly was judged, where the bytes have an identity.
    """

    control: str
    path: str
    outcome: Outcome
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    scores: tuple[RowScores, ...] = ()
    seconds: float = 0.0
    subject_digest: Digest | None = None
    threats: tuple[ThreatId, ...] = ()
