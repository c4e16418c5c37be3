"""What a scan finds out about paths, and what it makes of them."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
from datetime import date
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from hauberk.cli import main
from hauberk.core.finding import Outcome, Severity
from hauberk.core.policy import Policy
from hauberk.errors import UsageError
from hauberk.methods.pickle_writing import call, name, text, whole
from hauberk.report import ScanResult
from hauberk.scanner import FileKind, ScanOptions, kind_of, locate, scan

PAYLOAD = whole(call(name("os.system"), text("id")))
TODAY = date(2026, 1, 1)


def scanned(
    *paths: Path, options: ScanOptions | None = None, policy: Policy | None = None
) -> ScanResult:
    return scan(paths, options=options, policy=policy, today=TODAY)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    points, labels = load_iris(return_X_y=True)
    for i, model in enumerate((LogisticRegression(max_iter=500), RandomForestClassifier(5))):
        fitted = model.fit(points, labels)
        (tmp_path / f"m{i}.pkl").write_bytes(pickle.dumps(fitted))
        joblib.dump(fitted, tmp_path / f"m{i}.joblib", compress=3)
    np.savez(tmp_path / "weights.npz", a=np.eye(3))
    return tmp_path


def test_ordinary_pickles_give_no_finding(models: Path) -> None:
    result = scanned(models)
    assert result.findings == ()
    assert result.summary["exit_code"] == 0
    assert {item.outcome for item in result.assessments} == {Outcome.CLEAN}


def test_one_payload_among_ordinary_files_fails_the_scan(models: Path) -> None:
    (models / "z.txt").write_bytes(PAYLOAD)
    result = scanned(models)
    assert [(item.severity, Path(item.path).name) for item in result.findings] == [
        (Severity.CRITICAL, "z.txt")
    ]
    assert result.summary["exit_code"] == 1


def test_the_severity_that_fails_is_policy(models: Path) -> None:
    (models / "unknown.pkl").write_bytes(whole(call(name("shop.Basket"))))
    assert scanned(models, policy=Policy(fail_on=Severity.LOW)).summary["exit_code"] == 0


def test_what_cannot_be_judged_is_no_pass(models: Path) -> None:
    (models / "m.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(50))
    result = scanned(models)
    assert result.summary["exit_code"] == 3
    assert [item.outcome for item in result.assessments].count(Outcome.FAILED) == 1


def test_an_unreadable_file_is_no_pass(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.pkl")
    result = scanned(tmp_path / "m.pkl")
    assert result.summary["exit_code"] == 3


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.pkl"
    outside.write_bytes(PAYLOAD)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.pkl").symlink_to(outside)
    result = scanned(folder)
    assert result.assessments == ()
    assert result.summary["unjudged"] == [str(folder / "link.pkl")]


def test_special_files_in_a_folder_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert scanned(tmp_path).summary["exit_code"] == 3


@pytest.mark.parametrize(
    ("data", "label", "kind"),
    [
        (PAYLOAD, "notes.csv", FileKind.MODEL),
        (b"a,b\n1,2\n3,4\n", "rows.pkl", FileKind.TABLE),
        (b'{"a": 1}\n{"a": 2}\n', "x", FileKind.TABLE),
        (b"import os\nprint(os.name)\n", "model.pkl", FileKind.TEXT),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "a.bin", FileKind.OTHER),
        (b"\x8f\x9c\x00\x01", "weights.bin", FileKind.MODEL),
        (b"\x8f\x9c\x00\x01", "thing", FileKind.OTHER),
        (b"", "__init__.py", FileKind.TEXT),
        (b"PAR1" + bytes(20), "t", FileKind.TABLE),
    ],
)
def test_kinds_follow_content(tmp_path: Path, data: bytes, label: str, kind: FileKind) -> None:
    path = tmp_path / label
    path.write_bytes(data)
    assert kind_of(path) is kind


def test_a_path_file_of_an_editable_install_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "dev.pth").write_text("# made by the installer\n/srv/churn/src\n../other\n")
    result = scanned(tmp_path)
    assert result.summary["exit_code"] == 0
    assert result.summary["n_unjudged"] == 0


def test_an_error_page_under_the_name_of_weights_is_no_path_file(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_text("404: Not Found\n")
    assert scanned(tmp_path).summary["exit_code"] == 3


def test_a_path_file_that_runs_something_is_told(tmp_path: Path) -> None:
    (tmp_path / "dev.pth").write_text("/srv/src\nimport os; os.system('id')\n")
    assert scanned(tmp_path).summary["exit_code"] == 1


def test_an_empty_module_is_judged(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    assert scanned(tmp_path).summary["n_unjudged"] == 0


def test_a_repository_is_one_tree_and_its_models_are_models(models: Path) -> None:
    (models / "train.py").write_text("print(1)\n")
    subprocess.run(["git", "init", "-q", str(models)], check=True)
    kinds = [item.kind for item in locate(models)]
    assert kinds.count("repository") == 1
    assert kinds.count(FileKind.MODEL) == 4


def test_a_path_that_is_not_there_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing at"):
        scanned(tmp_path / "none")


def test_a_missing_label_column_is_the_callers_mistake(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="label"):
        scanned(tmp_path / "t.csv", options=ScanOptions(label="y"))


def test_a_malformed_table_is_flagged(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + bytes(100))
    result = scanned(tmp_path / "t.parquet")
    assert [(item.control, item.outcome) for item in result.assessments] == [
        ("scanner/locate", Outcome.FLAGGED)
    ]


def test_an_older_version_is_compared(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("a,y\n" + "1,no\n2,yes\n" * 50)
    (tmp_path / "new.csv").write_text("a,y\n" + "1,yes\n2,yes\n" * 50)
    options = ScanOptions(label="y", against=tmp_path / "old.csv")
    result = scanned(tmp_path / "new.csv", options=options)
    assert "dataset/changed-labels" in {item.control for item in result.assessments}


def test_equal_scans_say_the_same(models: Path) -> None:
    (models / "z").write_bytes(PAYLOAD)
    first, second = scanned(models), scanned(models)
    assert first.findings == second.findings
    assert json.dumps(first.summary) == json.dumps(second.summary)


def test_a_column_of_what_is_no_table_is_a_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "settings.toml").write_text("a = 1\n")
    assert main(["scan", str(tmp_path / "settings.toml"), "--label", "a"]) == 2
    assert "--label" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--against", "--train", "--reference"])
def test_another_file_that_is_no_table_is_a_wrong_use_and_no_finding(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "README.md").write_text("# Title\n\n* one, two, three\n* a, b, c, d\n")
    arguments = ["scan", str(tmp_path / "rows.csv"), option, str(tmp_path / "README.md")]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert option in said.err
    assert "README.md" in said.err
    assert not said.out


def test_control_characters_in_a_cell_leave_a_table_a_table(tmp_path: Path) -> None:
    """Exports of old systems hold them; such a file must not go without its data controls."""
    lines = [f"{n},note {n}" for n in range(40)]
    lines[3] += "\x1a\x1a left over"
    path = tmp_path / "notes.csv"
    path.write_text("n,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    assert kind_of(path) is FileKind.TABLE
    path.write_bytes(b"n,text\n" + b"\x00\x01\x02\x03" * 40)
    assert kind_of(path) is FileKind.OTHER
