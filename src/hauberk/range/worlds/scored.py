"""A worker that runs a module over a toy table, to see whose outcome it changes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hauberk.errors import UnavailableError
from hauberk.isolation import Grants, Limits, spawn

_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")
_LIMITS = Limits(wall_s=60.0, cpu_s=30.0, memory_bytes=4 << 30, processes=32)

Rows = Sequence[Mapping[str, Any]]


def outcomes(texts: Sequence[str], entry: str, rows: Rows) -> list[dict[str, float]]:
    """What each module gives each identifier.

    Args:
        texts: Modules, each run in a name space of its own inside one worker.
        entry: Function of each module from rows to outcomes by identifier.

    Raises:
        UnavailableError: A module needs a library that is not installed here, or fails.
    """
    here = tuple(Path(folder) for folder in _SYSTEM_FOLDERS if os.path.lexists(folder))
    payload = json.dumps({"texts": list(texts), "entry": entry, "rows": list(rows)}).encode()
    answer = spawn(f"{__name__}:decide", payload, grants=Grants(read=here), limits=_LIMITS)
    found: list[dict[str, float]] = json.loads(answer)
    return found


def decide(payload: bytes) -> bytes:
    """The worker's side."""
    asked = json.loads(payload)
    answers = [_run(text, asked["entry"], asked["rows"]) for text in asked["texts"]]
    return json.dumps(answers).encode()


def _run(text: str, entry: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    space: dict[str, Any] = {"__name__": "scored"}
    try:
        exec(compile(text, "scored.py", "exec"), space)  # noqa: S102 - the attack's own module
    except ModuleNotFoundError as error:
        raise UnavailableError("a module needs a library", found=f"no {error.name}") from error
    given = space[entry]([dict(row) for row in rows])
    return {str(key): float(value) for key, value in given.items()}
