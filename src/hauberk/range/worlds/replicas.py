"""Ten replicas of a served model that report an hour each, signed; some of them may lie."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.core.artifact import LogSegment
from hauberk.formats.tables import table_of
from hauberk.monitor.hours import Hour
from hauberk.sketches.grid import Grid, grid_of
from hauberk.sketches.profile import profile_of
from hauberk.trust.keys import Algorithm, KeyPair, generate
from hauberk.trust.telemetry import Batch, seal_batch

N_REPLICAS = 10
ROWS = 400
START = 1_700_000_000.0
HOUR_S = 3600.0


@cache
def keys() -> tuple[KeyPair, ...]:
    """The replicas' keys."""
    return tuple(generate(Algorithm.ED25519) for _ in range(N_REPLICAS))


@cache
def grid() -> Grid:
    """Bins of a training set of two columns."""
    return grid_of(profile_of(table_of("training", [_rows(0, 6000, 0.0)])))


def hour(seed: int, *, shift: float = 0.0, errors: float = 0.0, rows: int = ROWS) -> Hour:
    """What one replica counts."""
    counts = grid().count(_rows(seed, rows, shift))
    return Hour(rows=rows, requests=rows, errors=int(errors * rows), counts=counts)


def reported(seed: int, *, n_batches: int = 3) -> LogSegment:
    """Some signed batches of every replica, in the order in which they came."""
    rng = Random(seed)
    envelopes = []
    for number in range(1, n_batches + 1):
        for replica, key in enumerate(keys()):
            end = START + number * HOUR_S
            batch = Batch(
                replica=f"replica-{replica}",
                sequence=number,
                model="model",
                reference=grid().digest,
                start=end - HOUR_S,
                end=end,
                body=hour(rng.randrange(1 << 30), rows=50).to_json(),
            )
            envelopes.append(seal_batch(batch, key))
    return LogSegment(
        name=f"telemetry-{seed}",
        records=lambda: iter(envelopes),
        heads=(),
        keys=tuple(key.public.spki for key in keys()),
        until=START + (n_batches + 1) * HOUR_S,
    )


def _rows(seed: int, n: int, shift: float) -> Any:
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    return pa.record_batch(
        {"x": rng.normal(shift, 1, n), "town": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])}
    )
