"""People of two groups, and models that were trained on few or many of one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.core.artifact import Batch, Evaluation, ModelFile
from hauberk.formats.tables import table_of

_D = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Rows of numbers, classes, and who belongs to the group.

    Attributes:
        rows: ``(n, 8)``.
        labels: ``(n,)`` 0 or 1.
        group: ``(n,)`` bool.
    """

    rows: Any
    labels: Any
    group: Any


def people(seed: int, n: int, *, differs: bool) -> People:
    """Half of them in the group, whose classes follow from other features where it ``differs``."""
    rng = np.random.default_rng([seed, n, 5])
    rules = np.random.default_rng([seed, 7]).normal(0, 1, (2, _D))
    rows, group = rng.normal(0, 1, (n, _D)), rng.random(n) < 0.5  # noqa: PLR2004 - half
    own = rows @ (rules[1] if differs else rules[0])
    worth = np.where(group, own, rows @ rules[0])
    return People(rows=rows, labels=(worth + rng.normal(0, 0.5, n) > 0).astype(int), group=group)


def trained(rows: Any, labels: Any, seed: int) -> Callable[[Any], Any]:
    """A small model: rows to probabilities."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=200, random_state=seed).fit(rows, labels)
    return lambda given: np.asarray(fitted.predict_proba(given))


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A model with its recipe as a predictor; `fit` numbers training rows first, then probes."""

    model: Callable[[Any], Any]
    rows: Any
    labels: Any
    classes: tuple[str, ...] = ("0", "1")

    def scores(self, batch: Batch) -> Any:
        """Probabilities."""
        columns = [batch.column(f"x{i}").to_numpy(zero_copy_only=False) for i in range(_D)]
        return self.model(np.column_stack(columns))

    def fit(self, places: Any, seed: int) -> Callable[[Any], Any]:
        """Trained on some rows; takes places of the rows to ask."""
        ask = trained(self.rows[places], self.labels[places], seed)
        return lambda asked: ask(self.rows[asked])


def audit(train: People, test: People, seed: int) -> Evaluation:
    """A model trained on ``train`` with what its owner has for an audit."""
    predictor = Audited(
        model=trained(train.rows, train.labels, seed),
        rows=np.concatenate([train.rows, test.rows]),
        labels=np.concatenate([train.labels, test.labels]),
    )
    tables = [_table(name, part) for name, part in (("train", train), ("test", test))]
    return Evaluation(
        model=ModelFile(name="model", path=Path("model")),
        predictor=predictor,
        data=tables[1],
        train=tables[0],
    )


def _table(name: str, part: People) -> Any:
    import pyarrow as pa

    columns = {f"x{i}": part.rows[:, i] for i in range(_D)}
    group = np.where(part.group, "member", "other")
    batch = pa.record_batch({**columns, "group": group, "class": part.labels.astype(str)})
    return table_of(name, [batch], label="class", sensitive=("group",))
