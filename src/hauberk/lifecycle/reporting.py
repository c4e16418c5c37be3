"""Small ways of making and joining step reports; the words that users read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hauberk.core.finding import Outcome
from hauberk.core.policy import Decision, Verdict
from hauberk.core.record import Section, StepReport, StepState

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.core.finding import Assessment
    from hauberk.core.lifecycle import Component


def not_declared(component: Component, what: str) -> StepReport:
    """A component for which the lifecycle file declares nothing to do."""
    return StepReport(component=component, state=StepState.NOT_RUN, summary=what, reason=what)


def with_gate(report: StepReport, verdict: Verdict) -> StepReport:
    """``report`` with what the gate at its door said; anything but allow refuses."""
    report = replace(report, assessments=(*report.assessments, *verdict.assessments))
    if verdict.decision is Decision.ALLOW:
        return report
    return replace(report, state=StepState.REFUSED, reason=why(verdict))


def why(verdict: Verdict) -> str:
    """One sentence on why a gate did not allow."""
    if verdict.denied_by:
        first = verdict.denied_by[0]
        more = f" (and {len(verdict.denied_by) - 1} more)" if len(verdict.denied_by) > 1 else ""
        return f"{first.control}: {first.message}{more}"
    failed = verdict.not_assessed[0]
    return f"{failed.control} could not judge {failed.path}: {failed.reason}"


def joined(component: Component, reports: Sequence[StepReport]) -> StepReport:
    """Several steps of one component as one report; the worst state counts."""
    order = (StepState.SKIPPED, StepState.DONE, StepState.FAILED, StepState.REFUSED)
    worst = max((report.state for report in reports), key=order.index)
    return StepReport(
        component=component,
        state=worst,
        summary="; ".join(report.summary for report in reports),
        started=reports[0].started,
        seconds=sum(report.seconds for report in reports),
        isolation=reports[0].isolation,
        evidence=reports[0].evidence,
        inputs=_merged(report.inputs for report in reports),
        outputs=_merged(report.outputs for report in reports),
        assessments=tuple(item for report in reports for item in report.assessments),
        attestations=tuple(item for report in reports for item in report.attestations),
        sections=tuple(item for report in reports for item in report.sections),
        reason="; ".join(report.reason for report in reports if report.reason),
    )


def checks(assessments: Sequence[Assessment]) -> Section:
    """What was checked, one row per control."""
    rows = tuple((item.control, _said(item)) for item in assessments)
    return Section(title="Checks", rows=rows)


def _said(item: Assessment) -> str:
    if item.outcome is Outcome.CLEAN:
        return "nothing found"
    return f"{item.outcome.value.replace('_', ' ')}: {item.reason}"


def _merged(maps: Iterable[Mapping[str, Digest]]) -> dict[str, Digest]:
    return {path: digest for item in maps for path, digest in item.items()}
