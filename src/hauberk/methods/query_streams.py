"""What is remembered of a client's queries, and what their order says.

A search for a misclassified or a typical input asks for one neighbour after another of the
same place. Honest clients do so too: a film moves on, a still camera sees noise, a retry
repeats. So a near query is not suspicious by itself; `Track.weigh` says how much it tells:

1. An exact repeat tells nothing and is not remembered twice.
2. A query that goes back along the line of the last step, and not as far, halves an interval:
   it counts in full, near or not.
3. A query that leads a movement on (a film) tells nothing, however slow it is.
4. A query that shares most of its exact values with a near one is a step along a few
   features, and one whose neighbourhood changes its label again and again walks along a
   boundary: they count in full.
5. What is left is near, changes everywhere, and keeps its label: noise. It counts little.

Rows are kept as short sketches of fixed size, whatever their width: a random projection for
distances, and one byte for each of up to 64 segments for exact equality.

References:
    Chen, Carlini and Wagner (2020), Stateful detection of black-box adversarial attacks.
    Li, Shan, Wenger, Zhang, Zheng and Zhao (2022), Blacklight, section 4.
    Johnson and Lindenstrauss (1984), for the projection.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

WIDTH = 48
"""Numbers of a projection; distances are right to about one tenth."""

SEGMENTS = 64
MEMORY = 24
"""Queries remembered of one client."""

POOLED = 1_024
"""Wider rows are averaged down to so many values first."""

NEAR = 0.3
"""Distance, relative to the rows' own size, below which two rows show the same."""

SHARED = 0.5
"""Share of equal segments from which on a row is a step along a few features."""

MANY_CHANGES = 3
"""Changes of label among near queries; a film crosses a boundary once or twice."""

KEPT = 0.985
"""Share of the suspicion that is left after one more query."""

QUIET = 0.04
"""What noise around one place counts."""

SMALL = 0.2
"""What it counts where the label changes with it, as between two classes it does."""

NOISE = 0.1
"""Distance that the noise of a sensor explains."""

_MIN_ACTIVE = 8
_LEAST_WIDTH = 4
"""Single values are equal by chance where there are few levels; four at once are not."""

_LAG = 4
_ONWARD = 0.35
_ON_A_LINE = 0.985
_SHORTER = 0.7
_FAR = 0.6
"""Rows farther apart share no more than chance lets them."""

