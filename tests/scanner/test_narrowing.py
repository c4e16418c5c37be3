"""Baselines, changes, allowances and imports."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from hauberk.errors import UsageError
from hauberk.report.scan import scan_text
from hauberk.scanner import ScanOptions, scan
from hauberk.scanner.narrowing import Narrowing, baseline_text

DAY = date(2026, 1, 1)
BAD = "import pickle\nx = pickle.load(open('a', 'rb'))\n"


def messages(root: Path, **known: object) -> list[str]:
    narrowing = Narrowing(**known) if known else None  # type: ignore[arg-type]
    result = scan([root], options=ScanOptions(narrowing=narrowing), today=DAY)
    return [finding.control for finding in result.findings]


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text(BAD, "utf-8")
    return root


def test_what_is_left_out_is_counted_and_told(project, tmp_path):
    known = tmp_path / "baseline.json"
    first = scan([project], today=DAY)
    known.write_text(baseline_text(first.findings), "utf-8")
    options = ScanOptions(narrowing=Narrowing(baseline=known))
    result = scan([project], options=options, today=DAY)
    count = len(first.findings)
    assert result.summary["left_out"] == {"known to the baseline": count}
    assert f"Left out: {count} known to the baseline." in scan_text(result)


def test_a_baseline_leaves_out_what_it_knows_and_lines_may_move(project, tmp_path):
    known = tmp_path / "baseline.json"
    known.write_text(baseline_text(scan([project], today=DAY).findings), "utf-8")
    (project / "a.py").write_text("\n\n" + BAD, "utf-8")
    assert messages(project, baseline=known) == []


def test_something_new_is_told_beside_a_baseline(project, tmp_path):
    known = tmp_path / "baseline.json"
    known.write_text(baseline_text(scan([project], today=DAY).findings), "utf-8")
    (project / "b.py").write_text("import os\nos.system(f'a {x}')\n", "utf-8")
    assert messages(project, baseline=known) == ["code/code-execution"]


def test_a_change_is_told_and_what_stood_there_before_is_not(project):
    for words in (
        ("init", "-q", "."),
        ("add", "-A"),
        ("-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)
    (project / "a.py").write_text(BAD + "import os\nos.system(f'a {x}')\n", "utf-8")
    assert messages(project, diff="HEAD") == ["code/code-execution"]


def test_a_changed_line_is_told_by_the_finding_that_speaks_for_many(project):
    download = "requests.get('http://files.acme-data.net/{}.csv')\n"
    text = "import requests\n" + "".join(download.format(n) for n in range(7))
    (project / "a.py").write_text(text, "utf-8")
    for words in (
        ("init", "-q", "."),
        ("add", "-A"),
        ("-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)
    assert messages(project, diff="HEAD") == []
    (project / "a.py").write_text(text + download.format("new"), "utf-8")
    assert messages(project, diff="HEAD") == ["code/insecure-downloads"]


def test_a_base_that_is_no_commit_is_a_usage_error(project):
    with pytest.raises(UsageError):
        messages(project, diff="nowhere")


def test_an_allowance_needs_a_reason(project, tmp_path):
    path = tmp_path / "allow.toml"
    path.write_text('[[allow]]\ncontrol = "code/unsafe-deserialization"\npath = "a.py"\n', "utf-8")
    with pytest.raises(UsageError, match="reason"):
        messages(project, allow=path)
    path.write_text(path.read_text("utf-8") + 'reason = "our own cache"\n', "utf-8")
    assert messages(project, allow=path) == []


def sarif(line: int) -> str:
    region = {"startLine": line}
    place = {"artifactLocation": {"uri": "a.py"}, "region": region}
    result = {
        "ruleId": "B301",
        "level": "warning",
        "message": {"text": "pickle"},
        "locations": [{"physicalLocation": place}],
    }
    run = {"tool": {"driver": {"name": "Other", "rules": []}}, "results": [result]}
    return json.dumps({"version": "2.1.0", "runs": [run]})


def test_one_site_gives_one_finding_with_its_sources(project, tmp_path):
    path = tmp_path / "other.sarif"
    path.write_text(sarif(2), "utf-8")
    options = ScanOptions(narrowing=Narrowing(imports=(path,)))
    (finding,) = scan([project], options=options, today=DAY).findings
    assert finding.evidence.facts["sources"] == "hauberk, other:B301"


def test_another_site_gives_a_finding_of_its_own(project, tmp_path):
    path = tmp_path / "other.sarif"
    path.write_text(sarif(1), "utf-8")
    assert messages(project, imports=(path,)) == ["code/unsafe-deserialization", "imported/other"]


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": 3}'])
def test_a_file_that_is_no_sarif_is_a_usage_error(project, tmp_path, text):
    path = tmp_path / "other.sarif"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError):
        messages(project, imports=(path,))
