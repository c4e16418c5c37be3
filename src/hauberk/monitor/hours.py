"""What one replica saw of one model within one hour, as counts that add up.

Nothing of a row is kept: counts over the grid of training, and tallies of names from small
sets. Whoever sends many different names fills ``(other)`` and nothing else.
"""

from __future__ import annotations

import json
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError
from hauberk.sketches.grid import Grid
from hauberk.sketches.numbers import Int64s

HOUR_S = 3600
DAY_H = 24

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
N_CONFIDENCE = 20
"""Bins of confidence, 0 to 1."""

MAX_NAMES = 200
"""Different names in one tally; the rest is counted together."""
MAX_NAME = 80
OTHER = "(other)"

REFUSED, PREDICTED, CONFIDENCE, LATENCY = "refused", "predicted", "confidence", "latency"
GROUP, PRINCIPAL, SHADOW, JUDGED, ESTIMATED = "group", "principal", "shadow", "judged", "estimated"
GROUP_JUDGED = "group judged"
TALLIES = frozenset(
    {
        *(REFUSED, PREDICTED, CONFIDENCE, LATENCY, GROUP, PRINCIPAL, SHADOW, JUDGED, ESTIMATED),
        GROUP_JUDGED,
    }
)
RIGHT, WRONG = "right", "wrong"

MAX_BODY_BYTES = 8 << 20
_HEAD = struct.Struct("<I")
_MAX_COUNT = 1 << 53

Tally = dict[str, int]


def bin_of(share: float) -> str:
    """The bin of a confidence, 0 to 1."""
    return str(min(max(int(share * N_CONFIDENCE), 0), N_CONFIDENCE - 1))


def latency_bin(seconds: float) -> str:
    """The bin of a latency."""
    return str(bisect_left(LATENCY_S, seconds))


@dataclass(slots=True, eq=False)
class Hour:
    """The counts.

    Attributes:
        counts: Over the grid; empty where no columns were seen.
        requests: Answered or refused.
        tallies: Name of the tally to names to counts; names stand in `TALLIES`.
    """

    rows: int = 0
    requests: int = 0
    errors: int = 0
    counts: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    tallies: dict[str, Tally] = field(default_factory=dict)

    def count(self, tally: str, name: str, n: int = 1) -> None:
        """Count ``name`` under ``tally``, or the rest once there are too many names."""
        names = self.tallies.setdefault(tally, {})
        name = name[:MAX_NAME]
        if name not in names and len(names) >= MAX_NAMES:
            name = OTHER
        names[name] = names.get(name, 0) + n

    def add(self, other: Hour) -> None:
        """Take in what else was seen."""
        self.rows += other.rows
        self.requests += other.requests
        self.errors += other.errors
        self.counts = _sum(self.counts, other.counts)
        for tally, names in other.tallies.items():
            for name, n in names.items():
                self.count(tally, name, n)

    def add_columns(self, counts: Int64s) -> None:
        """Take in counts over the grid."""
        self.counts = _sum(self.counts, counts)

    def latency_s(self, share: float) -> float | None:
        """A bound that ``share`` (0 to 1) of the requests stayed below."""
        found = self.tallies.get(LATENCY, {})
        counts = [found.get(str(place), 0) for place in range(len(LATENCY_S) + 1)]
        total = sum(counts)
        if not total:
            return None
        for bound, reached in zip((*LATENCY_S, float("inf")), accumulate(counts), strict=True):
            if reached >= share * total:
                return bound
        return None

    def accuracy(self) -> tuple[float, int] | None:
        """Share of right ones among those whose label came, with how many."""
        judged = self.tallies.get(JUDGED, {})
        n = judged.get(RIGHT, 0) + judged.get(WRONG, 0)
        return (judged.get(RIGHT, 0) / n, n) if n else None

    def mean_confidence(self) -> float | None:
        """Mean of the bins' middles."""
        found = self.tallies.get(CONFIDENCE, {})
        total = sum(found.values())
        if not total:
            return None
        return sum((int(k) + 0.5) / N_CONFIDENCE * n for k, n in found.items()) / total

    def to_json(self) -> dict[str, Any]:
        """For a signed batch: integers and strings."""
        return {
            "rows": self.rows,
            "requests": self.requests,
            "errors": self.errors,
            "counts": self.counts.tolist(),
            "tallies": {name: dict(sorted(t.items())) for name, t in sorted(self.tallies.items())},
        }

    @classmethod
    def from_json(cls, value: Any, grid: Grid) -> Hour:
        """Counts that somebody sent.

        Raises:
            ArtifactError: They are not counts over ``grid``, or have fields beyond these.
        """
        try:
            _closed(value, {"rows", "requests", "errors", "counts", "tallies"})
            _closed(value["tallies"], TALLIES)
            counts = np.array([_count(n) for n in value["counts"]], np.int64)
            hour = cls(
                rows=_count(value["rows"]),
                requests=_count(value["requests"]),
                errors=_count(value["errors"]),
                counts=counts,
            )
            _fill(hour, value["tallies"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _foreign(type(error).__name__) from None
        if counts.size not in (0, grid.width):
            raise _foreign(f"{counts.size} counts where the grid has {grid.width}")
        return hour

    def to_bytes(self) -> bytes:
        """For the store, compressed."""
        head = json.dumps([self.rows, self.requests, self.errors, self.tallies]).encode()
        return zlib.compress(_HEAD.pack(len(head)) + head + self.counts.tobytes(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Hour:
        """What `to_bytes` gave.

        Raises:
            ArtifactError: The bytes are something else.
        """
        try:
            inflate = zlib.decompressobj()
            raw = inflate.decompress(data, MAX_BODY_BYTES)
            (size,) = _HEAD.unpack_from(raw)
            rows, requests, errors, tallies = json.loads(raw[_HEAD.size : _HEAD.size + size])
            counts = np.frombuffer(raw[_HEAD.size + size :], np.int64).copy()
        except (zlib.error, struct.error, ValueError, TypeError) as error:
            raise _foreign(type(error).__name__) from None
        return cls(rows=rows, requests=requests, errors=errors, counts=counts, tallies=tallies)


def total(hours: Iterable[Hour]) -> Hour:
    """All of ``hours`` as one."""
    found = Hour()
    for hour in hours:
        found.add(hour)
    return found


def _fill(hour: Hour, tallies: Mapping[str, Mapping[str, Any]]) -> None:
    for tally, names in tallies.items():
        for name, n in list(names.items())[: MAX_NAMES + 1]:
            hour.count(tally, str(name), _count(n))


def _closed(value: Any, names: Iterable[str]) -> None:
    unknown = set(value) - set(names)
    if unknown:
        raise _foreign(f"the field {min(unknown)[:40]!r}")


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_COUNT:
        raise ValueError("not a count")
    return value


def _sum(first: Int64s, second: Int64s) -> Int64s:
    if not first.size or not second.size:
        return second.copy() if second.size else first
    if first.size != second.size:
        raise _foreign(f"{second.size} counts beside {first.size}")
    return first + second


def _foreign(found: str) -> ArtifactError:
    return ArtifactError(
        "these are no counts of an hour",
        subject="telemetry",
        rule="counts over the model's own grid, in the fields of the schema",
        expected="rows, requests, errors, counts, tallies",
        found=found,
        hint="send them with the reference that the monitor was given",
    )
