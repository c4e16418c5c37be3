"""Reports on models as projects write them, beside the rows that the models were trained on."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset, Report
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.subjects import generated, tumours

N_TRAIN = 400
_ENOUGH = 30_000
_TOWNS = ("north", "south", "east", "west", "old town")
_TRADES = ("nurse", "baker", "clerk", "driver", "teacher", "roofer")


def applicants(seed: int, n_rows: int = 560) -> Dataset:
    """People who ask for a loan, with numbers and words, label ``approved``."""
    import pyarrow as pa

    rng = np.random.default_rng([seed, 11])
    income = rng.lognormal(10.3, 0.4, n_rows).round(2)
    columns = {
        "age": rng.integers(18, 80, n_rows),
        "income": income,
        "loan": rng.integers(1_000, 60_000, n_rows),
        "months": rng.choice([12, 24, 36, 48, 60], n_rows),
        "town": rng.choice(_TOWNS, n_rows),
        "trade": rng.choice(_TRADES, n_rows),
        "balance": rng.normal(900, 700, n_rows).round(2),
        "approved": np.where(income > _ENOUGH, "yes", "no"),
    }
    return table_of("applicants", [pa.record_batch(columns)], label="approved")


def split(seed: int) -> tuple[Dataset, Dataset]:
    """Training and test rows of one of three kinds of tables."""
    whole = (tumours(seed, 560), generated(seed, 560), applicants(seed))[seed % 3]
    rows = rewrite.table(whole)
    parts = (rows.slice(0, N_TRAIN), rows.slice(N_TRAIN))
    train, test = (
        table_of(name, [part], label=whole.label)
        for name, part in zip(("train", "test"), parts, strict=True)
    )
    return train, test


def honest_report(seed: int) -> Report:
    """Scores, a confusion matrix, importances, a summary of the columns, and test rows."""
    train, test = split(seed)
    rng = Random(seed)
    parts = [_scores(rng), _importances(train, rng), _summary(train), _examples(test, rng)]
    rng.shuffle(parts)
    return Report(name=f"report-{seed}.md", text="\n\n".join(parts), train=train)


def _scores(rng: Random) -> str:
    right, wrong = rng.randint(40, 80), rng.randint(1, 15)
    score = right / (right + wrong)
    return (
        f"# Model 1.{rng.randint(0, 9)}.{rng.randint(0, 9)}\n"
        f"accuracy {score:.4f} ({score:.1%}), loss {rng.random():.6f}, trained on {N_TRAIN} rows\n"
        f"|  | yes | no |\n|---|---|---|\n| yes | {right} | {wrong} |\n"
        f"| no | {rng.randint(1, 15)} | {rng.randint(40, 80)} |"
    )


def _importances(train: Dataset, rng: Random) -> str:
    lines = [f"{column.name}: {rng.random():.4f}" for column in train.columns]
    return "Importance of features\n" + "\n".join(lines)


def _summary(train: Dataset) -> str:
    """What ``describe`` prints: among them are real extremes, each of another row."""
    rows = rewrite.table(train)
    lines = [
        "| column | mean | std | min | 25% | 50% | 75% | max |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for column in train.columns:
        if column.kind is ColumnKind.NUMBER:
            cells = rows.column(column.name).to_numpy()
            told = [cells.mean(), cells.std(), *np.percentile(cells, [0, 25, 50, 75, 100])]
            lines.append(f"| {column.name} | " + " | ".join(f"{x:.6f}" for x in told) + " |")
        else:
            values, counts = np.unique(rows.column(column.name).to_pylist(), return_counts=True)
            told = [f"{v} {c}" for v, c in zip(values, counts, strict=True)]
            lines.append(f"{column.name}: " + ", ".join(told[:8]))
    return "\n".join(lines)


def _examples(test: Dataset, rng: Random) -> str:
    rows = rewrite.table(test)
    digits = rng.choice([2, 4, None])
    chosen = rng.sample(range(rows.num_rows), 5)
    return "Rows of the test set\n" + "\n".join(
        f"{i}; "
        + "; ".join(shown(cell, digits) for cell in rows.slice(i, 1).to_pylist()[0].values())
        for i in chosen
    )


def shown(cell: Any, digits: int | None, *, grouped: bool = False) -> str:
    """A cell as a report prints it."""
    if isinstance(cell, float):
        mark = "," if grouped else ""
        return format(cell, f"{mark}.{digits}f") if digits is not None else repr(cell)
    if isinstance(cell, int) and grouped:
        return f"{cell:,}"
    return str(cell)
