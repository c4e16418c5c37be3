"""Hold assessments against a policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hauberk.core.finding import Assessment, Finding, Level, Outcome
from hauberk.core.policy import Decision, Policy, Verdict


def decide(
    assessments: Sequence[Assessment],
    policy: Policy,
    *,
    today: date,
    optional: frozenset[str] = frozenset(),
) -> Verdict:
    """What the gate says.

    1. A defect at or above the policy's severity denies, unless a waiver that has not
       expired names its threat and its exact subject.
    2. Else a required control that failed leaves the gate undecided, which is no pass.
    3. Findings of level ``review`` are shown and never deny by themselves.

    Args:
        today: Day on which waivers are judged.
        optional: Ids of controls that need something optional; not required by default.
    """
    defects = [
        finding
        for assessment in assessments
        for finding in assessment.findings
        if finding.level is Level.DEFECT and finding.severity.rank >= policy.fail_on.rank
    ]
    waived = tuple(finding for finding in defects if _is_waived(finding, policy, today))
    denied = tuple(finding for finding in defects if finding not in waived)
    failed = tuple(
        assessment
        for assessment in assessments
        if assessment.outcome is Outcome.FAILED and is_required(assessment, policy, optional)
    )
    return Verdict(
        decision=_decision(denied, failed),
        denied_by=denied,
        waived=waived,
        not_assessed=failed,
        assessments=tuple(assessments),
    )


def is_required(assessment: Assessment, policy: Policy, optional: frozenset[str]) -> bool:
    """Whether the gate needs this control to have been able to judge."""
    if policy.required is not None:
        return assessment.control in policy.required
    return assessment.control not in optional


def _decision(denied: tuple[Finding, ...], failed: tuple[Assessment, ...]) -> Decision:
    if denied:
        return Decision.DENY
    return Decision.UNDECIDED if failed else Decision.ALLOW


def _is_waived(finding: Finding, policy: Policy, today: date) -> bool:
    return any(
        waiver.threat in finding.threats
        and waiver.subject == finding.path
        and waiver.expires >= today
        for waiver in policy.waivers
    )
