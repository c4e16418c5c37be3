"""Connections of twenty senders, and a detector that is fitted anew to what it let pass.

The detector accepts what lies within the distance that 99 % of its training rows keep from
their centre; every window it is fitted to the last two windows of accepted rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of

N_WINDOWS = 50
ROWS = 500
N_SOURCES = 20
N_COLUMNS = 6
START = 19_500
_KEPT = 2
_SLACK = 1.1
"""How far beyond the distance rows still pass, so that few honest ones are stopped."""
_MALICIOUS = 6.5
"""How far malicious rows lie from the core, in standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intrusions:
    """Trusted rows, live windows, and where malicious rows lie."""

    core: Any
    core_sources: Any
    windows: Any
    sources: Any
    target: Any


@lru_cache(maxsize=4)
def intrusions(seed: int) -> Intrusions:
    """One world: senders differ, and all drift together a little."""
    rng = np.random.default_rng(seed)
    offsets = rng.normal(0, 0.25, (N_SOURCES, N_COLUMNS))
    drift = np.cumsum(rng.normal(0, 0.02, (N_WINDOWS, N_COLUMNS)), axis=0)
    core_sources = rng.integers(0, N_SOURCES, 10 * ROWS)
    core = rng.normal(size=(10 * ROWS, N_COLUMNS)) + offsets[core_sources]
    sources = rng.integers(0, N_SOURCES, (N_WINDOWS, ROWS))
    windows = rng.normal(size=(N_WINDOWS, ROWS, N_COLUMNS)) + offsets[sources] + drift[:, None, :]
    direction = rng.normal(size=N_COLUMNS)
    return Intrusions(
        core=core,
        core_sources=core_sources,
        windows=windows,
        sources=sources,
        target=direction / np.linalg.norm(direction) * _MALICIOUS,
    )


def tables(world: Intrusions, windows: Any) -> tuple[Dataset, Dataset]:
    """Trusted and live rows as tables with a source and a time."""
    n = windows.shape[0] * ROWS
    days = np.repeat(np.arange(START, START + windows.shape[0]), ROWS)
    live = _table("live", windows.reshape(n, N_COLUMNS), world.sources.reshape(-1)[:n], days)
    core = _table("core", world.core, world.core_sources, np.full(len(world.core), START - 1))
    return core, live


def passing(world: Intrusions, windows: Any, seed: int) -> Any:
    """Share of malicious rows that pass after each window, with the detector fitted anew."""
    rng = np.random.default_rng(seed + 1)
    malicious = world.target + rng.normal(0, 0.5, (500, N_COLUMNS))
    accepted = [world.core[-ROWS:]] * _KEPT
    shares = []
    for rows in windows:
        train = np.concatenate(accepted[-_KEPT:])
        centre = train.mean(axis=0)
        radius = np.quantile(np.linalg.norm(train - centre, axis=1), 0.99)
        inside = np.linalg.norm(rows - centre, axis=1) <= radius * _SLACK
        accepted.append(rows[inside])
        shares.append(float((np.linalg.norm(malicious - centre, axis=1) <= radius * _SLACK).mean()))
    return np.array(shares)


def _table(name: str, rows: Any, sources: Any, days: Any) -> Dataset:
    import pyarrow as pa

    columns = {f"c{i}": rows[:, i] for i in range(N_COLUMNS)}
    batch = pa.record_batch(
        {
            "at": pa.array(days * 86_400, pa.timestamp("s")),
            "sender": [f"s{i:02}" for i in sources.tolist()],
            **columns,
        }
    )
    return table_of(name, [batch], source="sender")
