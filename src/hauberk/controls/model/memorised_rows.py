"""Models that tell who was in their training set; see `MemorisedRows`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset, Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Histogram, Level, Severity
from hauberk.core.threat import ThreatId

_FLOOR = 1e-12
_BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """How well the model's confidence tells training rows from others.

    Attributes:
        rate: Share of the training rows recognised.
        low: Lower bound of that share, one-sided at 95 %.
        high: Upper bound likewise.
        false_rate: Upper bound, proven at 95 %, of the share of other rows taken for them.
        right: Share of the training rows, and of the others, whose answer is right.
        gap: Lower bound of the difference of both, proven at 95 %: who takes a row with a right
            answer for a member is better than chance by as much.
        tied: Share of the training rows, and of the others, with the largest confidence, where so
            many have it that no threshold takes few enough others; zeros elsewhere.
    """

    rate: float
    low: float
    high: float
    false_rate: float
    n_members: int
    n_others: int
    confidence: tuple[Any, Any]
    right: tuple[float, float] = (0.0, 0.0)
    gap: float = 0.0
    tied: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorisedRows(Check[Evaluation]):
    """Training rows that the model is surer of than of any other rows.

    An attacker who asks for a record and sees how sure the model is of its true class learns
    whether it was trained on. The log odds of the true class are compared between rows of the
    training set and rows of the test set: which share of the members lies above a threshold
    that at most ``false_rate`` of the others reach. The threshold is one for which that is
    proven, so that few test rows make the check milder, never harsher.

    A model that is right about its training rows far more often than about others tells members
    by its answers alone. That is named for review: it is over-fitted, whatever its confidences say.

    Limits:
        This is the plainest attack. One that trains shadow models of its own recognises more,
        so a small share here is no proof of privacy. Below some three hundred test rows
        nothing can be said about one false positive in a hundred. Models whose confidence
        takes few values, such as trees, show no threshold for so few others; that is said, and
        their answers are held against each other all the same.

    Args:
        max_rate: Share of the training rows that may be recognised, 0 to 1; as much as
            ``false_rate`` is chance.
        false_rate: Share of other rows that may be taken for members, 0 to 1.
        max_gap: How much more often the answers for training rows may be right, 0 to 1.

    References:
        Yeom, Giacomelli, Fredrikson and Jha (2018), Privacy risk in machine learning. Carlini
        and others (2022), Membership inference attacks from first principles, section III.
    """

    title: ClassVar[str] = "The model recognises its training rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-4"),)
    subject: ClassVar[type] = Evaluation

    max_rate: float = 0.05
    false_rate: float = 0.01
    max_gap: float = 0.15

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where more training rows are recognised than is accepted.

        Raises:
            NotApplicable: No training rows are given, or too few test rows.
        """
        leak = self.leak(subject)
        if leak.gap > self.max_gap:
            yield self._overfitted(subject, leak)
        if leak.low <= self.max_rate:
            return
        yield Finding(
            message=f"{leak.rate:.1%} of {leak.n_members} training rows are recognised by the "
            f"model's confidence at {self.false_rate:.0%} false positives (at least "
            f"{leak.low:.1%} at 95 % confidence); accepted are {self.max_rate:.0%}",
            path=subject.model.name,
            severity=Severity.HIGH,
            remedy="train for less long or with more regularisation, drop duplicates, answer "
            "with rounded confidences or labels alone, or train with differential privacy",
            evidence=Evidence(
                statistic="true positives at the false-positive rate",
                value=leak.rate,
                threshold=self.max_rate,
                n=leak.n_members,
                facts={"other rows": str(leak.n_others)},
                plots=(_plot(*leak.confidence),),
            ),
        )

    def _overfitted(self, subject: Evaluation, leak: Leak) -> Finding:
        own, other = leak.right
        return Finding(
            message=f"the answers are right for {own:.1%} of {leak.n_members} training rows and "
            f"for {other:.1%} of {leak.n_others} others: they tell who was in the training set "
            f"(a gap of at least {leak.gap:.0%} at 95 % confidence; accepted are "
            f"{self.max_gap:.0%})",
            path=subject.model.name,
            severity=Severity.MEDIUM,
            level=Level.REVIEW,
            remedy="train for less long or with more regularisation; until then answers alone say "
            "who was a member",
            evidence=Evidence(
                statistic="lower bound of the gap of accuracy",
                value=leak.gap,
                threshold=self.max_gap,
                n=leak.n_members + leak.n_others,
            ),
        )

    def leak(self, subject: Evaluation) -> Leak:
        """The share of training rows recognised, with its bounds."""
        from hauberk.methods.statistics import clopper_pearson

        if subject.train is None:
            raise NotApplicable("the rows of training are not given")
        members, right = _log_odds(subject, subject.train)
        others, right_others = _log_odds(subject, subject.data)
        threshold, proven = _threshold(others, self.false_rate)
        hits = int((members > threshold).sum())
        bounds = clopper_pearson(hits, members.size)
        tied = (float((members == threshold).mean()), float((others == threshold).mean()))
        is_tied = threshold == others.max() and tied[1] > self.false_rate
        own = clopper_pearson(int(right.sum()), right.size)
        other = clopper_pearson(int(right_others.sum()), right_others.size)
        return Leak(
            rate=hits / members.size,
            low=bounds.low,
            high=bounds.high,
            false_rate=proven,
            n_members=members.size,
            n_others=others.size,
            confidence=(members, others),
            right=(float(right.mean()), float(right_others.mean())),
            gap=max(0.0, own.low - other.high),
            tied=tied if is_tied else (0.0, 0.0),
        )


