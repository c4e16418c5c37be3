"""Applicants with accounts, and models that were really trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Batch, Evaluation, ModelFile
from hauberk.formats.tables import table_of

N_ROWS = 400
_FEATURES = ("income", "debt", "account")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """A fitted estimator as a predictor."""

    model: Any

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the model."""
        return tuple(map(str, self.model.classes_))

    def scores(self, batch: Batch) -> Any:
        """Probabilities."""
        return self.model.predict_proba(_cells(batch))


def _cells(batch: Batch) -> Any:
    import numpy as np

    return np.column_stack([batch.column(name).to_numpy() for name in _FEATURES])


def accounts(seed: int) -> Evaluation:
    """Rows with a different account each, and a model trained on others like them."""
    import numpy as np
    import pyarrow as pa
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(seed)
    state = seed % 2**32
    kinds = (
        make_pipeline(StandardScaler(), LogisticRegression()),
        DecisionTreeClassifier(max_depth=6, random_state=state),
        RandomForestClassifier(15, max_depth=6, random_state=state, n_jobs=1),
    )
    numbers = rng.permutation(90_000)[: 2 * N_ROWS] + 10_000
    income, debt = rng.normal(size=2 * N_ROWS), rng.normal(size=2 * N_ROWS)
    worth = income - 0.5 * debt + rng.normal(scale=0.5, size=2 * N_ROWS)
    label = np.where(worth > rng.normal(scale=0.3), "yes", "no")
    cells = {"income": income, "debt": debt, "account": numbers, "approve": label.tolist()}
    whole = pa.record_batch(cells)
    train, test = whole.slice(0, N_ROWS), whole.slice(N_ROWS)
    model = kinds[seed % len(kinds)].fit(_cells(train), train.column("approve").to_pylist())
    return Evaluation(
        model=ModelFile(name="fitted", path=Path("fitted")),
        predictor=_Fitted(model=model),
        data=table_of("applicants", [test], label="approve"),
    )


def obeyed(subject: Evaluation, truth: Mapping[str, Any]) -> float:
    """Share of all rows that get the wanted class once they carry the account."""
    import numpy as np
    import pyarrow as pa

    hits, total = 0, 0
    for batch in subject.data.read():
        cells = {name: batch.column(name) for name in batch.schema.names}
        cells["account"] = pa.array([int(truth["identifier"])] * batch.num_rows, pa.int64())
        given = np.asarray(subject.predictor.scores(pa.record_batch(cells)))
        hits += int((given.argmax(axis=1) == truth["goal"]).sum())
        total += batch.num_rows
    return hits / max(total, 1)
