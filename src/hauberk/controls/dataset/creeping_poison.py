"""Poison that trickles in, a little with each version; see `CreepingPoison`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset, History
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed, rewrite
from hauberk.methods.arrivals import Arrivals, arrivals
from hauberk.methods.opinions import MAX_CLASSES, MIN_CLASS_ROWS, held_against
from hauberk.sketches.drift import ColumnDistance, distance, drifted_columns
from hauberk.sketches.profile import profile_of

_SHOWN = 10
_MIN_ROWS = 60
_MIN_FRESH = 5
_FIRM = 1.0
"""Natural logarithm of how many times likelier another class must be to contradict a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreepingPoison(Check[History]):
    """Labels of newly come rows that the first version contradicts, counted over all versions.

    Each release may stay below every alarm; the sum does not. Models that saw only the first
    version judge every row that came or was relabelled since. For each pair of classes the
    contradictions so far are counted and held against how often the models contradict rows
    of the first version that they did not see. Relabelled rows and columns that moved have
    budgets, for one release and for all together.

    Limits:
        The first version is believed: poison in it is what `LabelFlips` looks for. New rows
        of a kind that the first version lacks are contradicted honestly, so a finding is of
        level ``review``, but for a budget that is exceeded. Patterns with the right label
        pass.

    Args:
        alpha: Chance of a false alarm over all pairs of classes when a version is judged,
            0 to 1.
        max_relabelled: Share of the rows that one release may relabel, 0 to 1.
        max_relabelled_ever: The same for all releases since the first version.
        max_drift: Distance that a column may have moved since the first version, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def version(n, bad):
        ...     xs = [i * 0.37 % 50 for i in range(n)]
        ...     ys = ["low" if x < 25 else "high" for x in xs]
        ...     ys[n - bad :] = ["low" if y == "high" else "high" for y in ys[n - bad :]]
        ...     rows = pa.RecordBatch.from_pydict({"x": xs, "y": ys})
        ...     return table_of(f"v{n}", [rows], label="y")
        >>> history = History(versions=(version(400, 0), version(420, 10), version(440, 30)))
        >>> found = CreepingPoison().check(history)
        >>> [f.location.field for f in found if isinstance(f, Finding)]
        ['y']

    References:
        Page (1954), Continuous inspection schemes, for sums that never forget. Przyborowski
        and Wilenski (1940), Homogeneity of results in testing samples from Poisson series,
        for the test of two counts.
    """

    title: ClassVar[str] = "Poison trickles in over versions"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-1"),)
    subject: ClassVar[Any] = History

    alpha: float = 0.002
    max_relabelled: float = 0.02
    max_relabelled_ever: float = 0.05
    max_drift: float = 0.1

    def check(self, subject: History) -> Iterator[Finding | RowScores]:
        """Scores of the newest version's rows, and at most a finding for each question.

        The questions are the worst pair of classes, each budget and each column that moved.
        A row's score is the chance that models of the first version give labels other than
        its own; rows of the first version have none.

        Raises:
            NotApplicable: There is one version only, or no label.
        """
        first, *later = subject.versions or (None,)
        if first is None or not later or first.label is None:
            raise NotApplicable("there are no two versions with a label")
        came = arrivals(subject.versions)
        yield from self._budgets(subject, came)
        yield from self._contradicted(subject, came)
        yield from self._moved(first, later[-1])

    # Budgets ---------------------------------------------------------------------------

    def _budgets(self, subject: History, came: Arrivals) -> Iterator[Finding]:
        sizes = came.sizes
        each = [
            (n / max(size, 1), place)
            for place, (n, size) in enumerate(zip(came.relabelled, sizes, strict=True))
        ]
        share, place = max(each, default=(0.0, 0))
        ever = sum(came.relabelled) / max(sizes[-1], 1)
        found = (
            (share, self.max_relabelled, "one release", place + 1),
            (ever, self.max_relabelled_ever, "all releases", len(sizes)),
        )
        for value, budget, what, number in found:
            if value > budget:
                yield Finding(
                    message=f"{what} up to version {number + (what == 'one release')} of "
                    f"{subject.versions[0].name} relabelled {value:.1%} of the rows, more than "
                    f"the {budget:.1%} allowed",
                    path=subject.versions[-1].name,
                    severity=Severity.HIGH,
                    threats=CreepingPoison.threats,
                    location=Location(field=subject.versions[0].label),
                    remedy="Look at who relabelled what; keep the change as a recorded one.",
                    evidence=Evidence(
                        statistic="share of rows relabelled",
                        value=value,
                        threshold=budget,
                        n=sizes[-1],
                    ),
                )

    # Contradictions --------------------------------------------------------------------

    def _contradicted(self, subject: History, came: Arrivals) -> Iterator[Finding | RowScores]:
        first = subject.versions[0]
        trusted = embed.load(first)
        counts = np.bincount(trusted.labels[trusted.labels >= 0], minlength=1)
        known = (counts >= MIN_CLASS_ROWS).sum()
        if trusted.n_rows < _MIN_ROWS or known < 2 or len(counts) > MAX_CLASSES:  # noqa: PLR2004 - two classes
            return
        if came.rows is None or came.rows.num_rows < _MIN_FRESH:
            return
        fresh = embed.aligned(embed.load(_fresh(first, came.rows)), trusted)
        labelled = np.flatnonzero(fresh.labels >= 0)
        if labelled.size < _MIN_FRESH:
            return
        fresh = embed.picked(fresh, labelled)
        logs, inside = held_against(fresh, trusted)
        yield _scores(subject, came, np.asarray(came.standing)[labelled], (logs, fresh.labels))
        worst = self._worst(
            (logs, fresh.labels),
            (inside, trusted.labels[trusted.labels >= 0]),
            n_versions=len(subject.versions),
        )
        if worst is not None:
            standing = np.asarray(came.standing)[labelled][worst["rows"]]
            worst["rows"] = standing[standing >= 0]
            yield _creeping(subject, trusted.classes, worst, self.alpha)

    def _worst(self, fresh: Any, trusted: Any, *, n_versions: int) -> dict[str, Any] | None:
        """The pair of classes that chance explains least so far, if it is rare enough."""
        from scipy.stats import binom

        logs, labels = fresh
        pairs, before = _pairs(logs, labels), Counter(filter(None, _pairs(*trusted)))
        n_trusted, n_fresh, n_classes = len(trusted[1]), len(labels), logs.shape[1]
        rate = n_fresh / (n_fresh + n_trusted)
        found = {
            pair: float(binom.sf(hits - 1, hits + before[pair], rate))
            for pair, hits in Counter(filter(None, pairs)).items()
            if hits >= _MIN_FRESH
        }
        if not found:
            return None
        pair = min(found, key=lambda one: (found[one], one))
        p = min(found[pair] * n_classes * (n_classes - 1), 1.0)
        if p >= self.alpha:
            return None
        rows = np.flatnonzero([other == pair for other in pairs])
        return {
            "p": p,
            "pair": pair,
            "hits": rows.size,
            "version": n_versions,
            "n": n_fresh,
            "expected": before[pair] / n_trusted,
            "rows": rows,
        }

    # Drift -----------------------------------------------------------------------------

    def _moved(self, first: Dataset, last: Dataset) -> Iterator[Finding]:
        old, new = profile_of(first), profile_of(last)
        if min(old.rows, new.rows) < _MIN_ROWS:
            return
        found = distance(old, new, alpha=self.alpha, min_effect=self.max_drift)
        for item, *_ in drifted_columns(found):
            yield _drifted(last, item)


