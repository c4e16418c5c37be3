"""Where a served model comes from, as its run's record says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hauberk.report.wording import moment
from hauberk.sketches.grid import Grid

MAX_BYTES = 64 << 20
_MAX_STEPS = 40
_MAX_TEXT = 200


def provenance(
    record: Path | None, grid: Grid, *, serving: bytes | None = None, signer: str = ""
) -> list[tuple[str, str]]:
    """Pairs to show; a record that cannot be read is said so.

    Args:
        serving: What a guard's log says it serves, as the monitor kept it.
        signer: Id of the key that signed the reference.
    """
    signed = f"signed by key {signer[:16]}" if signer else "no signature was asked for"
    rows = [
        *_served(serving),
        ("reference", signed),
        ("bins of the reference", f"sha256:{grid.digest}"),
    ]
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
        *_steps(value.get("steps")),
        *_commit(value.get("environment")),
    ]


def _served(serving: bytes | None) -> list[tuple[str, str]]:
    """What is served now, by the guard's own log."""
    if serving is None:
        return [("serving", "no guard's log says")]
    value = json.loads(serving)
    names = (("model", "serving model"), ("version", "version"), ("policy", "policy"))
    rows = [(shown, _plain(value[name])) for name, shown in names if value.get(name)]
    return [*rows, ("serving since", moment(float(value["at"])))]


def _steps(steps: Any) -> list[tuple[str, str]]:
    """What each step of the lifecycle said that made it."""
    found = steps if isinstance(steps, list) else []
    return [
        (str(step["component"]), str(step["summary"])[:_MAX_TEXT])
        for step in found[:_MAX_STEPS]
        if isinstance(step, dict) and step.get("component") and step.get("summary")
    ]


def _commit(environment: Any) -> list[tuple[str, str]]:
    known = environment if isinstance(environment, dict) else {}
    return [("commit", _plain(known["commit"]))] if "commit" in known else []


def _plain(value: Any) -> str:
    return str(value)[:200] if isinstance(value, (str, int, float)) else json.dumps(value)[:200]
