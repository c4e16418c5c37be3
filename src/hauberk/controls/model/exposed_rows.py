"""Training rows that shadow models give away; see `ExposedRows`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.membership import Exposure, Fit

_SHOWN = 20
MIN_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedRows(Check[Evaluation]):
    """Members that are recognised when the model is held against shadow models of its own kind.

    Shadow models are trained on random halves of training and test rows together, so that each
    row is inside of some and outside of others. The probability that the model gives to a
    row's true class, over the mean of what the shadows give it, tells members from others far
    better than confidence alone, which cannot tell a row that is easy for everybody.

    Limits:
        The auditor owns data and recipe, which an outsider does not: the figure is the worst
        case, not what any client reaches. One false positive in a thousand is shown from a
        thousand test rows on, one in a hundred from a hundred. Only models that can be trained
        again here are audited. Above some hundred shadows more would be found.

    Args:
        max_rate: Lower bound of the share of members recognised from which on it is a finding.
        false_rate: Share of other rows that may be taken for members, 0 to 1.
        n_shadows: Shadow models; the audit costs as many trainings.
        seed: Of the halves and the trainings.

    References:
        Zarifzadeh, Liu and Shokri (2024), Low-cost high-power membership inference attacks.
        Carlini and others (2022), Membership inference attacks from first principles.
    """

    title: ClassVar[str] = "Shadow models recognise training rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-4"),)
    subject: ClassVar[type] = Evaluation

    max_rate: float = 0.05
    false_rate: float = 0.01
    n_shadows: int = 4
    seed: int = 0

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where more members are recognised than is accepted.

        Raises:
            NotApplicable: There are no training rows, too few rows, or the predictor cannot be
                trained again.
        """
        yield from self.judged(subject.model.name, self.exposure(subject))

    def exposure(self, subject: Evaluation) -> Exposure:
        """The audit of ``subject``."""
        import numpy as np

        from hauberk.methods.scoring import judge_rows

        fit = getattr(subject.predictor, "fit", None)
        if subject.train is None or fit is None:
            raise NotApplicable("the rows of training or the recipe are not given")
        parts = [judge_rows(subject.predictor, data) for data in (subject.train, subject.data)]
        place = {name: index for index, name in enumerate(parts[0].classes)}
        labels = np.array([place.get(name, -1) for part in parts for name in part.truth])
        scores = np.concatenate([part.scores for part in parts])
        is_member = np.arange(len(labels)) < parts[0].n_rows
        return self.audited(scores, labels, is_member, fit)

    def audited(self, scores: Any, labels: Any, is_member: Any, fit: Fit) -> Exposure:
        """The audit of what a model gives.

        Args:
            scores: ``(n, n_classes)`` probabilities of members and others.
            labels: ``(n,)`` places of the true classes, -1 where the model has none.
            is_member: ``(n,)`` bool.
            fit: Trains a shadow.
        """
        import time

        import numpy as np

        from hauberk.methods import membership

        for what, count in (("members", is_member.sum()), ("others", (~is_member).sum())):
            if count < MIN_ROWS:
                message = f"{count} {what} are too few; {MIN_ROWS} are needed"
                raise NotApplicable(message)
        rng = np.random.default_rng(self.seed)
        known, at = labels >= 0, np.arange(len(labels))
        inside = membership.halves(len(labels), self.n_shadows, rng) & known
        started = time.process_time()
        given = [
            fit(np.flatnonzero(chosen), self.seed + number)(at)[at, np.maximum(labels, 0)]
            for number, chosen in enumerate(inside)
        ]
        cost_s = time.process_time() - started
        own = scores[at, np.maximum(labels, 0)]
        return membership.exposure(
            own[known],
            [shadow[known] for shadow in given],
            inside[:, known],
            is_member[known],
            cost_s=cost_s,
            false_rates=(self.false_rate, self.false_rate / 10),
        )

    def judged(self, path: str, found: Exposure) -> Iterator[Finding]:
        """One finding where more members are recognised than is accepted."""
        if not found.rates or found.rates[0].low <= self.max_rate:
            return
        first = found.rates[0]
        exposed = found.most_exposed(_SHOWN)
        yield Finding(
            message=f"{path}: {found.n_shadows} shadow models recognise {first.rate:.1%} of "
            f"{int(found.is_member.sum())} training rows at {first.false_rate:.1%} false positives "
            f"(at least {first.low:.1%} at 95 % confidence); accepted are {self.max_rate:.0%}",
            path=path,
            severity=Severity.HIGH,
            remedy="train for less long or with more regularisation, drop the most exposed rows, "
            "answer with labels alone, or train with differential privacy",
            location=Location(rows=tuple(place for place, _ in exposed)),
            evidence=Evidence(
                statistic=f"members recognised at {first.false_rate:g} false positives",
                value=first.rate,
                threshold=self.max_rate,
                n=int(found.is_member.sum()),
                facts={
                    "area under the curve": f"{found.auc:.3f}",
                    **{
                        f"at {one.false_rate:g}": f"{one.rate:.3f} [{one.low:.3f}, {one.high:.3f}]"
                        for one in found.rates
                    },
                },
            ),
        )
