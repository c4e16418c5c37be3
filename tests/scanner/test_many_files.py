"""Folders of more files than one scan takes: what is read is judged, the rest is never clean."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.methods.pickle_writing import call, name, text, whole
from hauberk.scanner import locating


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(locating, "MAX_FILES", 6)
    root = tmp_path / "models"
    (root / "b").mkdir(parents=True)
    for place in ("1.pkl", "2.pkl", "3.pkl", "b/1.pkl", "b/2.pkl"):
        (root / place).write_bytes(pickle.dumps({"a": [1]}))
    return root


def told(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    code = main(["scan", str(folder), "--format", "json", "--jobs", "1"])
    found = json.loads(capsys.readouterr().out)["assessments"]
    return code, {str(Path(item["path"]).relative_to(folder)): item["outcome"] for item in found}


def test_as_many_files_as_may_be_are_judged(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, outcomes = told(folder, capsys)
    assert code == 0
    assert list(outcomes.values()) == ["clean"] * 5


def test_a_folder_with_which_there_are_too_many_is_not_judged(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b" / "3.pkl").write_bytes(pickle.dumps(1))
    code, outcomes = told(folder, capsys)
    assert code == 3
    assert outcomes == {"1.pkl": "clean", "2.pkl": "clean", "3.pkl": "clean", "b": "failed"}


def test_what_was_found_before_there_were_too_many_counts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b" / "3.pkl").write_bytes(pickle.dumps(1))
    (folder / "2.pkl").write_bytes(whole(call(name("os.system"), text("echo canary"))))
    code, outcomes = told(folder, capsys)
    assert code == 1
    assert outcomes["b"] == "failed"
