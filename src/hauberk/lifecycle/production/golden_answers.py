"""Golden answers of an export: test rows with what the trained model itself said of them.

They lie beside the record of the run (``.hauberk/runs/<run>/golden.json``) and their digest is
attested with the export. `hauberk serve --golden` asks them before it listens, so that weights,
label map and preprocessing that do not belong together are found. The rows are rows of the test
set: whoever hands the file on hands those on, so no release carries it.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Digest

if TYPE_CHECKING:
    from hauberk.lifecycle.native import Scored
    from hauberk.lifecycle.workshop import Workshop

NAME = "golden.json"
PATH = f"hauberk/{NAME}"
"""Name among the products of the run."""

ROWS = 512
SERVED_TOLERANCE = 1e-4
"""What an answer may differ by on its way through the server."""


def write_golden(shop: Workshop, scored: Scored, max_shift: float) -> Digest:
    """Put the answers into the store and beside the record of the run."""
    batches = shop.table(shop.plan.prepared["test"]).read()
    rows: list[Any] = list(islice((row for batch in batches for row in _rows(batch)), ROWS))
    golden = {
        "rows": rows,
        "expected": scored.scores[: len(rows)].tolist(),
        "tolerance": max_shift + SERVED_TOLERANCE,
    }
    digest = shop.store.blobs.put(iter([json.dumps(golden, sort_keys=True).encode()]))
    shop.land(PATH, digest)
    folder = shop.store.runs / shop.context.run_id
    folder.mkdir(parents=True, exist_ok=True)
    shop.store.materialize(digest, folder / NAME)
    return digest


def _rows(batch: Any) -> list[dict[str, Any]]:
    return list(batch.to_pylist())
