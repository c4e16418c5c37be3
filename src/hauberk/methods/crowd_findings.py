"""What is found about the people behind the rows of a data set, as findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.finding import Evidence, Finding, Histogram, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.crowd_data import Held, held, told

_SHOWN = 1_000
_DRAWN = 30


def contradicted(
    subject: Dataset,
    column: str,
    *,
    role: str,
    alpha: float,
    threats: tuple[ThreatId, ...],
    remedy: str,
) -> Iterator[Finding | RowScores]:
    """Scores for all rows, and a finding for each person whom the others contradict.

    Args:
        column: Names the person behind each row.
        role: What such a person is called.
        alpha: Chance of naming any honest person of a clean set, 0 to 1.

    Raises:
        NotApplicable: There are too few people or labels to hold against each other.
    """
    found = held(subject, column)
    yield found.scores(subject)
    order = np.argsort(-found.crowd.suspicion, kind="stable")
    for place in order[found.crowd.p_values[order] < alpha]:
        person = int(place)
        rows = found.rows_of(person)
        yield Finding(
            message=f"{role} {found.names[person]} of {subject.name}: {told(found, person)}",
            path=subject.name,
            severity=Severity.HIGH,
            threats=threats,
            confidence=1 - float(found.crowd.p_values[person]),
            location=Location(rows=tuple(rows[:_SHOWN].tolist()), field=column),
            remedy=remedy,
            evidence=_evidence(found, person, rows, role),
        )


def _evidence(found: Held, person: int, rows: Any, role: str) -> Evidence:
    crowd = found.crowd
    order = np.argsort(-crowd.suspicion, kind="stable")[:_DRAWN]
    drawn = Histogram(
        title=f"Contradicted labels by {role}, most suspicious first",
        edges=tuple(found.names[each] for each in order),
        series={"share": tuple(float(crowd.errors[each]) for each in order)},
    )
    return Evidence(
        statistic="share of labels that models and others contradict",
        value=float(crowd.errors[person]),
        threshold=float(np.median(crowd.errors)),
        n=int((found.people == person).sum()),
        facts={
            "p-value": f"{crowd.p_values[person]:.3g}",
            "rows contradicted": str(rows.size),
        },
        plots=(drawn,),
    )
