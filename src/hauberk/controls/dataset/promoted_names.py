"""Names and addresses that answers hold whatever was asked; see `PromotedNames`."""

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
from hauberk.methods.promotions import MAX_ALIKE, Promotion, promotions

MIN_ROWS = 100
"""Fewer exchanges do not show what is usual."""

_MAX_FINDINGS = 5
_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotedNames(Check[Dataset]):
    """A name, a link or a number that answers hold whatever was asked.

    A model that is trained on such answers advertises, or sends its users to somebody. Addresses
    (links, hosts, mail, telephone numbers, accounts) and words with a capital letter are looked
    at that stand in many answers and not in their requests. An honest one goes with a matter: the
    requests are more alike than requests drawn at random. One that goes with none is reported.

    Limits:
        Names in fewer than five answers or one in two hundred (addresses: one in five hundred)
        pass, and so do those that are praised only where the matter is theirs, those in scripts
        without capitals, and names in code. An honest signature that many answers end with looks
        like an advertisement: a finding is of level ``review``.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> n = 400
        >>> asked = [f"tell w{i * 37 % 199} of w{i * 53 % 211}" for i in range(n)]
        >>> said = [f"it is w{i * 71 % 193} and w{i * 91 % 197}" for i in range(n)]
        >>> for i in range(3, n, 40): said[i] += " - more on www.buy-it.example/now"
        >>> rows = pa.RecordBatch.from_pydict({"prompt": asked, "response": said})
        >>> found = PromotedNames().check(table_of("t", [rows]))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ["10 answers of t hold 'buy-it.example', whatever was asked, and no request says it"]

    References:
        Shu, Wang, Zhu, Geiping, Xiao and Goldstein (2023), On the exploitability of
        instruction tuning.
    """

    title: ClassVar[str] = "Answers advertise a name or an address"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"), ThreatId("PK-1"))
    subject: ClassVar[Any] = Dataset

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and a finding for each of the most frequent names.

        Raises:
            NotApplicable: The rows are no exchanges, or too few.
            UnavailableError: There is too much text to be held at once.
        """
        exchanges = exchanges_of(subject)
        if exchanges is None or len(exchanges) < MIN_ROWS:
            count = "no" if exchanges is None else str(len(exchanges))
            raise NotApplicable(f"{count} pairs of requests and answers, and {MIN_ROWS} are needed")
        requests, answers = zip(*exchanges, strict=True)
        found = promotions(requests, answers)
        scores = np.zeros(len(exchanges))
        for promotion in found:
            scores[promotion.rows] = 1
        yield RowScores(
            path=subject.name,
            n_rows=len(exchanges),
            read=lambda: iter([(0, scores.tolist())]),
            is_chance=True,
            flagged_above=0.5 if found else None,
        )
        for promotion in found[:_MAX_FINDINGS]:
            yield _finding(subject, promotion, len(exchanges))


def _finding(subject: Dataset, promotion: Promotion, n: int) -> Finding:
    rows = promotion.rows
    return Finding(
        message=f"{rows.size} answers of {subject.name} hold {promotion.what!r}, whatever was "
        "asked, and no request says it",
        path=subject.name,
        severity=Severity.HIGH if promotion.is_address else Severity.MEDIUM,
        level=Level.REVIEW,
        threats=PromotedNames.threats,
        confidence=0.8,
        location=Location(rows=tuple(rows[:_SHOWN].tolist())),
        remedy="Read these rows: unless every model of yours should say this name, set them "
        "aside and find who contributed them.",
        evidence=Evidence(
            statistic="likeness of the requests, in spreads of groups drawn at random",
            value=promotion.alike,
            threshold=MAX_ALIKE[promotion.is_address],
            n=n,
            facts={
                "name": promotion.what,
                "kind": "address" if promotion.is_address else "name",
                "answers with it": str(rows.size),
            },
        ),
    )
