"""A classifier that learns on from what two hundred accounts say of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.methods.feedback import learner
from hauberk.range.pilots import matrix
from hauberk.range.subjects import digits

N_ACCOUNTS = 200
N_EACH = 10
N_BASE = 300
N_POOL = 700
N_CANARIES = 600
WHO = "account"
_SCALE = 255.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """What an update is made from and held against.

    Attributes:
        feedback: What honest accounts said of a pool of rows.
        base: Features and labels that the model that serves has learnt from.
        canaries: Features and true labels of rows that nobody outside knows.
    """

    feedback: Dataset
    base: tuple[Any, Any]
    canaries: tuple[Any, Any]


@cache
def stage(seed: int) -> Stage:
    """Digits in three parts that share no row, and honest feedback on one of them."""
    import pyarrow as pa

    rng = np.random.default_rng([seed, 7])
    every = digits(seed, N_BASE + N_POOL + N_CANARIES)
    rows, (x, y) = rewrite.table(every), matrix(every)
    x = x / _SCALE
    end = N_BASE + N_POOL
    pool = rng.integers(N_BASE, end, N_ACCOUNTS * N_EACH)
    people = np.repeat(np.arange(N_ACCOUNTS), N_EACH)
    skill = rng.uniform(0.01, 0.06, N_ACCOUNTS)
    skill[rng.random(N_ACCOUNTS) < 0.05] = 0.15  # noqa: PLR2004 - some are careless
    slips = rng.random(pool.size) < skill[people]
    said = y[pool].copy()
    said[slips] = rng.integers(0, 10, int(slips.sum())).astype(str)
    names = np.char.add("u", rng.permutation(10**6)[:N_ACCOUNTS].astype(str))[people]
    images = rows.column("image").take(pa.array(pool))
    batch = pa.RecordBatch.from_arrays(
        [images, pa.array(said), pa.array(names)], names=["image", "digit", WHO]
    )
    return Stage(
        feedback=table_of(f"feedback-{seed}", [batch], label="digit", annotator=WHO),
        base=(x[:N_BASE], y[:N_BASE]),
        canaries=(x[end:], y[end:]),
    )


def updated(base: tuple[Any, Any], feedback: Dataset, weights: Any) -> Any:
    """The model that learns from its base and from feedback, each row with its weight."""
    x, y = matrix(feedback)
    return learner(
        np.vstack([base[0], x / _SCALE]),
        np.concatenate([base[1], y]),
        np.concatenate([np.ones(len(base[1])), weights]),
    )


def lift(model: Any, base: Any, canaries: tuple[Any, Any], source: str, target: str) -> float:
    """Share of a class that a model gives to another one, beyond what another model does."""
    rows = canaries[0][canaries[1] == source]
    if not len(rows):
        return 0.0
    share = [(one.predict(rows) == target).mean() for one in (model, base)]
    return float(share[0] - share[1])
