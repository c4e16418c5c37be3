"""What a control made of a subject, as the numbers that trials are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from hauberk.core.control import Control
from hauberk.core.finding import Level, Outcome
from hauberk.engine.assess import assess
from hauberk.errors import HauberkError, InternalError


def found(control: Control, subject: Any) -> bool:
    """Whether ``control`` says anything of ``subject``, a finding for review included.

    A failure to judge finds nothing.
    """
    return bool(assess(control, subject).findings)


def denied(control: Control, subject: Any) -> bool:
    """Whether ``control`` finds a defect, which denies by itself, in ``subject``."""
    findings = assess(control, subject).findings
    return any(finding.level is Level.DEFECT for finding in findings)


def alarmed(control: Control, subject: Any) -> bool:
    """Whether ``control`` bothers anybody about a clean ``subject``: a finding, or no judgement."""
    assessment = assess(control, subject)
    return bool(assessment.findings) or assessment.outcome is Outcome.FAILED


def refuses(act: Callable[[], object]) -> bool:
    """Whether a door says no: ``act`` raises one of our errors for the subject's fault."""
    try:
        act()
    except HauberkError as error:
        if isinstance(error, InternalError):
            raise
        return True
    return False


def row_scores(control: Control, subject: Any) -> list[float]:
    """The score of every row, in landed order.

    Raises:
        InternalError: The control gave none.
    """
    assessment = assess(control, subject)
    if not assessment.scores:
        raise InternalError(
            "a row-level figure needs row scores",
            subject=control.id,
            expected="RowScores",
            found=f"{assessment.outcome}: {assessment.reason}",
        )
    parts = assessment.scores[0].read()
    return [float(score) for _, scores in parts for score in scores]


def recall_at(
    scores: Sequence[float], attacked: Collection[int], false_alarm_rate: float
) -> tuple[float, float]:
    """Share of attacked rows above the clean rows' threshold, and the false alarms it costs.

    The threshold is the clean score that at most ``false_alarm_rate`` of the clean rows
    exceed; only rows strictly above it count, so ties never help.

    >>> recall_at([0.1, 0.2, 0.9, 0.3, 0.8], {2, 4}, 0.0)
    (1.0, 0.0)
    """
    clean, dirty = split_scores(scores, attacked)
    threshold = sorted(clean, reverse=True)[int(false_alarm_rate * len(clean))]
    above = sum(score > threshold for score in clean)
    return sum(score > threshold for score in dirty) / len(dirty), above / len(clean)


def auroc(scores: Sequence[float], attacked: Collection[int]) -> float:
    """Chance that an attacked row scores above a clean one; ties count one half."""
    clean, dirty = split_scores(scores, attacked)
    order = sorted([(score, 0) for score in clean] + [(score, 1) for score in dirty])
    ranks, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and order[end][0] == order[start][0]:
            end += 1
        middle = (start + 1 + end) / 2
        ranks += middle * sum(kind for _, kind in order[start:end])
        start = end
    return (ranks - len(dirty) * (len(dirty) + 1) / 2) / (len(dirty) * len(clean))


def split_scores(
    scores: Sequence[float], attacked: Collection[int]
) -> tuple[list[float], list[float]]:
    """Scores of the clean and of the attacked rows.

    Raises:
        InternalError: All rows are of one kind, so nothing can be told apart.
    """
    rows = set(attacked)
    clean = [score for row, score in enumerate(scores) if row not in rows]
    dirty = [score for row, score in enumerate(scores) if row in rows]
    if not clean or not dirty:
        raise InternalError(
            "an attack must change some rows and leave some",
            expected="clean and attacked rows",
            found=f"{len(clean)} clean and {len(dirty)} attacked",
        )
    return clean, dirty
