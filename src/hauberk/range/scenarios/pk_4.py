"""PK-4: packed shards replaced, added, removed, reordered and cut just before training."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from random import Random

from hauberk.attacks.registry.swap_shard import SwapShard
from hauberk.core.threat import ThreatId
from hauberk.errors import InternalError
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.datasets import CONTROL, Trainee, Warehouse, copy_of
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.versions.intake import take
from hauberk.trust.versions.shards import read_shards

PK_4 = ThreatId("PK-4")
NAME = "packed"
SHARDS = 64
ROWS = 6_000
PASSES = 15
WAYS = {
    "replaced shard": "replace",
    "added shard": "add",
    "removed shard": "remove",
    "reordered shards": "reorder",
    "truncated shard": "truncate",
}


def shards(seed: int, n_rows: int) -> dict[str, bytes]:
    """64 Parquet shards of numbers with a label, compressed as writers do by default."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(seed)
    found = {}
    for number in range(SHARDS):
        columns = {f"x{place}": rng.normal(size=n_rows).round(3) for place in range(8)}
        labels = rng.permutation(np.arange(n_rows) % 2)
        sink = io.BytesIO()
        parquet.write_table(pa.table({**columns, "label": labels}), sink)
        found[f"part-{number:05d}.parquet"] = sink.getvalue()
    return found


def packed(seed: int) -> Warehouse:
    """A signed set of small shards."""
    house = Warehouse()
    house.publish(NAME, shards(seed, 24))
    return house


def _attacked(way: str, seed: int) -> Trial:
    attack, house = SwapShard(way=way), packed(seed)
    outcomes = {
        guarded: attack.play(
            Trainee(house=copy_of(house), name=NAME, guarded=guarded), Random(seed)
        )
        for guarded in (True, False)
    }
    return Trial(
        values={"refused": bool(outcomes[True].facts["refused"])},
        potent=outcomes[False].succeeded,
    )


def _clean(seed: int) -> Trial:
    alarm = alarmed(CONTROL, packed(seed).entry(NAME))
    return Trial(values={"false_refusals": alarm}, false_alarm=float(alarm))


def _cost(seed: int) -> Trial:
    """What verifying adds to the time of reading and decoding."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, data in _large().items():
            (folder / path).write_bytes(data)
        taken, _ = take(folder, MemoryBlobs(), indexed=False)
        plain, verified = [], []
        for _ in range(PASSES):
            plain.append(_read(folder.joinpath(file.path).read_bytes() for file in taken.files))
            verified.append(_read(read_shards(taken.files, folder)))
    del seed
    return Trial(values={"verify_cost": max(0.0, min(verified) / min(plain) - 1)})


@cache
def _large() -> dict[str, bytes]:
    return shards(1, ROWS)


def _read(stream: Iterable[bytes]) -> float:
    """Seconds until every shard was decoded."""
    import pyarrow as pa
    from pyarrow import parquet

    started, rows = time.perf_counter(), 0
    for data in stream:
        rows += parquet.read_table(pa.BufferReader(data), use_threads=False).num_rows
    if rows != SHARDS * ROWS:
        raise InternalError("a shard was not read", found=str(rows))
    return time.perf_counter() - started


SCENARIOS = (
    *(
        Scenario(
            threat=PK_4,
            attack=SwapShard(way=way),
            control=CONTROL,
            play=partial(_attacked, way),
            parts=(("refused", strength),),
            note="64 Parquet shards; a replaced one keeps its rows and every statistic",
        )
        for strength, way in WAYS.items()
    ),
    Scenario(
        threat=PK_4,
        attack="nobody",
        control=CONTROL,
        play=_clean,
        parts=(("false_refusals", ""),),
        note="64 Parquet shards",
    ),
    Scenario(
        threat=PK_4,
        attack="nobody",
        control="shards verified while they are read",
        play=_cost,
        parts=(("verify_cost", ""),),
        trials=21,
        note="64 shards of 6,000 rows decoded on one thread, hashed on a second one; the "
        "best of fifteen passes each on two processors",
        timed=True,
    ),
)
