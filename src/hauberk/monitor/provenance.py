"""Where a served model comes from, as its run's record says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hauberk.sketches.grid import Grid

MAX_BYTES = 64 << 20


def provenance(record: Path | None, grid: Grid) -> list[tuple[str, str]]:
    """Pairs to show; a record that cannot be read is said so."""
    rows = [("bins of the reference", f"sha256:{grid.digest}")]
    if record is None:
        return rows
    try:
        if record.stat().st_size > MAX_BYTES:
            return [*rows, ("record", "too large to be read")]
        value = json.loads(record.read_bytes())
    except (OSError, ValueError, RecursionError):
        return [*rows, ("record", f"{record.name} cannot be read")]
    if not isinstance(value, dict):
        return [*rows, ("record", f"{record.name} is no record of a run")]
    names = ("project", "run_id", "started", "decision", "isolation", "trust")
    return [
        *rows,
        *((name.replace("_", " "), _plain(value[name])) for name in names if name in value),
    ]


def _plain(value: Any) -> str:
    return str(value)[:200] if isinstance(value, (str, int, float)) else json.dumps(value)[:200]
