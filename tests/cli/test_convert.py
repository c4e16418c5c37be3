"""``hauberk convert``: what is written agrees with what was read, or nothing is written."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

from hauberk.cli import main
from hauberk.methods.pickle_writing import call, name, text, whole

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"])
LABELS = (FRAME["a"] > 0).astype(int)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.joblib"
    joblib.dump(RandomForestClassifier(5, random_state=0).fit(FRAME, LABELS), path)
    return path


def test_an_estimator_becomes_onnx_and_its_predictions_are_compared(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, target = tmp_path / "rows.csv", tmp_path / "model.onnx"
    FRAME.assign(y=LABELS).to_csv(table, index=False)
    words = ["convert", str(model), str(target), "--rows", str(table), "--label", "y"]
    assert main(words) == 0
    assert "60 rows compared" in capsys.readouterr().out
    assert main(["scan", str(target)]) == 0


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        DecisionTreeRegressor(max_depth=3, random_state=0),
        LinearSVC(random_state=0),
        make_pipeline(StandardScaler(), LinearSVC(random_state=0)),
        RidgeClassifier(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_models_without_probabilities_are_compared_too(
    estimator: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(estimator.fit(FRAME, LABELS), tmp_path / "model.joblib")  # type: ignore[attr-defined] # of sklearn
    target = tmp_path / "model.onnx"
    assert main(["convert", str(tmp_path / "model.joblib"), str(target)]) == 0
    assert "512 rows compared" in capsys.readouterr().out


def test_predictions_that_differ_leave_nothing_behind(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    assert main(["convert", str(model), str(target), "--tolerance", "-1"]) == 1
    assert not target.exists()


def test_a_dangerous_file_is_refused_before_it_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary, target = tmp_path / "canary", tmp_path / "model.onnx"
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(whole(call(name("os.system"), text(f"touch {canary}"))))
    assert main(["convert", str(bad), str(target)]) == 1
    assert "dangerous" in capsys.readouterr().err
    assert not canary.exists()
    assert not target.exists()


def test_unknown_names_want_an_owner_and_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.pkl"
    path.write_bytes(whole(name("shop.models.Ranker") + b")\x81}b"))
    words = ["convert", str(path), str(tmp_path / "own.onnx")]
    assert main(words) == 1
    assert "shop.models.Ranker" in capsys.readouterr().err
    assert main([*words, "--allow", "shop.models.Ranker"]) == 2
    allowed = ["--allow", "shop.models.Ranker", "--owner", "team", "--reason", "own code"]
    assert main([*words, *allowed]) == 1
    assert "cannot be loaded" in capsys.readouterr().err


def test_an_unknown_ending_and_an_existing_target_are_usage_errors(
    model: Path, tmp_path: Path
) -> None:
    assert main(["convert", str(model), str(tmp_path / "model.txt")]) == 2
    (tmp_path / "there.onnx").write_bytes(b"")
    assert main(["convert", str(model), str(tmp_path / "there.onnx")]) == 2
