"""What `hauberk init` makes of projects as other people lay them out."""

from __future__ import annotations

import bz2
from pathlib import Path
from textwrap import dedent

import pytest

from hauberk.core.lifecycle import Component
from hauberk.lifecycle import propose
from hauberk.lifecycle.layout import Layout
from hauberk.lifecycle.plan import Plan
from hauberk.lifecycle.script_files import read_script
from hauberk.lifecycle.settings import load


def project(root: Path, **files: str) -> Path:
    """Files by their paths, with ``__`` for a slash and ``_py`` for an ending."""
    for name, text in files.items():
        path = root / (name.replace("__", "/").replace("_py", ".py").replace("_csv", ".csv"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip())
    return root


def planned(root: Path) -> Plan:
    (root / "hauberk.toml").write_text(propose.write(propose.look(root)))
    return Layout(load(root)).plan()


HOUSES = "rooms,area,price\n3,80,200\n4,90,240\n"
CLEAN = """
    from pathlib import Path
    import pandas as pd
    ROOT = Path(__file__).resolve().parents[1]
    raw = pd.read_csv(ROOT / "data" / "houses.csv")
    raw.dropna().to_csv(ROOT / "data" / "rooms.csv", index=False)
"""
TRAIN = """
    import argparse, os, pickle
    import pandas as pd
    from sklearn.linear_model import Ridge
    TARGET = "price"
    def parsed():
        parser = argparse.ArgumentParser()
        parser.add_argument("--model-out", default="models/ridge.pkl")
        return parser.parse_args()
    args = parsed()
    table = pd.read_csv(os.path.join("data", "rooms.csv"))
    x, y = table.drop(columns=[TARGET]), table[TARGET]
    with open(args.model_out, "wb") as file:
        pickle.dump(Ridge().fit(x, y), file)
"""


def test_a_path_that_a_script_only_writes_is_no_input(tmp_path: Path) -> None:
    # The made table lies there already, from an earlier run of the project.
    project(
        tmp_path, data__houses_csv=HOUSES, data__rooms_csv=HOUSES, src__a_py=CLEAN, src__b_py=TRAIN
    )
    plan = planned(tmp_path)
    assert list(plan.sources) == ["data/houses.csv"]
    assert [step.table.inputs for step in plan.steps] == [("data/houses.csv",)]
    assert plan.steps[0].table.outputs == ("data/rooms.csv",)


def test_a_whole_table_is_replaced_by_its_training_part(tmp_path: Path) -> None:
    project(tmp_path, data__houses_csv=HOUSES, src__a_py=CLEAN, src__b_py=TRAIN)
    assert planned(tmp_path).model == "models/ridge.pkl"
    assert 'at = { "data/rooms.csv" = "train" }' in (tmp_path / "hauberk.toml").read_text()
    assert 'label = "price"' in (tmp_path / "hauberk.toml").read_text()


def test_a_script_that_splits_is_the_preparation(tmp_path: Path) -> None:
    split = """
        import pandas as pd
        from sklearn.model_selection import train_test_split
        out = "parts/"
        a, b = train_test_split(pd.read_csv("data/houses.csv"))
        a.to_csv(out + "train.csv")
        b.to_csv(f"{out}test.csv")
    """
    train = TRAIN.replace('os.path.join("data", "rooms.csv")', '"parts/train.csv"')
    project(tmp_path, data__houses_csv=HOUSES, split_py=split, fit_py=train)
    planned(tmp_path)
    table = load(tmp_path).table(Component.PREPARATION)
    assert table.run == "python split.py"
    assert (table.train, table.test) == ("parts/train.csv", "parts/test.csv")


def test_steps_stand_behind_those_whose_tables_they_read(tmp_path: Path) -> None:
    first = 'import pandas as p; p.read_csv("houses.csv").to_parquet("b.parquet")'
    second = 'import pandas as p; p.read_parquet("b.parquet").to_csv("c.csv")'
    project(tmp_path, houses_csv=HOUSES, z_py=first, a_py=second)
    found = propose.look(tmp_path)
    assert [script.path for script in found.steps] == ["z.py", "a.py"]
    assert found.raw == ("houses.csv",)


def test_steps_in_a_circle_end(tmp_path: Path) -> None:
    first = 'import pandas as p; p.read_csv("a.csv").to_csv("b.csv")'
    second = 'import pandas as p; p.read_csv("b.csv").to_csv("a.csv")'
    project(tmp_path, x_py=first, y_py=second)
    assert len(propose.look(tmp_path).steps) == 2


def test_a_missing_source_is_said(tmp_path: Path) -> None:
    project(tmp_path, src__a_py=CLEAN, src__b_py=TRAIN)
    text = propose.write(propose.look(tmp_path))
    assert "# ? a script reads this, and it is not here" in text
    assert 'uri = "data/houses.csv"' in text


def test_names_in_a_packed_table_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.bz2"
    path.write_bytes(bz2.compress(b"age,income\n1,2\n"))
    assert propose.columns_of(path) == ("age", "income")
    path.write_bytes(b"no archive")
    assert propose.columns_of(path) == ()


def test_a_table_without_names_has_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("5.1,3.5,setosa\n")
    assert propose.columns_of(path) == ()


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("import numpy as n\nn.savez(file='x/a.npz', x=n.load('b.npz'))", ["b.npz"], ["x/a.npz"]),
        ("from pathlib import Path\nPath('a.csv').write_text('')", [], ["a.csv"]),
        ("from pathlib import Path\nPath('a.csv').open('w').write('')", [], ["a.csv"]),
        ("open('a.csv')\nopen('b.csv', mode='a')", ["a.csv"], ["b.csv"]),
        ("import os\nd = os.path.dirname(__file__)\nopen(os.path.join(d, 'a.csv'))", ["a.csv"], []),
        ("import torch\ntorch.save(m.state_dict(), 'm.pt')", [], ["m.pt"]),
        ("open('../outside.csv')\nopen('/etc/passwd.csv')", [], []),
        ("open(x)\nopen(x / 'a.csv')\nx = x / x", [], []),
        ("def (", [], []),
    ],
)
def test_what_a_script_reads_and_writes(
    tmp_path: Path, text: str, reads: list[str], writes: list[str]
) -> None:
    (tmp_path / "s.py").write_text(text)
    script = read_script(tmp_path, "s.py")
    assert (list(script.reads), list(script.writes)) == (reads, writes)


@pytest.mark.parametrize(
    "text",
    [
        'y = df["risk"]',
        'y_train = df["risk"].astype(int).to_numpy()',
        'labels = df.pop("risk")',
        'X = df.drop("risk", axis=1)',
        'LABEL_COL = "risk"',
        'm.fit(df[features], df["risk"])',
        'y = df.loc[:, "risk"].values',
    ],
)
def test_the_column_that_is_predicted(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.py").write_text(text)
    assert read_script(tmp_path, "s.py").target == "risk"


@pytest.mark.parametrize("text", ['x = df["risk"]', 'df.drop(columns=["a", "b"])', "y = f(x)"])
def test_no_column_is_made_up(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.py").write_text(text)
    assert read_script(tmp_path, "s.py").target is None
