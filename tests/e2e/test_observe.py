"""Watching an unmodified project proposes a lifecycle file that then runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.lifecycle.layout import Layout
from hauberk.lifecycle.settings import load
from hauberk.range import sample

SPLIT = """\
lines = open("data/clean.csv").read().splitlines()
for name, part in (("train", lines[1:400]), ("test", lines[400:])):
    open(f"data/{name}.csv", "w").write("\\n".join([lines[0], *part]))
"""
TRAIN = """\
import pathlib, shutil
pathlib.Path("data/train.csv").read_text()
pathlib.Path("model.pkl").write_bytes(b"model")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "watched"
    sample.write_project(root)
    (root / "hauberk.toml").unlink()
    (root / "split.py").write_text(SPLIT)
    (root / "fit.py").write_text(TRAIN)
    return root


def observe(root: Path, *commands: str) -> int:
    words = [word for command in commands for word in ("--observe", command)]
    return main(["run", "--quiet", str(root), *words])


def test_what_was_seen_becomes_a_plan(project: Path) -> None:
    assert observe(project, "python steps/clean.py", "python split.py", "python fit.py") == 0
    plan = Layout(load(project)).plan()
    assert list(plan.sources) == ["data/examinations.csv"]
    assert plan.steps[0].table.outputs == ("data/clean.csv",)
    assert plan.prepared == {"train": "data/train.csv", "test": "data/test.csv"}
    assert plan.training.table.inputs == ("data/train.csv",)
    assert plan.model == "model.pkl"


def test_a_lifecycle_file_is_not_overwritten(project: Path) -> None:
    (project / "hauberk.toml").write_text("[project]\nname = 'mine'\n")
    assert observe(project, "python steps/clean.py") == 0
    assert "mine" in (project / "hauberk.toml").read_text()
    assert (project / "hauberk.proposed.toml").exists()


def test_the_record_says_observed_and_unsigned(project: Path) -> None:
    observe(project, "python steps/clean.py")
    (record,) = (project / ".hauberk" / "runs").glob("*/record.json")
    value = json.loads(record.read_text())
    assert value["isolation"] == "observe"
    assert value["steps"][0]["evidence"] == "observed"
    assert "unsigned" in value["trust"]["signatures"]


def test_a_command_that_fails_proposes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / "data")
    assert observe(project, "python steps/clean.py") == 2
    assert "an observed command fails" in capsys.readouterr().err
    assert not (project / "hauberk.toml").exists()
