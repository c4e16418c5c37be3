"""Counts of different values, exact for a deterministic choice of them.

Up to `Values.size` different values are counted exactly. Beyond that the values with the
smallest hashes are kept, still with exact counts: a value among the smallest of all rows is
among the smallest of any part of them, so it was never dropped, and the state does not
depend on order or cuts. Names are dropped then, because a column with that many values
names people, places or things rather than categories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hauberk.sketches.numbers import broken, estimated

MAX_VALUES = 1_024
"""Different values counted; more is no category but a name."""

MAX_NAME_CHARACTERS = 256
"""A longer value is cut and told apart by its hash."""

_HASH_BYTES = 8


@dataclass(slots=True, eq=False)
class Values:
    """The sketch.

    Attributes:
        size: Different values kept at most; equal in all sketches that are merged.
        count: Values taken in; missing ones are the caller's to count.
        overflown: Whether there were more different values than are kept.
        counts: Hash to count.
        names: Hash to value; empty once overflown.
    """

    size: int = MAX_VALUES
    count: int = 0
    overflown: bool = False
    counts: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def update(self, values: Mapping[str, int]) -> None:
        """Take in values with how often each came."""
        self.count += sum(values.values())
        self._take((hash_of(value), value, count) for value, count in values.items())

    def merge(self, other: Values) -> None:
        """Take in another sketch."""
        self.count += other.count
        self.overflown = self.overflown or other.overflown
        self._take((key, other.names.get(key, ""), n) for key, n in other.counts.items())

    def _take(self, items: Iterable[tuple[int, str, int]]) -> None:
        limit = max(self.counts) if len(self.counts) >= self.size else None
        for key, name, count in items:
            if limit is not None and key > limit:
                self.overflown = True
                continue
            self.counts[key] = self.counts.get(key, 0) + count
            self.names[key] = name[:MAX_NAME_CHARACTERS]
        self._trim()

    def _trim(self) -> None:
        if len(self.counts) > self.size:
            self.overflown = True
            self.counts = {key: self.counts[key] for key in sorted(self.counts)[: self.size]}
        if self.overflown:
            self.names = {}

    @property
    def distinct(self) -> int:
        """Different values: exact, or estimated once overflown."""
        if not self.overflown:
            return len(self.counts)
        return estimated(np.array(sorted(self.counts), np.uint64), self.size)

    def top(self, n: int) -> tuple[tuple[str, int], ...]:
        """The most frequent values with their counts; empty once overflown."""
        ranked = sorted(self.names, key=lambda key: (-self.counts[key], self.names[key], key))
        return tuple((self.names[key], self.counts[key]) for key in ranked[:n])

    def to_json(self) -> dict[str, Any]:
        """Integers and strings, sorted by hash."""
        return {
            "size": self.size,
            "count": self.count,
            "overflown": self.overflown,
            "values": [
                [format(key, "x"), self.names.get(key, ""), self.counts[key]]
                for key in sorted(self.counts)
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Values:
        """The sketch that `to_json` gave.

        Raises:
            ArtifactError: It is not one.
        """
        try:
            rows = [(int(key, 16), str(name), int(n)) for key, name, n in value["values"]]
            overflown = bool(value["overflown"])
            sketch = cls(
                size=int(value["size"]),
                count=int(value["count"]),
                overflown=overflown,
                counts={key: n for key, _, n in rows},
                names={} if overflown else {key: name for key, name, _ in rows},
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise broken(f"{type(error).__name__} in a sketch of values") from None
        total = sum(sketch.counts.values())
        exact = total == sketch.count or (overflown and total <= sketch.count)
        if not exact or not len(rows) == len(sketch.counts) <= sketch.size:
            raise broken("a sketch of values whose counts do not add up")
        return sketch


def hash_of(value: str) -> int:
    """A 64-bit hash that is the same everywhere."""
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES)
    return int.from_bytes(digest.digest(), "big")
