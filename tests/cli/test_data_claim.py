"""`hauberk data claim`: was somebody's model trained on our set?"""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from hauberk.cli import main

COLUMNS = ["x", "y", "z"]


def _rows(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)).round(6), columns=COLUMNS)
    noisy = frame["x"] + 0.5 * frame["y"] + rng.normal(0, 0.7, n)
    return frame.assign(label=np.where(noisy > 0, "yes", "no"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("claims")
    sets = {"ours": _rows(1, 500), "kept": _rows(2, 400), "theirs": _rows(3, 500)}
    sets["few"] = sets["kept"].head(40)
    sets["mixed"] = pd.concat([sets["kept"], sets["ours"].head(50)])
    for name, rows in sets.items():
        rows.to_csv(where / f"{name}.csv", index=False)
    for name in ("ours", "theirs"):
        model = RandomForestClassifier(40, min_samples_leaf=3, random_state=0)
        model.fit(sets[name][COLUMNS], sets[name]["label"])
        joblib.dump(model, where / f"of-{name}.joblib")
    return where


def _claim(folder: Path, model: str, *more: str, kept: str = "kept.csv") -> int:
    rows = ["--set", str(folder / "ours.csv"), "--held-back", str(folder / kept)]
    return main(["data", "claim", str(folder / model), *rows, "--label", "label", *more])


def test_a_model_that_was_trained_on_the_set_is_named(folder, capsys):
    assert _claim(folder, "of-ours.joblib") == 1
    said = capsys.readouterr().out
    assert "is surer of 500 rows of the set than of 400 rows held back" in said
    assert "experimental" in said


def test_a_model_of_other_rows_of_the_same_source_is_let_pass(folder, capsys):
    assert _claim(folder, "of-theirs.joblib", "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["test"]["p_value"] > 0.01
    assert said["experimental"] is True


def test_held_back_rows_that_the_set_has_too_do_not_count(folder, capsys):
    assert _claim(folder, "of-ours.joblib", kept="mixed.csv") == 1
    assert "left out: 50 held-back rows" in capsys.readouterr().out


def test_too_few_rows_cannot_tell(folder, capsys):
    assert _claim(folder, "of-ours.joblib", kept="few.csv") == 3
    assert "40 rows of a kind are too few; 100 are needed" in capsys.readouterr().out


def test_the_set_against_itself_cannot_tell(folder, capsys):
    assert _claim(folder, "of-ours.joblib", kept="ours.csv") == 3
    assert "too few" in capsys.readouterr().out


def test_a_missing_file_is_a_mistake_of_the_caller(folder, capsys):
    assert _claim(folder, "of-ours.joblib", kept="none.csv") == 2
    assert "--held-back" in capsys.readouterr().err
