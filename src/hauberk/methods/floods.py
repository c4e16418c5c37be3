"""Groups of almost equal texts.

References:
    Broder (1997), On the resemblance and containment of documents, for the hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hauberk.methods.near import N_HASHES, minimum_hashes

MIN_WORDS = 12
"""Shorter texts are alike because they are short."""

ALIKE = 0.6
"""Share of equal hashes from which on texts are almost equal: one claim of some changed."""

_ROWS_PER_BAND = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Rows that say almost the same."""

    rows: tuple[int, ...]


def floods(texts: Sequence[str], *, min_size: int) -> list[Flood]:
    """Groups of at least ``min_size`` almost equal texts, by their first rows."""
    places = [row for row, text in enumerate(texts) if len(text.split()) >= MIN_WORDS]
    if len(places) < min_size:
        return []
    signatures = np.stack([minimum_hashes(texts[row]) for row in places])
    parent = list(range(len(places)))
    buckets: dict[tuple[int, bytes], int] = {}
    for number, signature in enumerate(signatures):
        for start in range(0, N_HASHES, _ROWS_PER_BAND):
            key = (start, signature[start : start + _ROWS_PER_BAND].tobytes())
            other = buckets.setdefault(key, number)
            if other != number and (signature == signatures[other]).mean() >= ALIKE:
                parent[_root(parent, number)] = _root(parent, other)
    groups: dict[int, list[int]] = {}
    for number, row in enumerate(places):
        groups.setdefault(_root(parent, number), []).append(row)
    found = [Flood(rows=tuple(rows)) for rows in groups.values() if len(rows) >= min_size]
    return sorted(found, key=lambda flood: flood.rows)


def _root(parent: list[int], number: int) -> int:
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number
