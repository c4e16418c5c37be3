"""What a drift check of a million rows of thirty columns costs, beside scipy on the same rows.

The reference is a stored profile's bins; live rows come in batches. scipy gets both samples
whole. Three columns are shifted by a tenth of a standard deviation; both must find exactly
these. Run ``python benchmarks/drift_check.py [rows]``.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pyarrow as pa
from scipy.stats import ks_2samp

from hauberk.formats.tables import table_of
from hauberk.sketches.grid import grid_of
from hauberk.sketches.profile import profile_of

N_COLUMNS = 30
SHIFTED = (3, 11, 27)
BATCH = 65_536


def rows(seed: int, n: int, shift: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        f"c{i}": rng.normal(shift if i in SHIFTED else 0.0, 1, n).astype(np.float64)
        for i in range(N_COLUMNS)
    }


def main(n: int) -> None:
    first, second = rows(1, n, 0.0), rows(2, n, 0.1)
    whole = pa.record_batch(first)
    batches = [whole.slice(start, BATCH) for start in range(0, n, BATCH)]
    grid = grid_of(profile_of(table_of("training", batches)))
    live = pa.record_batch(second)

    start = time.process_time()
    counts = grid.zeros()
    for place in range(0, n, BATCH):
        counts += grid.count(live.slice(place, BATCH))
    found = [item.name for item in grid.distances(counts, min_effect=0.02) if item.drifted]
    ours = time.process_time() - start

    start = time.process_time()
    names = [
        name
        for name in first
        if ks_2samp(first[name], second[name], method="asymp").pvalue < 0.01 / N_COLUMNS
    ]
    theirs = time.process_time() - start
    wanted = [f"c{i}" for i in SHIFTED]
    print(f"{n} rows x {N_COLUMNS} columns, processor seconds")
    print(f"hauberk  {ours:6.2f}  found {found == wanted}: {', '.join(found)}")
    print(f"scipy    {theirs:6.2f}  found {names == wanted}: {', '.join(names)}")
    print(f"scipy costs {theirs / ours:.1f} times as much")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
