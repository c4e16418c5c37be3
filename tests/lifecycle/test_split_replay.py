"""Splits of the project's own that are done again: honest frames of pandas, and bent ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import train_test_split

from hauberk.controls.dataset.misdrawn_split import MisdrawnSplit
from hauberk.core.artifact import Splits
from hauberk.core.control import findings_of
from hauberk.errors import UsageError
from hauberk.formats.tables import open_table, table_of
from hauberk.lifecycle.data_engineering.preparation import SplitTable
from hauberk.lifecycle.data_engineering.splitting import drawn_again, write_parts


def frame(seed: int, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = np.where(rng.random(n) < 0.3, "risky", "good")
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "x": rng.normal(size=n).round(4),
            "k": rng.integers(0, 3, n),
            "y": label,
        }
    )


def on_disk(folder, name, rows):
    rows.to_csv(folder / name, index=False)
    return open_table(folder / name, label="y")


def split_of(folder, rows, seed, *, by_label, keep=None):
    """What a project's script writes, read back."""
    strata = rows.y if by_label else None
    rest, test = train_test_split(rows, test_size=0.2, random_state=seed, stratify=strata)
    strata = rest.y if by_label else None
    train, validation = train_test_split(rest, test_size=0.25, random_state=seed, stratify=strata)
    train = train if keep is None else keep(train)
    parts = {"train": train, "validation": validation, "test": test}
    return Splits(**{role: on_disk(folder, f"{role}.csv", part) for role, part in parts.items()})


def recipe(seed, *, by_label, by="sklearn"):
    return SplitTable(seed=seed, stratify="y" if by_label else None, by=by)


@pytest.mark.parametrize("by_label", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_an_honest_script_is_drawn_again_to_the_row(tmp_path, seed, by_label):
    rows = frame(seed)
    parts = split_of(tmp_path, rows, seed, by_label=by_label)
    again = drawn_again(on_disk(tmp_path, "raw.csv", rows), recipe(seed, by_label=by_label), parts)
    assert list(findings_of(MisdrawnSplit().check(again))) == []


@pytest.mark.parametrize(
    "keep",
    [
        lambda train: train[~((train.k == 1) & (train.y == "risky") & (train.id % 2 == 0))],
        lambda train: train.assign(y=train.y.where(train.id != train.id.min(), "risky ")),
        lambda train: pd.concat([train, train.head(1)]),
    ],
)
def test_rows_left_out_changed_or_repeated_are_told(tmp_path, keep):
    rows = frame(11)
    parts = split_of(tmp_path, rows, 11, by_label=True, keep=keep)
    again = drawn_again(on_disk(tmp_path, "raw.csv", rows), recipe(11, by_label=True), parts)
    (finding,) = findings_of(MisdrawnSplit().check(again))
    assert finding.message.startswith("train holds")
    assert "sklearn, test 0.2, validation 0.2, seed 11, stratify y" in finding.message


def test_another_seed_than_the_declared_one_is_told_of_every_part(tmp_path):
    rows = frame(12)
    parts = split_of(tmp_path, rows, 12, by_label=False)
    again = drawn_again(on_disk(tmp_path, "raw.csv", rows), recipe(13, by_label=False), parts)
    told = [finding.message.split()[0] for finding in findings_of(MisdrawnSplit().check(again))]
    assert told == ["train", "validation", "test"]


def test_a_split_by_hauberk_is_drawn_again_too(tmp_path):
    rows = frame(14)
    table = on_disk(tmp_path, "raw.csv", rows)
    declared = recipe(3, by_label=True, by="hauberk")
    names = {role: f"{role}.csv" for role in ("train", "validation", "test")}
    write_parts(table, declared, names, tmp_path)
    parts = Splits(**{role: open_table(tmp_path / name) for role, name in names.items()})
    assert list(findings_of(MisdrawnSplit().check(drawn_again(table, declared, parts)))) == []


def test_a_validation_part_that_nobody_made_is_not_asked_for(tmp_path):
    rows = frame(15)
    train, test = train_test_split(rows, test_size=0.2, random_state=1)
    parts = Splits(train=on_disk(tmp_path, "a.csv", train), test=on_disk(tmp_path, "b.csv", test))
    declared = SplitTable(validation=0.0, seed=1, by="sklearn")
    again = drawn_again(on_disk(tmp_path, "raw.csv", rows), declared, parts)
    assert list(findings_of(MisdrawnSplit().check(again))) == []


@pytest.mark.parametrize(
    ("split", "more", "expected"),
    [
        (SplitTable(by="dice"), {}, "no such way"),
        (SplitTable(by="sklearn"), {"group": "k"}, "knows no groups"),
        (SplitTable(by="sklearn", stratify="z"), {}, "not complete"),
        (SplitTable(by="sklearn", stratify="id"), {}, "cannot split so"),
    ],
)
def test_recipes_that_cannot_be_done_again_are_wrong_use(split, more, expected):
    table = table_of("t", [pa.RecordBatch.from_pandas(frame(1), preserve_index=False)], label="y")
    with pytest.raises(UsageError, match=expected):
        drawn_again(table, split, Splits(train=table, test=table), **more)
