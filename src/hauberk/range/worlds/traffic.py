"""Traffic of a served model over days and seasons, with a model that was fitted to a year of it.

Transactions: an amount, an age of the account, how many came within the hour, a distance, and a
channel. Means go with the week and the year, days differ by chance, and fraud follows from the
columns with noise. The score is that of a logistic regression fitted to the training year.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of

ROWS = 1000
"""Rows of a day."""
YEAR = 365
START = 19_000
"""First day, since the epoch."""
NAMES = ("amount", "account_age", "velocity", "distance")
_TRUE = np.array([1.4, -0.9, 1.1, 0.6])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """A training year and the days after it."""

    training: Dataset
    live: Dataset
    weights: Any


def _features(rng: Any, days: Any) -> Any:
    """``(n_days * ROWS, 4)``: seasons, days that differ, rows."""
    week, year = (2 * np.pi * days / period for period in (7, 365.25))
    phase = rng.uniform(0, 2 * np.pi, (2, 4))
    size = rng.uniform(0.05, 0.25, (2, 4))
    means = size[0] * np.cos(week[:, None] + phase[0]) + size[1] * np.cos(year[:, None] + phase[1])
    means = means + rng.normal(0, 0.03, means.shape)
    return (means[:, None, :] + rng.normal(size=(len(days), ROWS, 4))).reshape(-1, 4)


def scored(features: Any, weights: Any) -> Any:
    """The model's probability of fraud."""
    return 1 / (1 + np.exp(-(features @ weights[:-1] + weights[-1])))


def _fitted(features: Any, label: Any) -> Any:
    x = np.hstack([features, np.ones((len(features), 1))])
    weights = np.zeros(5)
    for _ in range(8):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(5)
        weights = weights + np.linalg.solve(hessian, x.T @ (label - p))
    return weights


def _table(rng: Any, name: str, days: Any, *, features: Any, fraud: Any, weights: Any) -> Dataset:
    import pyarrow as pa

    at = np.repeat(days, ROWS) * 86_400 + rng.integers(0, 86_400, len(features))
    batch = pa.record_batch(
        {
            "at": pa.array(at, pa.timestamp("s")),
            **dict(zip(NAMES, features.T, strict=True)),
            "channel": rng.choice(["web", "app", "desk"], len(features), p=[0.5, 0.4, 0.1]),
            "score": scored(features, weights),
            "fraud": np.where(fraud, "yes", "no"),
        }
    )
    return table_of(name, [batch], label="fraud")


@lru_cache(maxsize=2)
def traffic(seed: int, n_days: int = 60) -> Traffic:
    """One world; its seasons go on from training into the live days."""
    rng = np.random.default_rng(seed)
    days = np.arange(START, START + YEAR + n_days)
    features = _features(rng, days)
    fraud = rng.random(len(features)) < 1 / (1 + np.exp(-3 * (features @ _TRUE - 0.5)))
    cut = YEAR * ROWS
    weights = _fitted(features[:cut], fraud[:cut])
    parts = [
        _table(
            rng,
            name,
            days[a // ROWS : b // ROWS],
            features=features[a:b],
            fraud=fraud[a:b],
            weights=weights,
        )
        for name, a, b in (("training", 0, cut), ("live", cut, len(features)))
    ]
    return Traffic(training=parts[0], live=parts[1], weights=weights)


def accuracies(table: Dataset) -> Any:
    """Accuracy of each day, in order."""
    rows = next(table.read())
    right = (np.asarray(rows.column("score")) > 0.5) == (  # noqa: PLR2004 - the usual boundary
        np.asarray(rows.column("fraud").to_pylist()) == "yes"
    )
    return right.reshape(-1, ROWS).mean(axis=1)
