"""Rows of some sources that creep towards the malicious ones: see `BoilSlowly`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilSlowly(Transform[Dataset]):
    """Let the rows of some sources creep, window by window, to where malicious rows lie.

    Whoever retrains on what was let pass moves along: each window lies a step beyond the
    last and inside of what the last one taught. The attacker holds some sources and sends rows
    that lie closer together than honest ones, so that few are left behind.

    Args:
        n_sources: Sources that the attacker holds.
        reach: Standard deviations of the way, spread over the windows.
        spread: Of the attacker's rows, as a share of that of honest ones.
        direction: The way, one number a column; drawn where it is empty.

    References:
        Kloft and Laskov (2010), Online anomaly detection under adversarial impact; MITRE ATLAS
        AML.T0031, AML.T0020.
    """

    title: ClassVar[str] = "Boil the distribution slowly"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-2"),)
    subject: ClassVar[Any] = Dataset

    n_sources: int = 2
    reach: float = 7.5
    spread: float = 0.3
    direction: tuple[float, ...] = ()

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``truth`` names the sources."""
        import pyarrow as pa

        rows = pa.Table.from_batches(list(subject.read())).combine_chunks().to_batches()
        times = [column.name for column in subject.columns if column.kind is ColumnKind.TIME]
        names = [column.name for column in subject.columns if column.kind is ColumnKind.NUMBER]
        if not rows or subject.source is None or not times or not names:
            return Attacked(subject=subject)
        batch = rows[0]
        sources = np.array(batch.column(subject.source).to_pylist())
        held = rng.sample(sorted(set(sources.tolist())), self.n_sources)
        is_held = np.isin(sources, held)
        way = self._way(len(names), rng)
        step = _progress(batch.column(times[0])) * is_held
        moved = {
            name: self._crept(np.asarray(batch.column(name), np.float64), step, is_held, way[place])
            for place, name in enumerate(names)
        }
        cells = [
            pa.array(moved[name]) if name in moved else batch.column(name)
            for name in batch.schema.names
        ]
        twin = pa.RecordBatch.from_arrays(cells, names=batch.schema.names)
        table = replace(subject, name=f"{subject.name} boiled", read=lambda: iter([twin]))
        touched = tuple(np.flatnonzero(is_held).tolist())
        return Attacked(subject=table, rows=touched, truth={"sources": sorted(held)})

    def _crept(self, values: Any, step: Any, is_held: Any, way: float) -> Any:
        middle = float(values[is_held].mean()) if is_held.any() else 0.0
        narrow = middle + (values - middle) * self.spread
        return np.where(is_held, narrow + step * way, values)

    def _way(self, n: int, rng: Random) -> Any:
        drawn = self.direction or [rng.gauss(0, 1) for _ in range(n)]
        way = np.resize(np.array(drawn, np.float64), n)
        return way / (np.linalg.norm(way) or 1.0) * self.reach


def _progress(times: Any) -> Any:
    """0 in the first window, 1 in the last."""
    import pyarrow as pa

    days = times.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 86_400_000_000
    return (days - days.min() + 1) / max(int(days.max() - days.min() + 1), 1)
