"""Annotators whose errors no honest person makes; see `AnnotatorErrors`."""

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
        yield from contradicted(
            subject,
            subject.annotator,
            role="annotator",
            alpha=self.alpha,
            threats=self.threats,
            remedy="Set these rows aside and have somebody else label them.",
        )
