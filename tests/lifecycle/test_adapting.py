"""Programs of torch and boosters in a run: scored and exported like estimators."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hauberk.lifecycle.workers import native

NAMES = list("abcd")


def _rows(folder: Path) -> tuple[pd.DataFrame, Path]:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 120)
    rows = pd.DataFrame(rng.normal(size=(120, 4)) + kind[:, None], columns=NAMES)
    rows.assign(kind=kind).to_csv(folder / "rows.csv", index=False)
    return rows.assign(kind=kind), folder / "rows.csv"


def _scored(model: Path, table: Path, task: Any = native.score, **more: Any) -> Any:
    request = {"model": str(model), "table": str(table), "label": "kind", **more}
    said = json.loads(task(json.dumps(request).encode()))
    scores = np.frombuffer(base64.b64decode(said["scores"]), np.float64).reshape(said["shape"])
    return said, scores


def test_a_booster_is_scored_in_a_run(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    rows, table = _rows(tmp_path)
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1)
    model.fit(rows[NAMES], rows["kind"])
    model.booster_.save_model(tmp_path / "model.txt")
    said, scores = _scored(tmp_path / "model.txt", table)
    assert said["classes"] == ["0", "1", "2"]
    assert scores == pytest.approx(model.predict_proba(rows[NAMES]), abs=1e-6)


def test_a_booster_of_two_classes_gives_both(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    rows, table = _rows(tmp_path)
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1)
    model.fit(rows[NAMES], rows["kind"] > 0)
    model.booster_.save_model(tmp_path / "model.txt")
    said, scores = _scored(tmp_path / "model.txt", table)
    assert said["classes"] == ["0", "1"]
    assert scores == pytest.approx(model.predict_proba(rows[NAMES]), abs=1e-6)


def test_a_program_of_torch_is_scored_and_exported_with_the_same_scores(tmp_path):
    torch = pytest.importorskip("torch")
    _, table = _rows(tmp_path)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    torch.jit.trace(net.eval(), torch.zeros(2, 4)).save(str(tmp_path / "net.pt"))
    said, scores = _scored(tmp_path / "net.pt", table)
    assert said["classes"] == ["0", "1", "2"]
    assert scores.sum(axis=1) == pytest.approx(np.ones(120), abs=1e-5)
    request = {"model": str(tmp_path / "net.pt"), "table": str(table), "label": "kind"}
    made = json.loads(native.export(json.dumps(request).encode()))
    (tmp_path / "net.onnx").write_bytes(base64.b64decode(made["onnx"]))
    _, again = _scored(tmp_path / "net.onnx", table, native.score_onnx, features=NAMES)
    assert again == pytest.approx(scores, abs=1e-5)
