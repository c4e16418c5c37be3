"""Other scanners that are called: their output is read, merged and never trusted to be there."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.core.finding import Outcome, Severity
from hauberk.errors import UsageError
from hauberk.scanner import engines
from hauberk.scanner.engines import ENGINES, FALLBACK, chosen, engine_assessments

CODE = "import pickle, subprocess\nx = pickle.load(open('a', 'rb'))\nassert x\n"


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "m.py").write_text(CODE, "utf-8")
    return folder


def fake(folder: Path, monkeypatch, body: str) -> None:
    """A program named like an engine, first on the search path."""
    folder.mkdir()
    path = folder / "betterleaks"
    path.write_text(f"#!{sys.executable}\nimport json, sys, time\n{body}\n", "utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


LEAK = """
at = sys.argv[sys.argv.index("--report-path") + 1]
place = {"physicalLocation": {"artifactLocation": {"uri": "m.py"}, "region": {"startLine": 3}}}
result = {"ruleId": "token", "message": {"text": "a token"}, "locations": [place]}
run = {"tool": {"driver": {"name": "betterleaks"}}, "results": [result]}
json.dump({"version": "2.1.0", "runs": [run]}, open(at, "w"))
"""


def scanned(tree, capsys, *words):
    main(["scan", str(tree), "--format", "json", *words])
    return json.loads(capsys.readouterr().out)


def test_without_an_engine_the_fallback_says_that_it_is_one(tree, capsys):
    assert scanned(tree, capsys)["summary"]["secrets"] == FALLBACK


@pytest.mark.skipif(engines.program(ENGINES["ruff"]) is None, reason="ruff is not installed")
def test_one_site_gives_one_finding_with_its_sources(tree, capsys):
    found = scanned(tree, capsys, "--engine", "ruff")["findings"]
    lines = [item["location"]["line"] for item in found]
    assert sorted(lines) == sorted(set(lines))
    loaded = next(item for item in found if item["location"]["line"] == 2)
    assert loaded["evidence"]["facts"]["sources"] == "hauberk, ruff:S301"
    asserted = next(item for item in found if item["location"]["line"] == 3)
    assert (asserted["severity"], asserted["level"]) == ("low", "review")


def test_a_leak_scanner_is_asked_and_its_report_merged(tree, tmp_path, monkeypatch, capsys):
    fake(tmp_path / "bin", monkeypatch, LEAK)
    told = scanned(tree, capsys, "--engine", "betterleaks")
    assert told["summary"]["engines"] == ["hauberk", "betterleaks"]
    assert any(item["control"] == "imported/betterleaks" for item in told["findings"])


@pytest.mark.parametrize("body", ["", "sys.exit(9)", LEAK + "\nsys.exit(126)", "open('x')"])
def test_an_engine_that_does_not_answer_failed_and_is_not_clean(tree, tmp_path, monkeypatch, body):
    fake(tmp_path / "bin", monkeypatch, body)
    (told,) = engine_assessments(chosen(["betterleaks"]), [tree])
    assert told.outcome is Outcome.FAILED


def test_an_engine_that_hangs_is_ended(tree, tmp_path, monkeypatch):
    fake(tmp_path / "bin", monkeypatch, "time.sleep(600)")
    (told,) = engine_assessments(chosen(["betterleaks"]), [tree], timeout_s=0.5)
    assert told.outcome is Outcome.FAILED
    assert "longer than" in told.reason


def test_a_program_inside_the_scanned_tree_is_not_run(tree, monkeypatch):
    fake(tree / "bin", monkeypatch, LEAK)
    (told,) = engine_assessments(chosen(["betterleaks"]), [tree])
    assert told.outcome is Outcome.FAILED
    assert "in what is scanned" in told.reason


@pytest.mark.parametrize("name", ["nothing", "betterleaks"])
def test_an_engine_that_is_not_there_is_a_usage_error(name, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(UsageError):
        chosen([name])


def test_no_engine_calls_everything_an_error():
    assert ENGINES["ruff"].ceiling is Severity.MEDIUM
