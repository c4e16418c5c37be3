from __future__ import annotations

from datetime import date

from hauberk.core.finding import Assessment, Finding, Level, Outcome, Severity
from hauberk.core.policy import Decision, Policy, Waiver
from hauberk.core.threat import ThreatId
from hauberk.engine import decide

TODAY = date(2026, 6, 1)


def flagged(severity: Severity = Severity.HIGH, level: Level = Level.DEFECT) -> Assessment:
    finding = Finding(
        message="bad",
        path="m.pkl",
        severity=severity,
        remedy="r",
        level=level,
        control="model/x",
        threats=(ThreatId("EX-1"),),
    )
    return Assessment(control="model/x", path="m.pkl", outcome=Outcome.FLAGGED, findings=(finding,))


FAILED = Assessment(control="model/x", path="m.pkl", outcome=Outcome.FAILED, reason="unreadable")


def waiver(expires: date, subject: str = "m.pkl") -> Policy:
    return Policy(
        waivers=(Waiver(threat="EX-1", subject=subject, reason="ours", owner="o", expires=expires),)
    )


def test_nothing_found_is_allowed() -> None:
    assert decide([], Policy(), today=TODAY).decision is Decision.ALLOW


def test_a_defect_at_the_threshold_denies() -> None:
    assert decide([flagged()], Policy(), today=TODAY).exit_code == 1


def test_a_milder_defect_does_not_deny() -> None:
    verdict = decide([flagged(Severity.MEDIUM)], Policy(), today=TODAY)
    assert verdict.decision is Decision.ALLOW


def test_a_review_never_denies_by_itself() -> None:
    verdict = decide([flagged(Severity.CRITICAL, Level.REVIEW)], Policy(), today=TODAY)
    assert verdict.decision is Decision.ALLOW


def test_a_required_control_that_failed_is_no_pass() -> None:
    assert decide([FAILED], Policy(), today=TODAY).exit_code == 3


def test_an_optional_control_that_failed_is_not_missed() -> None:
    verdict = decide([FAILED], Policy(), today=TODAY, optional=frozenset({"model/x"}))
    assert verdict.decision is Decision.ALLOW


def test_a_policy_may_require_an_optional_control() -> None:
    policy = Policy(required=frozenset({"model/x"}))
    verdict = decide([FAILED], policy, today=TODAY, optional=frozenset({"model/x"}))
    assert verdict.decision is Decision.UNDECIDED


def test_something_found_outweighs_something_not_assessed() -> None:
    assert decide([flagged(), FAILED], Policy(), today=TODAY).exit_code == 1


def test_a_waiver_counts_on_its_last_day() -> None:
    verdict = decide([flagged()], waiver(TODAY), today=TODAY)
    assert verdict.decision is Decision.ALLOW
    assert len(verdict.waived) == 1


def test_an_expired_waiver_counts_for_nothing() -> None:
    verdict = decide([flagged()], waiver(date(2026, 5, 31)), today=TODAY)
    assert verdict.decision is Decision.DENY


def test_a_waiver_covers_its_own_subject_only() -> None:
    verdict = decide([flagged()], waiver(TODAY, subject="other.pkl"), today=TODAY)
    assert verdict.decision is Decision.DENY
