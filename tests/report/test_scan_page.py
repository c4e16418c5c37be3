"""What the heads of pages say of a scan and of an examination."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.report.examination_page import examination_html
from hauberk.report.scan_page import page
from hauberk.report.scan_result import ScanResult


def found(level: Level = Level.DEFECT, **evidence: object) -> Finding:
    return Finding(
        message="something",
        path="a.py",
        severity=Severity.HIGH,
        level=level,
        threats=(),
        remedy="mend it",
        location=Location(line=3),
        evidence=Evidence(statistic="rule over code", **evidence),  # type: ignore[arg-type]  # a test's
    )


def result(*findings: Finding, exit_code: int = 0) -> ScanResult:
    decision = {0: "allow", 1: "deny", 3: "undecided"}[exit_code]
    summary = {
        "paths": ["a.py"],
        "kinds": {"text": 1},
        "decision": decision,
        "exit_code": exit_code,
        "fail_on": "high",
        "unjudged": ["empty.txt"],
        "n_unjudged": 3,
    }
    return ScanResult(findings=findings, assessments=(), summary=summary)


def test_a_scan_that_passes_with_findings_for_review_says_why() -> None:
    text = page(result(found(Level.REVIEW)))
    assert (
        "passed, exit code 0; a finding of high or worse fails, findings for review do not" in text
    )
    assert "review do not" not in page(result(found(), exit_code=1))


def test_a_decision_by_another_policy_is_told_without_a_bound() -> None:
    told = result(found(), exit_code=1)
    summary = {name: value for name, value in told.summary.items() if name != "fail_on"}
    assert "failed, exit code 1<" in page(replace(told, summary=summary))


def test_paths_that_nothing_looks_at_are_counted() -> None:
    assert "empty.txt, and 2 more paths" in page(result())


def test_a_rule_is_no_statistic() -> None:
    assert "rule over code" not in page(result(found(), exit_code=1))
    assert "rule over code" in page(result(found(value=2.0), exit_code=1))


@pytest.mark.parametrize(
    ("findings", "exit_code", "heading"),
    [
        ((found(), found(Level.REVIEW)), 1, "1 finding against the model"),
        ((), 1, "A bound is broken"),
        ((), 0, "Nothing is proven against the model"),
        ((found(Level.REVIEW),), 0, "Nothing is proven against the model; 1 finding to look at"),
        ((), 3, "Not everything that was asked for could be judged"),
    ],
)
def test_an_examination_says_what_came_out(
    findings: tuple[Finding, ...], exit_code: int, heading: str
) -> None:
    text = examination_html("m.onnx", result(*findings, exit_code=exit_code), (), ())
    assert f"<h1>{heading}</h1>" in text
