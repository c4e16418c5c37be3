"""SARIF: structure, references that lead somewhere, and fingerprints that last.

The asset is our own closed statement of the part of SARIF 2.1.0 that is written.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.example_record import HOSTILE, assessments, findings

from hauberk.core.finding import Finding, Location, Severity
from hauberk.report import ScanResult, scan_sarif
from hauberk.report.sarif import FINGERPRINT

_SCHEMA = Path(__file__).parents[1] / "assets" / "sarif_as_written.schema.json"


def _run(*found: Finding) -> dict[str, Any]:
    result = ScanResult(findings=found, assessments=assessments())
    log = json.loads(scan_sarif(result))
    jsonschema.validate(log, json.loads(_SCHEMA.read_text("utf-8")))
    run: dict[str, Any] = log["runs"][0]
    return run


def _marks(*found: Finding) -> list[str]:
    return [result["partialFingerprints"][FINGERPRINT] for result in _run(*found)["results"]]


def _finding(**changes: Any) -> Finding:
    plain = Finding(
        message="12 rows differ",
        path="data/a.csv",
        severity=Severity.HIGH,
        remedy="Look.",
        control="dataset/duplicates",
    )
    return replace(plain, **changes)


def test_every_kind_of_finding_is_written_as_the_standard_says():
    assert len(_run(*findings())["results"]) == 4


def test_a_scan_without_findings_is_a_valid_log():
    assert _run()["results"] == []


def test_every_result_points_at_its_rule():
    run = _run(*findings())
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[item["ruleIndex"]] for item in run["results"]] == [
        item["ruleId"] for item in run["results"]
    ]


def test_every_relationship_of_a_rule_leads_to_a_taxon():
    run = _run(*findings())
    taxa = {(one["name"], taxon["id"]) for one in run["taxonomies"] for taxon in one["taxa"]}
    used = {
        (link["target"]["toolComponent"]["name"], link["target"]["id"])
        for rule in run["tool"]["driver"]["rules"]
        for link in rule["relationships"]
    }
    assert used == taxa


def test_frameworks_are_named_with_the_catalogues_edition_and_words():
    taxonomies = {one["name"]: one for one in _run(*findings())["taxonomies"]}
    assert taxonomies["MITRE ATLAS"]["fullName"].startswith("MITRE ATLAS ")
    assert all(taxon["shortDescription"]["text"] for taxon in taxonomies["MITRE ATLAS"]["taxa"])


def test_a_review_is_a_result_for_a_person_without_a_level():
    review = next(item for item in _run(*findings())["results"] if item["kind"] == "review")
    assert review["level"] == "none"


def test_what_could_not_be_judged_is_a_notification():
    (said,) = _run()["invocations"][0]["toolExecutionNotifications"]
    assert said["message"]["text"].startswith("dataset/near-copies could not judge")


def test_a_fingerprint_does_not_move_with_lines_and_numbers():
    moved = _finding(message="14.5 rows differ", location=Location(line=90, offset=3))
    assert _marks(_finding(location=Location(line=3))) == _marks(moved)


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "data/b.csv"},
        {"control": "dataset/schema"},
        {"message": "Columns differ"},
        {"location": Location(field="age")},
        {"location": Location(inner=("x.zip",))},
    ],
)
def test_a_fingerprint_tells_findings_apart(changes: dict[str, Any]):
    assert _marks(_finding()) != _marks(_finding(**changes))


def test_equal_findings_get_numbers_in_their_order():
    marks = _marks(_finding(), _finding())
    assert [mark.rpartition(":")[2] for mark in marks] == ["1", "2"]
    assert len({mark.rpartition(":")[0] for mark in marks}) == 1


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("data/a.csv", "data/a.csv"),
        ("data/a b#1.csv", "data/a%20b%231.csv"),
        ("/srv/data", "file:///srv/data"),
        ("raw\udcff", "raw%FF"),
        ("c:d", "c%3Ad"),
        ("naïve.py", "na%C3%AFve.py"),
    ],
)
def test_a_path_becomes_a_uri(path: str, uri: str):
    (result,) = _run(_finding(path=path))["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == uri


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_is_written_as_the_standard_says(hostile: str):
    assert _run(_finding(path=hostile, message=hostile, control=hostile, remedy=""))["results"]


@settings(max_examples=30)
@given(text=st.text(st.characters(codec=None), min_size=1, max_size=30))
def test_any_text_is_written_as_the_standard_says(text: str):
    assert _run(_finding(path=text, message=text, location=Location(inner=(text,), field=text)))
