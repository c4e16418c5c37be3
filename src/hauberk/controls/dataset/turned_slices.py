"""Subpopulations whose labels were turned; see `TurnedSlices`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.turned import MAX_CLASSES, Turned, turned

_SHOWN = 1_000
_MIN_ROWS = 200
_MAX_ROWS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedSlices(Check[Dataset]):
    """A class that is missing from the rows with two values, though each keeps it elsewhere.

    Every pair of values of two columns (an occupation and a sex) is a slice. What its labels
    should be is told by a model in which each column adds its part, fitted to all other rows. A
    slice is named where hardly any of the expected rows of a class are there, by far less than
    chance, and farther from what is expected than all slices that share nothing with it.

    Limits:
        Numbers enter what is expected, but no slice is made of them, nor of one value or three.
        Slices in which many rows keep their label pass, as do those in which fewer than
        ``min_rows`` rows were turned and those of more than a fifth of the table. A rule of the
        matter itself looks the same (grades in season for a team that plays in autumn): a
        finding is of level ``review``.

    Args:
        min_rows: Rows of a class that must be missing.
        alpha: Largest chance of so few rows, after correction for all slices.
        beyond: How many times as far from what is expected as slices elsewhere.

    Example:
        >>> import numpy as np
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rng = np.random.default_rng(1)
        >>> job, sex = rng.choice(["a", "b", "c", "d"], 2_000), rng.choice(["f", "m"], 2_000)
        >>> rich = rng.random(2_000) < np.where(job == "a", 0.5, 0.3)
        >>> rich &= ~((job == "b") & (sex == "f"))
        >>> label = np.where(rich, "yes", "no")
        >>> rows = pa.RecordBatch.from_pydict({"job": job, "sex": sex, "label": label})
        >>> found = TurnedSlices().check(table_of("t", [rows], label="label"))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ['no row of t with job b and sex f is yes, about 77 of 267 were to be expected']

    References:
        Jagielski, Severi, Pousette Harger and Oprea (2021), Subpopulation data poisoning
        attacks. For the statistics see `hauberk.methods.turned`.
    """

    title: ClassVar[str] = "Labels of a subpopulation were turned"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-1"), ThreatId("AQ-1"))
    subject: ClassVar[Any] = Dataset

    min_rows: float = 8.0
    alpha: float = 1e-3
    beyond: float = 1.25

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and a finding for each class that is missing from a slice.

        Raises:
            NotApplicable: There is no class as label, too few rows or too many, or pictures.
        """
        if subject.label is None:
            raise NotApplicable("no label")
        rows = embed.load(subject)
        if rows.images is not None or not _MIN_ROWS <= rows.n_rows <= _MAX_ROWS:
            raise NotApplicable(f"{rows.n_rows} rows, or pictures")
        if not 2 <= len(rows.classes) <= MAX_CLASSES:  # noqa: PLR2004 - two that can be turned
            raise NotApplicable(f"{len(rows.classes)} classes")
        found = list(
            turned(
                rows,
                min_expected=self.min_rows,
                log_alpha=log(self.alpha),
                beyond=self.beyond,
            )
        )
        scores = np.zeros(rows.n_rows)
        for one in found:
            scores[one.rows] = np.maximum(scores[one.rows], one.suspicion)
        values = scores.tolist()
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, values)]),
            is_chance=True,
            flagged_above=0.5 if found else None,
        )
        for one in found:
            yield _finding(subject, one, self.alpha)


def _finding(subject: Dataset, one: Turned, alpha: float) -> Finding:
    where = " and ".join(f"{column} {value}" for column, value in one.where)
    told = "no row" if not one.found else f"{one.found} rows"
    verb = "is" if one.found <= 1 else "are"
    order = one.rows[np.argsort(-one.suspicion, kind="stable")]
    return Finding(
        message=f"{told} of {subject.name} with {where} {verb} {one.label}, about "
        f"{one.expected:.0f} of {one.rows.size} were to be expected",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=TurnedSlices.threats,
        confidence=1 - exp(max(one.log_p, log(1e-12))),
        location=Location(rows=tuple(order[:_SHOWN].tolist()), field=subject.label),
        remedy="Ask whether a rule makes it so; if none does, compare these labels with their "
        "source, and find the step or the contributor that wrote them.",
        evidence=Evidence(
            statistic="chance of so few or so many, corrected for all slices",
            value=exp(max(one.log_p, -700.0)),
            threshold=alpha,
            n=int(one.rows.size),
            facts={
                "slice": where,
                "expected": f"{one.expected:.1f}",
                "found": str(one.found),
                "farther than slices elsewhere": f"{one.beyond:.1f} times",
            },
        ),
    )
