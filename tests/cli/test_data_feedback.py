"""`hauberk data feedback` as a user runs it."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from hauberk.cli import main

N_ACCOUNTS, N_EACH = 40, 20


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def points(rng, n_rows):
    """Points in three heaps, by name of the heap."""
    heap = rng.integers(0, 3, n_rows)
    middles = np.array([(0.0, 0.0), (4.0, 0.0), (0.0, 4.0)])
    return middles[heap] + rng.normal(0, 0.8, (n_rows, 2)), np.array(["red", "green", "blue"])[heap]


@pytest.fixture
def tables(tmp_path):
    """Honest feedback, rows learnt from so far, and canaries."""
    rng = np.random.default_rng(3)
    parts = []
    for name, n_rows in (("trusted", 120), ("canaries", 300)):
        x, y = points(rng, n_rows)
        rows = [(*map(float, row), label) for row, label in zip(x, y, strict=True)]
        parts.append(write(tmp_path / f"{name}.csv", ("a", "b", "said"), rows))
    x, y = points(rng, N_ACCOUNTS * N_EACH)
    honest = [
        (float(x[n, 0]), float(x[n, 1]), y[n], f"u{n % N_ACCOUNTS:02d}", n) for n in range(len(y))
    ]
    return tmp_path, honest, ["--trusted", parts[0], "--canaries", parts[1]]


def feedback(folder, rows):
    return write(folder / "votes.csv", ("a", "b", "said", "user", "at"), rows)


def sybils(honest, n_each=150):
    """Five accounts that call red points blue."""
    red = [row for row in honest if row[2] == "red"]
    return [
        (*red[(7 * n + k) % len(red)][:2], "blue", f"x{k}", n)
        for k in range(5)
        for n in range(n_each)
    ]


def run(path, *words):
    return main(["data", "feedback", path, "--label", "said", "--account", "user", *words])


def test_honest_feedback_is_adopted(tables, capsys):
    folder, honest, known = tables
    code = run(feedback(folder, honest), *known, "--output", str(folder / "ok.csv"))
    said = capsys.readouterr().out
    assert code == 0, said
    assert len((folder / "ok.csv").read_text().splitlines()) > len(honest) * 0.9
    assert "accounts push" not in said


def test_accounts_that_push_together_are_named_and_left_out(tables, capsys):
    folder, honest, known = tables
    path = feedback(folder, honest + sybils(honest))
    assert run(path, *known, "--output", str(folder / "ok.csv")) == 1
    said = capsys.readouterr().out
    assert "5 accounts push blue together: x0, x1, x2, x3, x4" in said
    assert "REFUSED" not in said
    assert '"x' not in (folder / "ok.csv").read_text()
    assert '"x0"' in (folder / "ok.held.csv").read_text()


def test_an_update_that_moves_a_class_is_refused_and_nothing_is_written(tables, capsys):
    """Everybody says blue to red rows: no account stands out, but the canaries do."""
    folder, honest, known = tables
    wrong = [(*row[:2], "blue" if row[2] == "red" else row[2], *row[3:]) for row in honest]
    assert run(feedback(folder, wrong), *known, "--output", str(folder / "ok.csv")) == 1
    assert "REFUSED: one class is moved to another" in capsys.readouterr().out
    assert not (folder / "ok.csv").exists()


def test_what_came_too_late_is_held_back(tables, capsys):
    folder, honest, _ = tables
    words = ["--time", "at", "--until", "599", "--output", str(folder / "ok.csv")]
    assert run(feedback(folder, honest), *words) == 0
    assert "200 too new" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--until", "3"], ["--time", "at"], ["--canaries", "c.csv"]])
def test_half_a_question_is_refused(tables, words):
    folder, honest, _ = tables
    assert run(feedback(folder, honest), *words) == 2


def test_a_time_that_is_none_is_refused(tables, capsys):
    folder, honest, _ = tables
    assert run(feedback(folder, honest), "--time", "at", "--until", "yesterday") == 2
    assert "--until" in capsys.readouterr().err


def test_too_few_accounts_cannot_be_judged(tables, capsys):
    folder, honest, _ = tables
    assert run(feedback(folder, honest[:2])) == 2
    assert "cannot be judged" in capsys.readouterr().err
