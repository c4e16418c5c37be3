"""Contributors whose labels the others contradict; see `ContributorErrors`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Histogram, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.crowd_data import Held, held, told

_SHOWN = 1_000
_DRAWN = 30


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
        found = held(subject, subject.source)
        yield found.scores(subject)
        order = np.argsort(-found.crowd.suspicion, kind="stable")
        for person in order[found.crowd.p_values[order] < self.alpha]:
            yield self._finding(subject, found, int(person))

    def _finding(self, subject: Dataset, found: Held, person: int) -> Finding:
        crowd = found.crowd
        rows = found.rows_of(person)
        n_own = int((found.people == person).sum())
        return Finding(
            message=f"contributor {found.names[person]} of {subject.name}: {told(found, person)}",
            path=subject.name,
            severity=Severity.HIGH,
            threats=self.threats,
            confidence=1 - float(crowd.p_values[person]),
            location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=subject.source),
            remedy="Quarantine this contributor's contradicted rows and check the rest by hand.",
            evidence=Evidence(
                statistic="share of labels that models and others contradict",
                value=float(crowd.errors[person]),
                threshold=float(np.median(crowd.errors)),
                n=n_own,
                facts={
                    "p-value": f"{crowd.p_values[person]:.3g}",
                    "rows contradicted": str(rows.size),
                },
                plots=_plots(found),
            ),
        )


def _plots(found: Held) -> tuple[Histogram, ...]:
    order = np.argsort(-found.crowd.suspicion, kind="stable")[:_DRAWN]
    return (
        Histogram(
            title="Contradicted labels by contributor, most suspicious first",
            edges=tuple(found.names[person] for person in order),
            series={"share": tuple(float(found.crowd.errors[person]) for person in order)},
        ),
    )
