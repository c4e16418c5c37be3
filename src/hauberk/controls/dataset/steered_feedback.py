"""Accounts that push a model together: see `SteeredFeedback`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.feedback import Judged, Push, judged

_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredFeedback(Check[Dataset]):
    """Accounts that give one class to rows of others, more of them than chance has it.

    Each account's feedback is held against what models that did not see the row, and other
    accounts on the same row, say. Accounts with errors that no honest person makes are put
    together by the class that they push; three and more of one direction are a push.

    Limits:
        A push by accounts that send as little as everybody else is seen only where it is a
        large share of its rows; it then teaches little, too. Accounts that push several
        classes, or that are mostly honest, are seen later. What most accounts say is taken for
        right. Where there are two classes only, as with votes, several careless accounts look
        like a push; there the gate on canaries (`hauberk data feedback --canaries`) decides.

    Args:
        alpha: Chance of an honest account's errors below which it is looked at, 0 to 1.

    References:
        Douceur (2002), The Sybil attack. Yu et al. (2006), SybilGuard. Cao et al. (2014),
        Uncovering large groups of active malicious accounts in online social networks
        (SynchroTrap). For the statistics see `hauberk.methods.crowd`.
    """

    title: ClassVar[str] = "Accounts steer the feedback together"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-1"), ThreatId("OU-7"))
    subject: ClassVar[Any] = Dataset

    alpha: float = 0.01

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and a finding for each group of accounts.

        Raises:
            NotApplicable: No column names the accounts, or there are too few of them.
        """
        if subject.annotator is None:
            raise NotApplicable("no column is named as the account (--annotator)")
        stream = judged(subject, subject.annotator, self.alpha)
        scores = stream.blamed.astype(float)
        yield RowScores(
            path=subject.name,
            n_rows=len(scores),
            read=lambda: iter([(0, scores.tolist())]),
            flagged_above=0.5,
        )
        for group in stream.groups:
            yield self._finding(subject, stream, group)

    def _finding(self, subject: Dataset, stream: Judged, group: Push) -> Finding:
        found = stream.found
        own = np.isin(stream.people, [found.names[account] for account in group.accounts])
        names = ", ".join(found.names[account] for account in group.accounts[:5])
        return Finding(
            message=f"{len(group.accounts)} accounts of {subject.name} push "
            f"{found.classes[group.target]} together: {names}"
            + (" ..." if len(group.accounts) > 5 else ""),  # noqa: PLR2004 - names shown
            path=subject.name,
            severity=Severity.HIGH,
            threats=self.threats,
            confidence=1 - group.p_value,
            location=Location(
                rows=tuple(np.flatnonzero(own)[:_SHOWN].tolist()), field=subject.annotator
            ),
            remedy="Leave the rows of these accounts out of the next update, and look at how they "
            "were made.",
            evidence=Evidence(
                statistic="accounts that push one class",
                value=float(len(group.accounts)),
                threshold=3.0,
                n=len(found.names),
                facts={"rows": str(int(own.sum())), "largest p-value": f"{group.p_value:.3g}"},
            ),
        )
