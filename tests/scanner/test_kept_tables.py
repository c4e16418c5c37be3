"""Tables judged once for the same bytes: what is kept of them, and when it is not believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from hauberk.core.finding import Outcome
from hauberk.report import scan_json
from hauberk.scanner import ScanOptions, scan, scanning

DAY = date(2026, 3, 1)
ROWS = "name,email,age\n" + "".join(f"n{i},p{i}@mail.org,{20 + i % 50}\n" for i in range(200))


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "rows.csv").write_text(ROWS, "utf-8")
    (root / "run.py").write_text("total = 1 + 1\n", "utf-8")
    return root


@pytest.fixture
def opened(monkeypatch):
    """Paths of what is opened to be judged."""
    paths = []
    plain = scanning._open

    def noted(located, found):
        paths.append(located.path.rpartition("/")[2])
        return plain(located, found)

    monkeypatch.setattr(scanning, "_open", noted)
    return paths


def told(root, **options):
    chosen = ScanOptions(**{"history": False, "cache": True, **options})
    return scan_json(scan([root], options=chosen, today=DAY))


def test_a_table_is_judged_once_and_told_the_same(tree, opened):
    cold = told(tree)
    assert "rows.csv" in cold
    assert opened.count("rows.csv") == 1
    assert told(tree) == cold
    assert opened.count("rows.csv") == 1
    assert told(tree, cache=False) == cold
    assert opened.count("rows.csv") == 2


def test_a_changed_table_is_judged_again(tree, opened):
    told(tree)
    (tree / "rows.csv").write_text(ROWS.replace("p7@mail.org", "none"), "utf-8")
    told(tree)
    assert opened.count("rows.csv") == 2


def test_a_table_whose_column_has_a_role_is_judged_each_time(tree, opened):
    told(tree, label="age")
    told(tree, label="age")
    assert opened.count("rows.csv") == 2


def test_a_table_that_could_not_be_judged_is_judged_each_time(tree, opened, monkeypatch):
    plain = scanning.assessments_of

    def failed(subject, optional=None):
        return [replace(item, outcome=Outcome.FAILED) for item in plain(subject, optional)]

    monkeypatch.setattr(scanning, "assessments_of", failed)
    told(tree)
    told(tree)
    assert opened.count("rows.csv") == 2


def test_a_table_that_changes_while_it_is_judged_is_not_kept(tree, opened, monkeypatch):
    plain = scanning.assessments_of

    def touched(subject, optional=None):
        (tree / "rows.csv").write_text(ROWS + "late,late@mail.org,1\n", "utf-8")
        return plain(subject, optional)

    monkeypatch.setattr(scanning, "assessments_of", touched)
    told(tree)
    (tree / "rows.csv").write_text(ROWS, "utf-8")
    told(tree)
    assert opened.count("rows.csv") == 2
