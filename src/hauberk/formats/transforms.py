"""Transform contracts: what a step says that it does to each column, as JSON.

    {"transforms": [
      {"column": "amount", "do": "standardise", "mean": 41.7, "scale": 12.9},
      {"column": "status", "do": "map", "map": {"ok": "fine"}}]}

The parameters are the numbers that the step used: a scaler's file can be the contract itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hauberk.core.artifact import ColumnChange
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.strict_json import JsonLimits, decode

MAX_BYTES = 4 << 20
MAX_CHANGES = 20_000

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "standardise": ("mean", "scale"),
    "min_max": ("low", "high"),
    "robust": ("median", "scale"),
    "fill": ("value",),
    "multiply": ("factor",),
    "clip": ("low", "high"),
    "log1p": (),
    "round": ("digits",),
    "smooth": ("size",),
    "median": ("size",),
    "map": (),
    "drop": (),
}
"""Deed to the parameters that it must give."""

MAX_FILTER = 15
"""Side of the largest filter that is replayed."""


def open_transforms(path: Path) -> tuple[ColumnChange, ...]:
    """The contract at ``path``.

    Raises:
        ArtifactError: It is no such contract, or too large.
        UsageError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "the transform contract cannot be read", subject=str(path), found=str(error.strerror)
        ) from error
    return transforms_of(decode(data, JsonLimits(max_bytes=MAX_BYTES)), str(path))


def transforms_of(document: Any, name: str) -> tuple[ColumnChange, ...]:
    """The contract that ``document`` holds.

    Raises:
        ArtifactError: A change is unknown or lacks a parameter.
    """
    listed = document.get("transforms") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_CHANGES:
        raise ArtifactError(
            "a transform contract is an object with a list of transforms",
            subject=name,
            expected='{"transforms": [...]} of at most ' + str(MAX_CHANGES),
            found=type(document).__name__ if listed is None else f"{type(listed).__name__}",
        )
    return tuple(_change(item, f"{name}: transform {place}") for place, item in enumerate(listed))


def _change(item: Any, name: str) -> ColumnChange:
    if not isinstance(item, dict) or not isinstance(item.get("column"), str):
        raise ArtifactError("a transform names no column", subject=name, found=repr(item)[:80])
    deed = item.get("do")
    if not isinstance(deed, str) or deed not in PARAMETERS:
        raise ArtifactError(
            "a transform says nothing that can be replayed",
            subject=name,
            expected=", ".join(PARAMETERS),
            found=repr(deed)[:80],
        )
    numbers = {key: _number(item.get(key), f"{name}: {key}") for key in PARAMETERS[deed]}
    size = numbers.get("size", 1.0)
    if not 1 <= size <= MAX_FILTER or size != int(size):
        raise ArtifactError(
            "a filter is too large to be replayed",
            subject=name,
            expected=f"a whole size from 1 to {MAX_FILTER}",
            found=f"{size:g}",
        )
    return ColumnChange(
        column=item["column"], deed=deed, numbers=numbers, words=_words(deed, item, name)
    )


def _number(value: Any, name: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ArtifactError("a transform lacks a number", subject=name, found=repr(value)[:80])


def _words(deed: str, item: Mapping[str, Any], name: str) -> dict[str, str]:
    if deed != "map":
        return {}
    words = item.get("map")
    if not isinstance(words, dict) or not all(isinstance(new, str) for new in words.values()):
        raise ArtifactError("a map holds no texts", subject=name, found=repr(words)[:80])
    return words
