"""Long reports are written in pieces, and read like any JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hauberk.core.finding import Assessment, Finding, Outcome, Severity
from hauberk.report import ScanResult, scan_sarif, scan_sarif_pieces, scan_text, scan_text_pieces
from hauberk.report.json_pieces import json_pieces

VALUES: tuple[Any, ...] = (
    {},
    [],
    {"a": [], "b": {}},
    {"a": [1, {"b": ["x\n", None]}], "c": 'a "quoted" word', "é": 1.5},
    [[], [[]], {"deep": [{"er": {}}]}],
)


@pytest.mark.parametrize("value", VALUES)
def test_pieces_join_to_what_the_standard_library_writes(value: Any) -> None:
    assert "".join(json_pieces(value)) == json.dumps(value, indent=2, ensure_ascii=False)


@pytest.mark.parametrize("items", [[], [1], [{"a": [1, 2]}, "x"]])
def test_an_iterator_stands_for_a_list(items: list[Any]) -> None:
    told = "".join(json_pieces({"runs": [{"results": iter(items)}]}))
    assert told == json.dumps({"runs": [{"results": items}]}, indent=2, ensure_ascii=False)


def result(count: int) -> ScanResult:
    found = Finding(message="m", path="p", severity=Severity.HIGH, remedy="r", control="c/d")
    assessed = Assessment(control="c/d", path="p", outcome=Outcome.FAILED, reason="why")
    return ScanResult(findings=(found,) * count, assessments=(assessed,) * count)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_no_piece_of_a_report_grows_with_the_number_of_findings(count: int) -> None:
    logs, lines = list(scan_sarif_pieces(result(count))), list(scan_text_pieces(result(count)))
    assert "".join(logs) == scan_sarif(result(count))
    assert "".join(lines) == scan_text(result(count))
    assert len(json.loads("".join(logs))["runs"][0]["results"]) == count
    assert max(map(len, [*logs, *lines])) < 3000
