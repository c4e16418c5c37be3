"""Models that tell who was in their training set; see `MemorisedRows`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset, Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Histogram, Severity
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
    """

    rate: float
    low: float
    high: float
    false_rate: float
    n_members: int
    n_others: int
    confidence: tuple[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorisedRows(Check[Evaluation]):
    """Training rows that the model is surer of than of any other rows.

    An attacker who asks for a record and sees how sure the model is of its true class learns
    whether it was trained on. The log odds of the true class are compared between rows of the
    training set and rows of the test set: which share of the members lies above a threshold
    that at most ``false_rate`` of the others reach. The threshold is one for which that is
    proven, so that few test rows make the check milder, never harsher.

    Limits:
        This is the plainest attack. One that trains shadow models of its own recognises more,
        so a small share here is no proof of privacy. Below some three hundred test rows
        nothing can be said about one false positive in a hundred. Models whose confidence
        takes few values, such as trees, show little here and may leak all the same.

    Args:
        max_rate: Share of the training rows that may be recognised, 0 to 1; as much as
            ``false_rate`` is chance.
        false_rate: Share of other rows that may be taken for members, 0 to 1.

    References:
        Yeom, Giacomelli, Fredrikson and Jha (2018), Privacy risk in machine learning. Carlini
        and others (2022), Membership inference attacks from first principles, section III.
    """

    title: ClassVar[str] = "The model recognises its training rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-4"),)
    subject: ClassVar[type] = Evaluation

    max_rate: float = 0.05
    false_rate: float = 0.01

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where more training rows are recognised than is accepted.

        Raises:
            NotApplicable: No training rows are given, or too few test rows.
        """
        leak = self.leak(subject)
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

    def leak(self, subject: Evaluation) -> Leak:
        """The share of training rows recognised, with its bounds."""
        from hauberk.methods.statistics import clopper_pearson

        if subject.train is None:
            raise NotApplicable("the rows of training are not given")
        members = _log_odds(subject, subject.train)
        others = _log_odds(subject, subject.data)
        threshold, proven = _threshold(others, self.false_rate)
        hits = int((members > threshold).sum())
        bounds = clopper_pearson(hits, members.size)
        return Leak(
            rate=hits / members.size,
            low=bounds.low,
            high=bounds.high,
            false_rate=proven,
            n_members=members.size,
            n_others=others.size,
            confidence=(members, others),
        )


def _log_odds(subject: Evaluation, data: Dataset) -> Any:
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
    return np.log(sure / (1 - sure))


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
