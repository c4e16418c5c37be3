"""Contributors whose labels the others contradict; see `ContributorErrors`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Finding, RowScores
from hauberk.core.threat import ThreatId
from hauberk.methods.crowd_findings import contradicted


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributorErrors(Check[Dataset]):
    """Contributors whose labels the others contradict.

    Each contributor's labels are held against what models trained on everybody's rows
    say. Wrong labels are counted by class pair against the rate of all other contributors, so
    that one who relabels part of one class stands out though few rows of the whole are
    wrong. The rows that were likelier changed than not are scored and named.

    Limits:
        Contributors who give another kind of rows altogether (another camera, another
        country) may be contradicted honestly. What most contributors do is taken for right.
        Crafted rows with true labels pass; see the controls for triggers and noise.

    Args:
        alpha: Chance of naming any honest contributor of a clean set, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i / 100 for i in range(400)]
        >>> who = ["abcde"[i % 5] for i in range(400)]
        >>> ys = ["low" if (x < 2) != (w == "c" and x > 2.5) else "high" for x, w in zip(xs, who)]
        >>> rows = pa.RecordBatch.from_pydict({"x": xs, "y": ys, "who": who})
        >>> table = table_of("t", [rows], label="y", source="who")
        >>> [f.message for f in ContributorErrors().check(table) if isinstance(f, Finding)]
        ['contributor c of t: 39% of the labels are contradicted; most: high labelled low']

    References:
        Baracaldo et al. (2017), Mitigating poisoning attacks on machine learning models: a data
        provenance based approach. For the statistics see `hauberk.methods.crowd`.
    """

    title: ClassVar[str] = "A contributor gives wrong labels"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-1"),)
    subject: ClassVar[Any] = Dataset

    alpha: float = 0.001

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and a finding for each contributor who stands out.

        Raises:
            NotApplicable: No column names the contributors, or there are too few of them.
        """
        if subject.source is None:
            raise NotApplicable("no column is named as the source")
        yield from contradicted(
            subject,
            subject.source,
            role="contributor",
            alpha=self.alpha,
            threats=self.threats,
            remedy="Quarantine this contributor's contradicted rows and check the rest by hand.",
        )
