"""What was said of a table alone in its file, kept under its content for the next scan.

Only what depends on nothing but the file's bytes, its path, the rules and the libraries that read
it is kept: no roles of columns, no reference beside it. A table that could not be judged is judged
again. The file is hashed before it is judged, and what is said of it is kept only where the disk
tells of no change in between.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from hauberk.formats.kept_results import KeptResults, kept_results
from hauberk.scanner.options import ScanOptions

Answer = dict[str, Any]

_SILENT = frozenset({"cache", "jobs", "history", "digest", "narrowing"})
"""Options that change nothing of what is said of a table."""

_CHUNK = 1 << 20


def depends_on_nothing_else(options: ScanOptions) -> bool:
    """Whether a table is judged by its own rows only."""
    plain = ScanOptions()
    return all(
        getattr(options, field.name) == getattr(plain, field.name)
        for field in fields(options)
        if field.name not in _SILENT
    )


def unless_kept(path: Path, kind: str, work: Callable[[], Answer]) -> Answer:
    """The answer that is kept for the file as it is, or that of ``work``.

    Args:
        work: Judges the file; its ``assessments`` are JSON values.
    """
    kept = kept_results()
    before = _state(path) if kept is not None else None
    if kept is None or before is None:
        return work()
    key = _key(kept, path, kind)
    if key is None:
        return work()
    found = kept.get(key)
    if isinstance(found, dict) and found.keys() == {"assessments", "unjudged", "optional"}:
        return found
    answer = work()
    is_told = all(item["outcome"] != "failed" for item in answer["assessments"])
    if is_told and _state(path) == before:
        kept.put(key, answer)
    return answer


def _key(kept: KeptResults, path: Path, kind: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return kept.key_of("table", kind, str(path), digest.hexdigest(), _libraries())


def _state(path: Path) -> tuple[int, ...] | None:
    """What the disk tells of a regular file; its time of change is nobody's to set."""
    try:
        state = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - one call for each file
    except OSError:
        return None
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _libraries() -> str:
    """Changes when packages are installed, upgraded or taken away."""
    told = []
    for place in sys.path:
        if place.endswith(("site-packages", "dist-packages")):
            try:
                told.append(f"{place} {os.stat(place).st_mtime_ns}")  # noqa: PTH116 - as above
            except OSError:
                continue
    return "\n".join(told)
