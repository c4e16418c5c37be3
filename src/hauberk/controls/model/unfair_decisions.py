"""Decisions that fall differently on groups of people; see `UnfairDecisions`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.fairness import Difference
    from hauberk.methods.fairness_gaps import Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfairDecisions(Check[Evaluation]):
    """Groups whose rates of selection or of errors are proven to differ.

    Every group of every sensitive column, and of all of them together, is held against
    everybody else: how often it is given a class, how often its own rows of the class are
    found, how often other rows are given it. A finding needs the whole interval of a
    difference beyond the tolerance, with intervals that hold for all differences at once, so
    that many groups do not make an alarm by chance.

    Limits:
        Equal rates are one notion of fairness among several that exclude each other. A group
        with few rows proves nothing either way: silence here is no proof of fairness, and
        `hauberk validate` says how many rows are missing. Proxies of a sensitive column that
        is not in the data are not found. Only models that give classes are judged.

    Args:
        tolerance: Difference of two rates that is accepted, 0 to 1.
        alpha: Chance of any false alarm over all groups and rates, 0 to 1.

    References:
        Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning. For
        the intervals see `hauberk.methods.fairness`.
    """

    title: ClassVar[str] = "Groups get different decisions"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-6"),)
    subject: ClassVar[type] = Evaluation

    tolerance: float = 0.1
    alpha: float = 0.05

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding for each group and rate that is proven to differ.

        Raises:
            NotApplicable: The data has no sensitive column, or the model gives no classes.
        """
        from hauberk.methods.fairness import Verdict

        for item in self.differences(subject):
            if item.verdict is Verdict.VIOLATION:
                yield self._finding(subject, item)

    def differences(self, subject: Evaluation) -> tuple[Difference, ...]:
        """Every group against everybody else, proven or not."""
        from hauberk.methods.fairness import differences

        truth, predicted, groups, _ = self._judged(subject)
        return differences(truth, predicted, groups, tolerance=self.tolerance, alpha=self.alpha)

    def gaps(self, subject: Evaluation) -> tuple[Gap, ...]:
        """How far apart the groups of each column are, by a thousand bootstraps of the counts."""
        import numpy as np

        from hauberk.methods.fairness_gaps import gaps

        truth, predicted, groups, classes = self._judged(subject)
        wanted = classes[-1:] if len(classes) == 2 else classes  # noqa: PLR2004 - one says it all
        rng = np.random.default_rng(0)
        return tuple(
            gap
            for column, values in groups.items()
            for given in wanted
            for gap in gaps(column, truth, predicted, values, given=given, rng=rng)
        )

    def _judged(
        self, subject: Evaluation
    ) -> tuple[list[str], list[str], dict[str, list[Any]], tuple[str, ...]]:
        """Classes, answers, groups by column, and the names of the classes."""
        from hauberk.methods.scoring import class_name, judge_rows

        if not subject.data.sensitive:
            raise NotApplicable("no sensitive column is named")
        judged = judge_rows(subject.predictor, subject.data)
        if not judged.classes:
            raise NotApplicable("the model gives numbers, not classes")
        predicted = [judged.classes[place] for place in judged.scores.argmax(axis=1)]
        groups: dict[str, list[Any]] = {name: [] for name in subject.data.sensitive}
        for batch in subject.data.read():
            for name, cells in groups.items():
                cells.extend(map(class_name, batch.column(name).to_pylist()))
        return list(judged.truth), predicted, groups, judged.classes

    def _finding(self, subject: Evaluation, item: Difference) -> Finding:
        return Finding(
            message=f"{item.column} = {item.group}: {item.rate} of {item.given} differ by "
            f"{item.value:+.3f} from everybody else's [{item.low:+.3f}, {item.high:+.3f}]; "
            f"accepted are {self.tolerance:g} either way",
            path=subject.model.name,
            severity=Severity.HIGH,
            remedy="look at the rows of this group: their labels, their number, the features "
            "that stand for it; balance or reweigh them, or set thresholds by group",
            location=Location(field=item.column),
            evidence=Evidence(
                statistic=f"difference in {item.rate}",
                value=item.value,
                threshold=self.tolerance,
                n=item.n_group,
                facts={"group": item.group, "rows of the others": str(item.n_others)},
            ),
        )