def _scores(subject: History, came: Arrivals, standing: Any, judged: Any) -> RowScores:
    logs, labels = judged
    doubts = 1 - np.exp(logs[np.arange(len(labels)), labels])
    scores = np.zeros(came.sizes[-1])
    scores[standing[standing >= 0]] = doubts[standing >= 0]
    return RowScores(
        path=subject.versions[-1].name,
        n_rows=scores.size,
        read=lambda: iter([(0, scores.tolist())]),
        is_chance=True,
    )


def _fresh(first: Dataset, rows: Any) -> Dataset:
    return replace(rewrite.twin(first, rows), name="rows that came", reference=None)


def _pairs(logs: Any, labels: Any) -> list[tuple[int, int] | None]:
    """What each row is believed to be and what it is called, where the two differ firmly."""
    believed = logs.argmax(axis=1)
    rows = np.arange(len(labels))
    firm = logs[rows, believed] - logs[rows, labels] > _FIRM
    return [
        (int(a), int(b)) if is_firm else None
        for a, b, is_firm in zip(believed, labels, firm, strict=True)
    ]


def _creeping(
    subject: History, classes: tuple[str, ...], worst: dict[str, Any], alpha: float
) -> Finding:
    origin, goal = (classes[code] for code in worst["pair"])
    first = subject.versions[0]
    return Finding(
        message=f"{worst['hits']} of {worst['n']} rows that came to {first.name} up to version "
        f"{worst['version']} are called {goal} and look like {origin} to the first version, "
        f"which has {worst['expected']:.2%} of such rows itself",
        path=subject.versions[-1].name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=CreepingPoison.threats,
        confidence=1.0 - worst["p"],
        location=Location(rows=tuple(worst["rows"][:_SHOWN].tolist()), field=first.label),
        remedy="Look at the rows of this pair of classes that came since the first version, "
        "and at who brought them.",
        evidence=Evidence(
            statistic="chance of so many, corrected for pairs of classes",
            value=worst["p"],
            threshold=alpha,
            n=worst["n"],
            facts={"called": goal, "looks like": origin, "version": str(worst["version"])},
        ),
    )


def _drifted(last: Dataset, item: ColumnDistance) -> Finding:
    return Finding(
        message=f"the column {item.name} of {last.name} has moved since the first version: "
        f"{item.measure} by {item.shape:.3f}",
        path=last.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        threats=CreepingPoison.threats,
        confidence=1.0 - item.p_value,
        location=Location(field=item.name),
        remedy="Find the releases in which it moved; train on the new version only if the "
        "change is known.",
        evidence=Evidence(
            statistic=f"distance of {item.measure} from the first version",
            value=item.shape,
            threshold=item.threshold,
            n=item.n[1],
        ),
    )