_ENTRY = np.dtype(
    [
        ("digest", "<u8"),
        ("norm", "<f4"),
        ("label", "<i4"),
        ("point", "<f4", (WIDTH,)),
        ("segments", "u1", (SEGMENTS,)),
    ]
)
_FIRST = struct.Struct("<Qfi")
_HEAD = struct.Struct("<d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One row in fixed size.

    Attributes:
        point: ``(WIDTH,)`` float32 projection of the row around its mean.
        norm: Length of ``point``.
        segments: ``(SEGMENTS,)`` uint8; 0 where a segment shows nothing.
        digest: 64 bits of all values.
        label: What the model said of the row.
    """

    point: Any
    norm: float
    segments: Any
    digest: int
    label: int

    @property
    def cell(self) -> int:
        """One of 256 regions; near rows are mostly in the same one."""
        return int(np.packbits(self.point[:8] > 0)[0])

    def to_bytes(self) -> bytes:
        """As one entry of a track."""
        first = _FIRST.pack(self.digest, self.norm, self.label)
        return b"".join((first, self.point.tobytes(), self.segments.tobytes()))


def sketch(row: Any, label: int) -> Sketch:
    """The sketch of ``row``, ``(n_features,)`` finite floats."""
    row = _pooled(row)
    point = (row - row.sum() / row.size) @ _projection(row.size)
    norm = math.sqrt(float(point @ point)) + 1e-9
    digest = hashlib.blake2b(row.tobytes(), digest_size=8).digest()
    return Sketch(
        point=point,
        norm=norm,
        segments=_segments(row, norm),
        digest=int.from_bytes(digest, "little"),
        label=label,
    )


def _pooled(row: Any) -> Any:
    row = np.asarray(row, np.float32)
    if row.size <= POOLED:
        return row
    width = row.size // POOLED
    return row[: width * POOLED].reshape(POOLED, width).mean(axis=1)


@cache
def _projection(n_features: int) -> Any:
    rng = np.random.default_rng([n_features, WIDTH])
    signs = rng.choice(np.array([-1, 1], np.float32), (n_features, WIDTH))
    return signs / np.float32(np.sqrt(WIDTH))


@cache
def _weights(width: int) -> Any:
    """Odd numbers, so that a change of any one value changes the sum."""
    return (np.random.default_rng([width, 64]).integers(0, 1 << 20, width) * 2 + 1).astype(float)


def _segments(row: Any, norm: float) -> Any:
    """One byte per segment of the row on a coarse grid, above its smallest value."""
    size = norm / math.sqrt(row.size)  # about the spread of one value; like rows have the same grid
    grid = np.rint(row * 2.0 ** (8 - math.frexp(size)[1]))
    grid -= grid.min()
    width = max(_LEAST_WIDTH, -(-row.size // SEGMENTS))
    shown = np.zeros(width * SEGMENTS)
    shown[: row.size] = grid
    sums = shown.reshape(SEGMENTS, width) @ _weights(width)
    return (sums % _PRIME + (sums > 0)).astype(np.uint8)


_PRIME = 251.0


class Track:
    """The latest queries of one client, oldest first, and the suspicion that they add up to."""

    __slots__ = ("body", "score")

    def __init__(self, state: bytes | None = None) -> None:
        """A state that `to_bytes` gave; an empty one for anything else."""
        self.score, self.body = 0.0, b""
        if state is not None and (len(state) - _HEAD.size) % _ENTRY.itemsize == 0:
            (self.score,) = _HEAD.unpack_from(state)
            self.body = state[_HEAD.size :]

    def to_bytes(self) -> bytes:
        """The whole state."""
        return _HEAD.pack(self.score) + self.body

    def take(self, new: Sketch) -> float:
        """Weigh and remember ``new``; what it told."""
        held = np.frombuffer(self.body, _ENTRY)
        if new.digest in held["digest"].tolist():
            return 0.0
        weight = _weighed(held, new) if len(held) else 0.0
        self.body = self.body[-(MEMORY - 1) * _ENTRY.itemsize :] + new.to_bytes()
        self.score = self.score * KEPT + weight
        return weight


def _weighed(held: Any, new: Sketch) -> float:
    """How much ``new`` tells of a search, 0 to 1, given what came before it."""
    points, norms = held["point"], held["norm"]
    if _halves(points, new.point):
        return 1.0
    squares = norms * norms + (new.norm * new.norm - 2 * (points @ new.point))
    distance = np.sqrt(np.maximum(squares, 0)) / np.maximum(norms, new.norm)
    close = np.flatnonzero(distance < _FAR)
    if not close.size:
        return 0.0
    shared = _shared(held["segments"][close], new.segments)
    kept = (distance[close] < NEAR) | (shared > SHARED)
    near = close[kept]
    if not near.size:
        return 0.0
    return _told(points[near], held["label"][near], distance[near], shared[kept], new)


def _told(chain: Any, labels: Any, distance: Any, shared: Any, new: Sketch) -> float:
    """What a query near to ``chain`` tells."""
    known = np.append(labels, new.label)
    changes = int((known[1:] != known[:-1]).sum())
    if _moves_on(chain, new.point):
        return 0.0 if changes < MANY_CHANGES else SMALL
    if shared.max() > SHARED or _halves(chain, new.point):
        return 1.0
    if changes >= MANY_CHANGES:
        return SMALL if distance.min() < NOISE else 1.0
    return QUIET


def _shared(held: Any, new: Any) -> Any:
    """Share of equal segments among those that show something in both rows."""
    active = (held != 0) & (new != 0)
    n_active = active.sum(axis=1)
    equal = ((held == new) & active).sum(axis=1)
    return np.where(n_active >= _MIN_ACTIVE, equal / np.maximum(n_active, 1), 0.0)


def _moves_on(chain: Any, point: Any) -> bool:
    """Whether the way of the last queries goes on in the direction of the ones before."""
    lag = min(_LAG, len(chain) // 2)
    if lag == 0:
        return False
    latest, before = point - chain[-lag], chain[-lag] - chain[-2 * lag]
    return _cosine(latest, before) > _ONWARD


def _halves(chain: Any, point: Any) -> bool:
    """Whether the last step lies on the line of the one before, and is shorter."""
    if len(chain) < 2:  # noqa: PLR2004 - two steps need three places
        return False
    latest, before = point - chain[-1], chain[-1] - chain[-2]
    first, second = float(latest @ latest), float(before @ before)
    if first >= _SHORTER * second:
        return False
    return abs(float(latest @ before)) > _ON_A_LINE * math.sqrt(first * second)


def _cosine(first: Any, second: Any) -> float:
    sizes = float(first @ first) * float(second @ second)
    return float(first @ second) / math.sqrt(sizes + 1e-24)
