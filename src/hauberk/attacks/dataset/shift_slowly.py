"""Move rows across the boundary a little more every day: see `ShiftSlowly`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftSlowly(Transform[Dataset]):
    """Move rows that a model would stop across its boundary, a little more every day.

    The attacker knows columns and scores of past rows and fits a plane to them, which gives
    the direction in which the score falls. Of the rows with the attacker's label that score a
    little above the boundary, each is pushed along it, by ``step`` of the scores' spread more
    every day; rows farther away, and everybody else's, stay as they are. So every day
    looks like the one before.

    Args:
        step: Push that is added every day, as a share of the spread of the log-odds.
        band: Rows up to so many spreads above the boundary are pushed.
        label: Value of the label that marks the attacker's rows.
        score: Column with the model's score, 0 to 1.

    References:
        MITRE ATLAS AML.T0031, AML.T0015; Barreno et al. (2006), Can machine learning be
        secure?; Kloft and Laskov (2010), Online anomaly detection under adversarial impact.
    """

    title: ClassVar[str] = "Shift rows across the boundary slowly"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-3"),)
    subject: ClassVar[Any] = Dataset

    step: float = 0.005
    band: float = 0.5
    label: str = "yes"
    score: str = "score"

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The attacked days; rows keep their places."""
        import pyarrow as pa

        del rng  # the deed is as regular as it can be
        rows = pa.Table.from_batches(list(subject.read())).combine_chunks().to_batches()
        if not rows or self.score not in rows[0].schema.names:
            return Attacked(subject=subject)
        moved, touched = self._moved(subject, rows[0])
        table = replace(subject, name=f"{subject.name} shifted", read=lambda: iter([moved]))
        return Attacked(subject=table, rows=tuple(touched.tolist()))

    def _moved(self, subject: Dataset, rows: Any) -> tuple[Any, Any]:
        names = [
            column.name
            for column in subject.columns
            if column.kind is ColumnKind.NUMBER and column.name != self.score
        ]
        x = np.stack([np.asarray(rows.column(name), np.float64) for name in names], axis=1)
        score = np.clip(np.asarray(rows.column(self.score), np.float64), 1e-6, 1 - 1e-6)
        odds = np.log(score / (1 - score))
        plane, *_ = np.linalg.lstsq(np.hstack([x, np.ones((len(x), 1))]), odds, rcond=None)
        spread = float(odds.std()) or 1.0
        days = _days(subject, rows)
        labels = np.array(rows.column(subject.label).to_pylist())
        is_near = (labels == self.label) & (odds > 0) & (odds < self.band * spread)
        push = np.where(is_near, (days - days.min() + 1) * self.step * spread, 0.0)
        direction = plane[:-1] / float(plane[:-1] @ plane[:-1])
        x = x - push[:, None] * direction
        score = 1 / (1 + np.exp(-(odds - push)))
        columns = {name: x[:, place] for place, name in enumerate(names)} | {self.score: score}
        return _with(rows, columns), np.flatnonzero(push)


def _days(subject: Dataset, rows: Any) -> Any:
    import pyarrow as pa

    times = [column.name for column in subject.columns if column.kind is ColumnKind.TIME]
    micros = rows.column(times[0]).cast(pa.timestamp("us")).cast(pa.int64())
    return micros.to_numpy() // 86_400_000_000


def _with(rows: Any, columns: dict[str, Any]) -> Any:
    import pyarrow as pa

    cells = [
        pa.array(columns[name]) if name in columns else rows.column(name)
        for name in rows.schema.names
    ]
    return pa.RecordBatch.from_arrays(cells, names=rows.schema.names)
