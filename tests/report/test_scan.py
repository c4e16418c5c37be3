import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.example_record import HOSTILE, assessments, findings

from hauberk.core.finding import Assessment, Evidence, Finding, Outcome, Severity
from hauberk.report import ScanResult, scan_html, scan_json, scan_text


def _result() -> ScanResult:
    return ScanResult(
        findings=findings(), assessments=assessments(), summary={"paths": ["data"], "exit_code": 1}
    )


def _schema() -> Any:
    return json.loads(files("hauberk.report").joinpath("scan.schema.json").read_text("utf-8"))


def test_the_shipped_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(_schema())


def test_json_of_a_scan_fits_the_shipped_schema():
    jsonschema.validate(json.loads(scan_json(_result())), _schema())


def test_json_of_an_empty_scan_fits_the_shipped_schema():
    empty = ScanResult(findings=(), assessments=())
    jsonschema.validate(json.loads(scan_json(empty)), _schema())


def test_json_counts_every_severity_and_outcome():
    summary = json.loads(scan_json(_result()))["summary"]
    assert summary["severities"] == {"critical": 1, "high": 1, "medium": 1, "low": 1}
    assert summary["assessments"] == {"clean": 1, "flagged": 4, "not_applicable": 1, "failed": 1}
    assert summary["exit_code"] == 1


def test_location_in_json_holds_only_what_is_known():
    first = json.loads(scan_json(_result()))["findings"][0]
    assert first["location"] == {"rows": [12, 77, 1204], "field": "approve"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_carry_becomes_null(value: float):
    finding = Finding(
        message="m",
        path="p",
        severity=Severity.LOW,
        remedy="r",
        evidence=Evidence(statistic="s", value=value),
    )
    document = json.loads(scan_json(ScanResult(findings=(finding,), assessments=())))
    assert document["findings"][0]["evidence"]["value"] is None


@given(text=st.text(st.characters(codec=None), max_size=40))
def test_json_is_valid_utf8_whatever_a_path_is_called(text: str):
    assessment = Assessment(control="c/d", path=text, outcome=Outcome.CLEAN)
    written = scan_json(ScanResult(findings=(), assessments=(assessment,)))
    assert json.loads(written.encode("utf-8"))["assessments"][0]["control"] == "c/d"


@given(text=st.text(st.characters(codec=None), max_size=200))
def test_text_holds_no_character_that_acts_on_the_terminal(text: str):
    finding = Finding(message=text, path=text, severity=Severity.HIGH, remedy=text)
    written = scan_text(ScanResult(findings=(finding,), assessments=()))
    assert all(char == "\n" or char.isprintable() for char in written)


def test_text_fits_80_columns():
    assert max(map(len, scan_text(_result()).splitlines())) <= 80


def test_text_has_colour_only_if_asked():
    assert "\x1b" not in scan_text(_result())
    assert "\x1b[1;31mCRITICAL" in scan_text(_result(), colour=True)


def test_text_lists_the_worst_finding_first():
    words = [line.split()[0] for line in scan_text(_result()).splitlines() if line[:1].isupper()]
    assert words[:4] == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]


def test_text_says_what_could_not_be_judged():
    assert "NOT JUDGED data/applications.csv by dataset/near-copies" in scan_text(_result())


def test_text_of_an_empty_scan_does_not_claim_safety():
    empty = ScanResult(findings=(), assessments=())
    assert "Nothing was assessed: this says nothing of safety." in scan_text(empty)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_page_of_a_scan_lets_no_hostile_string_become_markup(hostile: str):
    finding = Finding(message=hostile, path=hostile, severity=Severity.HIGH, remedy=hostile)
    page = scan_html(ScanResult(findings=(finding,), assessments=()))
    assert "<script" not in page
    assert "<img" not in page
    assert "<iframe" not in page


def test_page_of_an_unfinished_scan_is_not_called_clean():
    failed = Assessment(control="c/d", path="p", outcome=Outcome.FAILED, reason="no reader")
    page = scan_html(ScanResult(findings=(), assessments=(failed,)))
    assert "Nothing found, but not everything could be judged" in page


def test_page_of_a_scan_with_nothing_grave_asks_for_care_only():
    finding = Finding(message="m", path="p", severity=Severity.LOW, remedy="r")
    page = scan_html(ScanResult(findings=(finding,), assessments=(), summary={"paths": ["a", "b"]}))
    assert 'class="verdict caution"' in page
    assert "<dd>a, b</dd>" in page