def _log_odds(subject: Evaluation, data: Dataset) -> tuple[Any, Any]:
    """Of each row with a class that the model knows: log odds of it, and whether it is answered."""
    import numpy as np

    from hauberk.methods.scoring import judge_rows

    judged = judge_rows(subject.predictor, data)
    if not judged.classes:
        raise NotApplicable("the model gives numbers, not classes")
    place = {name: index for index, name in enumerate(judged.classes)}
    rows = [(i, place[name]) for i, name in enumerate(judged.truth) if name in place]
    chosen = np.array([judged.scores[i, j] for i, j in rows], np.float64)
    if chosen.size == 0 or chosen.min() < -_FLOOR or chosen.max() > 1 + 1e-6:
        raise NotApplicable("the model's scores are no probabilities")
    sure = np.clip(chosen, _FLOOR, 1 - _FLOOR)
    given = judged.scores.argmax(axis=1)
    return np.log(sure / (1 - sure)), np.array([given[i] == j for i, j in rows])


def _threshold(others: Any, false_rate: float) -> tuple[float, float]:
    """The lowest score for which few enough others above it are proven, and what is proven."""
    import numpy as np

    from hauberk.methods.statistics import clopper_pearson

    ranked = np.sort(others)[::-1]
    best: tuple[float, float] | None = None
    for above in range(int(false_rate * ranked.size) + 1):
        proven = clopper_pearson(above, ranked.size).high
        if proven > false_rate:
            break
        best = (float(ranked[above]), proven)
    if best is None:
        needed = math.ceil(math.log(0.05) / math.log(1 - false_rate))
        message = (
            f"{ranked.size} test rows prove no rate of {false_rate:g} false positives; "
            f"{needed} are needed"
        )
        raise NotApplicable(message)
    return best


def _plot(members: Any, others: Any) -> Histogram:
    import numpy as np

    edges = np.histogram_bin_edges(np.concatenate((members, others)), bins=_BINS)
    series = {
        name: tuple((np.histogram(values, bins=edges)[0] / values.size).tolist())
        for name, values in (("training rows", members), ("other rows", others))
    }
    return Histogram(title="log odds of the true class", edges=tuple(edges.tolist()), series=series)
