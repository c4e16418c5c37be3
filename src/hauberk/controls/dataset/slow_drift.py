"""Live rows that move away from training a little every day: see `SlowDrift`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Curve, Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import seasons
from hauberk.methods.days import Days, days_of, time_column
from hauberk.methods.sequential import DAYS, Detectors
from hauberk.sketches.grid import Grid, grid_of
from hauberk.sketches.profile import profile_of

_REMEDY = (
    "look at the days since then: who sent the rows that moved, and what labels say of them; "
    "do not retrain on them before that is known"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDrift(Check[Comparison[Dataset]]):
    """Columns of live rows that move away from training, a little every day.

    The rows of training, with the time at which each came, say what a day looks like by the
    week and the year and how much days differ. Every live day is held against that, not
    against the day before, and what is too small to see in one day adds up in an e-detector
    for each watched share: eight bins, the quartiles, missing and unseen values of each
    column. Give it the model's score as a column and a push across the decision boundary is
    a bin that fills while its neighbour empties.

    Limits:
        Training must cover the seasons: with less than a year of it, a season it did not see
        is drift. A shift inside one bin of eight passes, and so does one that stays below
        the honest scatter of days, which is what an attacker with patience has to stay under.
        Fewer rows of a day take longer: in the world of the figure, with 500 instead of 1,000
        a day, 131 of 140 shifts were found before the model lost three points, not all.

    Args:
        time: Column of the moment of each row; empty takes the only column of times.
        days: Honest days until the first false alarm is expected, for the whole table.

    References:
        Shin, Ramdas and Rinaldo (2023), E-detectors; Page (1954), Continuous inspection
        schemes; see `hauberk.methods.sequential` and `hauberk.methods.seasons`.
    """

    title: ClassVar[str] = "Live inputs drift away slowly"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-3"),)
    subject: ClassVar[Any] = (Comparison, Dataset)

    time: str = ""
    days: float = DAYS

    def check(self, subject: Comparison[Dataset]) -> Iterator[Finding]:
        """One finding, for review, for each column, at the day when its evidence was enough."""
        if subject.old is None:
            raise NotApplicable("there are no rows of training to hold live rows against")
        time = time_column(subject.old, self.time)
        if time is None or time_column(subject.new, time) is None:
            raise NotApplicable("rows have no time: name its column")
        grid = grid_of(profile_of(subject.old), without=_not_watched(subject.old, time))
        training, live = (days_of(table, grid, time) for table in (subject.old, subject.new))
        if len(training.days) < seasons.MIN_DAYS:
            message = f"training covers {len(training.days)} days, {seasons.MIN_DAYS} are needed"
            raise NotApplicable(message)
        yield from self.judge(subject.new.name, grid, training, live)

    def judge(self, path: str, grid: Grid, training: Days, live: Days) -> Iterator[Finding]:
        """The same over rows that were counted already."""
        found = np.array([seasons.shares(grid, counts) for counts in training.counts])
        baseline = seasons.fit(
            training.days.astype(np.float64), found, training.rows.astype(np.float64)
        )
        names = seasons.names(grid)
        detectors = Detectors(n=len(names), days=self.days)
        told: set[str] = set()
        for place, day in enumerate(live.days.tolist()):
            shares = seasons.shares(grid, live.counts[place])
            detectors.update(baseline.distance(day, shares, float(live.rows[place])))
            for share in sorted(detectors.alarms(), key=lambda i: -detectors.evidence()[i]):
                if names[share] not in told:
                    told.add(names[share])
                    case = _Case(names[share], share, place, float(detectors.evidence()[share]))
                    yield _finding(
                        path,
                        case,
                        baseline,
                        grid=grid,
                        live=live,
                        threshold=detectors.threshold,
                    )


@dataclass(frozen=True, slots=True)
class _Case:
    column: str
    share: int
    place: int
    evidence: float


def _not_watched(table: Dataset, time: str) -> frozenset[str]:
    return frozenset(name for name in (time, table.label, table.source) if name)


def _finding(
    path: str, case: _Case, baseline: seasons.Baseline, *, grid: Grid, live: Days, threshold: float
) -> Finding:
    days = live.days[: case.place + 1].tolist()
    expected = tuple(
        (float(i), float(baseline.expected(d)[case.share])) for i, d in enumerate(days)
    )
    counts = (seasons.shares(grid, row)[case.share] for row in live.counts[: case.place + 1])
    seen = tuple((float(i), float(x)) for i, x in enumerate(counts))
    date = np.datetime64(int(days[-1]), "D")
    return Finding(
        message=(
            f"column {case.column}: by {date} live rows had moved away from training; "
            f"expected {expected[-1][1]:.1%} of the rows in one of its bins, "
            f"found {seen[-1][1]:.1%} after {len(days)} days of the same direction"
        ),
        path=path,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        remedy=_REMEDY,
        threats=SlowDrift.threats,
        confidence=1 - math.exp(-case.evidence) if case.evidence > 0 else 0.0,
        location=Location(field=case.column),
        evidence=Evidence(
            statistic="evidence that adds up over days (logarithm)",
            value=case.evidence,
            threshold=threshold,
            n=int(live.rows[: case.place + 1].sum()),
            facts={"day": str(date), "days": str(len(days))},
            plots=(
                Curve(
                    title=f"{case.column}: share of rows in the bin that moved most",
                    x="days",
                    y="share",
                    series={"expected": expected, "live": seen},
                ),
            ),
        ),
    )
