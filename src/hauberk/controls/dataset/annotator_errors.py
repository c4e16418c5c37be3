"""Annotators whose errors no honest person makes; see `AnnotatorErrors`."""

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
class AnnotatorErrors(Check[Dataset]):
    """Annotators whose errors no honest person makes.

    Each annotator's labels are held against what models that did not see the row and the
    other votes on the same item say. Errors are counted by class pair against the rate of
    all others: one label for everything, flips, one pair flipped now and then, and the same
    rare error made together each show. Labels by an annotator called ``gold`` count as true.

    Limits:
        What most annotators do is taken for right, so a majority that colludes passes, and so
        does an annotator with only a handful of rows. Rare errors (a few per cent of one
        class) without a second vote on the item pass. A poorly trained honest annotator
        looks like a careless one.

    Args:
        alpha: Chance of naming any honest annotator of a clean set, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i / 100 for i in range(400)]
        >>> who = ["abcde"[i % 5] for i in range(400)]
        >>> ys = ["low" if (x < 2) != (w == "c" and x > 2.5) else "high" for x, w in zip(xs, who)]
        >>> rows = pa.RecordBatch.from_pydict({"x": xs, "y": ys, "who": who})
        >>> table = table_of("t", [rows], label="y", annotator="who")
        >>> [f.message for f in AnnotatorErrors().check(table) if isinstance(f, Finding)]
        ['annotator c of t: 39% of the labels are contradicted; most: high labelled low']

    References:
        Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates. For the
        statistics see `hauberk.methods.crowd`.
    """

    title: ClassVar[str] = "Annotators err on purpose"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-2"),)
    subject: ClassVar[Any] = Dataset

    alpha: float = 0.001

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and a finding for each annotator who stands out.

        Raises:
            NotApplicable: No column names the annotators, or there are too few of them.
        """
        if subject.annotator is None:
            raise NotApplicable("no column is named as the annotator")
        found = held(subject, subject.annotator)
        yield found.scores(subject)
        order = np.argsort(-found.crowd.suspicion, kind="stable")
        for person in order[found.crowd.p_values[order] < self.alpha]:
            yield self._finding(subject, found, int(person))

    def _finding(self, subject: Dataset, found: Held, person: int) -> Finding:
        crowd = found.crowd
        rows = found.rows_of(person)
        n_own = int((found.people == person).sum())
        return Finding(
            message=f"annotator {found.names[person]} of {subject.name}: {told(found, person)}",
            path=subject.name,
            severity=Severity.HIGH,
            threats=self.threats,
            confidence=1 - float(crowd.p_values[person]),
            location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=subject.annotator),
            remedy="Set these rows aside and have somebody else label them.",
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
            title="Contradicted labels by annotator, most suspicious first",
            edges=tuple(found.names[person] for person in order),
            series={"share": tuple(float(found.crowd.errors[person]) for person in order)},
        ),
    )
