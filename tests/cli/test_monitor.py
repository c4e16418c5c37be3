"""`hauberk monitor` as its users call it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import hauberk.report
from hauberk.cli import main


def _write(path: Path, seed: int, *, shift: float = 0.0, rows: int = 2000) -> Path:
    rng = np.random.default_rng(seed)
    age, income = rng.normal(40 + shift, 10, rows), rng.lognormal(10, 0.5, rows)
    town = rng.choice(["north", "south", "west"], rows)
    lines = [f"{a:.1f},{b:.0f},{c}" for a, b, c in zip(age, income, town, strict=True)]
    path.write_text("\n".join(["age,income,town", *lines]) + "\n", "utf-8")
    return path


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return _write(tmp_path / "train.csv", 1)


def _check(train: Path, live: Path, *more: str) -> int:
    return main(["monitor", "check", "--reference", str(train), str(live), *more])


def test_rows_like_those_of_training_are_let_through(train: Path, tmp_path: Path) -> None:
    assert _check(train, _write(tmp_path / "live.csv", 2)) == 0


def test_a_shifted_column_is_named_and_the_exit_code_says_so(
    train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = _write(tmp_path / "live.csv", 2, shift=5)
    assert _check(train, live, "--format", "json") == 1
    document = json.loads(capsys.readouterr().out)
    schema = Path(hauberk.report.__file__).with_name("scan.schema.json")
    jsonschema.validate(document, json.loads(schema.read_text("utf-8")))
    assert [item["location"]["field"] for item in document["findings"]] == ["age"]


def test_a_profile_says_the_same_as_the_rows_that_it_was_made_of(
    train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = _write(tmp_path / "live.csv", 2, shift=5)
    profile = tmp_path / "profile.json"
    assert main(["monitor", "profile", str(train), "--output", str(profile)]) == 0
    capsys.readouterr()
    said = []
    for reference in (train, profile):
        assert _check(reference, live) == 1
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_too_few_rows_are_no_pass(train: Path, tmp_path: Path) -> None:
    assert _check(train, _write(tmp_path / "live.csv", 2, rows=20)) == 3


def test_a_broken_profile_is_refused(
    train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "profile.json"
    broken.write_text('{"schema": 1}', "utf-8")
    assert _check(broken, train) == 1
    assert "profile.json" in capsys.readouterr().err


def test_a_reference_that_is_not_there_is_a_usage_error(train: Path, tmp_path: Path) -> None:
    assert _check(tmp_path / "none.csv", train) == 2


def test_a_page_is_written_where_it_is_asked_for(train: Path, tmp_path: Path) -> None:
    page = tmp_path / "drift.html"
    live = _write(tmp_path / "live.csv", 2, shift=5)
    assert _check(train, live, "--format", "html", "--output", str(page)) == 1
    assert "<svg" in page.read_text("utf-8")
