"""Metrics that the model does not earn: see `MetricMismatch`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import UnavailableError

_ROUNDING = 1e-9
"""Floating point may put a difference that is exactly the limit just below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricMismatch(Check[Evaluation]):
    """Reported metrics that differ from what the model scores on the sealed rows.

    The model is scored again on every row of the data by a minimal evaluator that shares
    nothing with the project's metric code, and each reported number is held against the
    result. A metric script that drops errors, rounds up or is edited afterwards reports
    something else than that.

    Limits:
        It shows that a number is wrong, not that the data behind it is right: poisoned or
        leaked test rows give honest wrong numbers. A reported name that is not known here
        cannot be recomputed, and the assessment then fails rather than passes. Weighted
        averages and thresholds other than the largest score are not known.

    Args:
        max_difference: Differences from here on are a finding, as a share: 0.001 is a tenth
            of a point, twice what rounding to three decimals can cause. For metrics without
            a scale of their own (losses, errors of regression) it is relative to the value
            where that is above 1.

    References:
        The metrics as scikit-learn 1.5 defines them, "Metrics and scoring".
    """

    title: ClassVar[str] = "Reported metric that the model does not reach"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-4"),)
    subject: ClassVar[type] = Evaluation

    max_difference: float = 0.001

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding for each reported metric that differs.

        Raises:
            NotApplicable: No metric is reported.
            UnavailableError: A reported metric cannot be recomputed.
            UsageError: The data has no label column.
        """
        from hauberk.methods.scoring import computed, judge_rows, metric_name

        if not subject.reported:
            raise NotApplicable("no metric is reported for the model")
        meant = {reported: metric_name(reported) for reported in subject.reported}
        judged = judge_rows(subject.predictor, subject.data)
        found = computed(judged, {name for name in meant.values() if name})
        for reported, value in subject.reported.items():
            actual = found.get(meant[reported] or "")
            if actual is not None and self._differs(value, actual):
                yield self._finding(subject, reported, value, actual, judged.n_rows)
        unknown = [reported for reported, name in meant.items() if name not in found]
        if unknown:
            raise _unknown(subject, unknown)

    def _differs(self, reported: float, actual: float) -> bool:
        if not math.isfinite(reported):
            return True
        scale = max(1.0, abs(actual))
        return abs(reported - actual) >= (self.max_difference - _ROUNDING) * scale

    def _finding(
        self, subject: Evaluation, name: str, reported: float, actual: float, n_rows: int
    ) -> Finding:
        return Finding(
            message=f"{subject.model.name}: {name} is reported as {reported:.6g}, and the model "
            f"scores {actual:.6g} on the {n_rows} rows of {subject.data.name}",
            path=subject.model.name,
            severity=Severity.HIGH,
            remedy="Do not use the reported number; find out what the metric step does to the "
            "rows, and who changed the report after the run.",
            location=Location(field=name),
            evidence=Evidence(
                statistic=f"difference of {name} from its recomputed value",
                value=abs(reported - actual) if math.isfinite(reported) else None,
                threshold=self.max_difference,
                n=n_rows,
                facts={"reported": repr(reported), "recomputed": repr(actual)},
            ),
        )


def _unknown(subject: Evaluation, names: list[str]) -> UnavailableError:
    from hauberk.methods.scoring import metric_names

    return UnavailableError(
        f"{subject.model.name}: {', '.join(sorted(names))} cannot be recomputed",
        subject=subject.model.name,
        rule="every reported metric is recomputed before it is believed",
        expected="one of: " + ", ".join(metric_names()),
        found=", ".join(sorted(names)),
        hint="report the metric under one of these names, or leave it out of the report",
    )
