"""Every way a lifecycle file can be wrong ends in a usage error that names place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.core.finding import Severity
from hauberk.core.lifecycle import Component
from hauberk.core.policy import Policy
from hauberk.errors import UsageError
from hauberk.lifecycle.layout import Layout
from hauberk.lifecycle.settings import load, size_bytes
from hauberk.lifecycle.tables import Source

GOOD = """\
[project]
name = "p"

[acquisition.raw]
uri = "data/raw.csv"
label = "y"
sensitive = ["sex"]

[preprocessing.clean]
run = "python clean.py"
inputs = ["data/raw.csv"]
outputs = ["data/clean.csv"]

[preparation]
split = { test = 0.2, validation = 0.2 }

[training]
run = "python train.py"
outputs = ["model.joblib"]
"""


def settings_of(root: Path, text: str, name: str = "hauberk.toml"):
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "raw.csv").write_text("x,y\n1,0\n")
    (root / name).write_text(text)
    return load(root)


def planned(root: Path, text: str):
    return Layout(settings_of(root, text)).plan()


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, GOOD)
    assert settings.project.name == "p"
    assert settings.table(Component.ACQUISITION)["raw"].sensitive == ("sex",)
    assert settings.policy_over(Policy(fail_on=Severity.LOW)).fail_on is Severity.LOW


def test_the_plan_knows_every_path(tmp_path: Path) -> None:
    plan = planned(tmp_path, GOOD)
    assert plan.split_from == "data/clean.csv"
    assert plan.prepared == {
        "train": "data/train.csv",
        "validation": "data/validation.csv",
        "test": "data/test.csv",
    }
    assert plan.training.table.inputs == ("data/train.csv", "data/validation.csv")
    assert (plan.model, plan.label, plan.sensitive) == ("model.joblib", "y", ("sex",))


def test_pyproject_holds_it_as_well(tmp_path: Path) -> None:
    text = GOOD.replace("[", "[tool.hauberk.").replace('= [tool.hauberk."', '= ["')
    assert settings_of(tmp_path, text, "pyproject.toml").project.name == "p"


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert "hauberk init" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("old", "new", "place", "expected"),
    [
        ('label = "y"', 'lable = "y"', "line 6", "did you mean label"),
        ("[training]", "[trainning]", "line 17", "did you mean [training]"),
        ('name = "p"', "name = 3", "line 2", "a string"),
        ('run = "python train.py"', "run = true", "line 18", "a string"),
        ("test = 0.2", 'test = "much"', "line 15", "a number"),
        ('inputs = ["data/raw.csv"]', "inputs = 7", "line 11", '["...", "..."]'),
        ('uri = "data/raw.csv"\n', "", "line 4", "uri = ..."),
        ("[project]\n", "", "hauberk.toml", "project, policy, store, acquisition"),
        ("[acquisition.raw]", '[acquisition."../up"]', "line 4", "letters, digits"),
    ],
)
def test_a_wrong_key_names_its_line_and_what_was_expected(
    tmp_path: Path, old: str, new: str, place: str, expected: str
) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        settings_of(tmp_path, GOOD.replace(old, new, 1))
    assert place in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("data/clean.csv", "../clean.csv", "leaves the project"),
        ("data/clean.csv", "/etc/passwd", "leaves the project"),
        ("data/clean.csv", ".hauberk/x", "leaves the project"),
        ("data/clean.csv", "data/raw.csv", "made twice"),
        ('["data/clean.csv"]', "[]", "makes nothing"),
        ('inputs = ["data/raw.csv"]', 'inputs = ["data/none.csv"]', "an input is missing"),
        ('run = "python train.py"\n', "", "not declared"),
        ("[training]", '[training]\ninputs = ["data/test.csv"]', "sealed test set"),
        ("[preparation]", '[preparation]\ndata = "data/other.csv"', "made by nobody"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_anything_runs(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, GOOD.replace(old, new, 1))
    assert message in caught.value.message
    assert "hauberk.toml, line" in str(caught.value.subject)


def test_steps_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    circle = GOOD.replace('inputs = ["data/raw.csv"]', 'inputs = ["data/b.csv"]') + (
        '\n[preprocessing.back]\nrun = "python b.py"\n'
        'inputs = ["data/clean.csv"]\noutputs = ["data/b.csv"]\n'
    )
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, circle)
    assert caught.value.found == (
        "preprocessing.clean -> preprocessing.back -> preprocessing.clean"
    )


def test_steps_run_after_those_that_make_their_inputs(tmp_path: Path) -> None:
    text = GOOD + (
        '\n[preprocessing.a-first]\nrun = "python a.py"\n'
        'inputs = ["data/clean.csv"]\noutputs = ["data/a.csv"]\n'
    )
    names = [step.name for step in planned(tmp_path, text).steps]
    assert names == ["preprocessing.clean", "preprocessing.a-first"]


def test_no_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data are declared"):
        planned(tmp_path, GOOD.replace("[acquisition.raw]", "[serving]").split("uri")[0])


@pytest.mark.parametrize("text", ["= 3", "[a\n", "x = " + "[" * 5000])
def test_text_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="not TOML"):
        settings_of(tmp_path, text)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hauberk.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hauberk.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(UsageError, match="too large"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "size"), [("4GiB", 4 << 30), ("500MB", 500_000_000), ("12", 12), (" 1 KiB ", 1024)]
)
def test_sizes_are_read_with_their_units(text: str, size: int) -> None:
    assert size_bytes(text, Source(name="f", text=""), ()) == size


@pytest.mark.parametrize("text", ["", "much", "4TB", "-1GiB", "1e3", "9" * 40])
def test_a_size_without_a_known_unit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a size was expected"):
        size_bytes(text, Source(name="f", text=""), ("training", "limits"))


PLACED = GOOD.replace(
    'outputs = ["model.joblib"]',
    'outputs = ["model.joblib"]\nat = { "data/raw.csv" = "train" }\n'
    'collect = { "model.joblib" = "runs/**/model.joblib" }',
)


def test_a_part_may_lie_where_the_script_looks(tmp_path: Path) -> None:
    table = planned(tmp_path, PLACED).training.table
    assert table.at == {"data/raw.csv": "data/train.csv"}
    assert table.collect == {"model.joblib": "runs/**/model.joblib"}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('= "train" }', '= "test" }', "an input of the step"),
        ('= "train" }', '= "../secrets" }', "leaves the project"),
        ('"data/raw.csv" = "train"', '"/etc/passwd" = "train"', "leaves the project"),
        ('{ "model.joblib" = "runs', '{ "other.joblib" = "runs', "an output of the step"),
        ('"runs/**', '"../**', "leaves the project"),
    ],
)
def test_a_place_or_pattern_that_cannot_be_is_refused(tmp_path, old, new, found) -> None:
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, PLACED.replace(old, new))
    assert found in str(caught.value) + str(caught.value.details())
