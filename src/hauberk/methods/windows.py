"""Small windows of pictures that contradicted rows share, counted in one pass.

Every window of every picture is hashed into a table, at its place and wherever it lies, at
several depths of grey. A table holds how many rows fell into each bucket and how many of them
are contradicted; tables are integers and add up, so shards merge to the bytes of one pass.
Buckets with far more contradicted rows than their classes explain are looked up again, and
the rows that share a window exactly are the candidates.

References:
    Gu, Dolan-Gavitt and Garg (2017), BadNets. Cormode and Muthukrishnan (2005), An improved
    data stream summary: the count-min sketch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from hauberk.methods.embed import Codes, Floats

N_BUCKETS = 1 << 20
"""Per table; a bucket then holds some ten chance windows of 20,000 pictures of 28 x 28."""

MAX_CANDIDATES = 100
"""Buckets of each table that are looked up again, most surprising first."""

MIN_HITS = 4
_CHUNK = 400
_FIXED_KEY = 0x9E3779B1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How windows are compared.

    Attributes:
        side: Pixels on each side.
        bits: Depth of grey; fewer forgive jitter.
        offset: Added to each pixel before the depth is cut, 0 to 255: jitter around the edge
            between two greys at one offset is inside of one grey at another.
        anywhere: Whether a window counts wherever it lies.
    """

    side: int
    bits: int
    offset: int = 0
    anywhere: bool = False

    @property
    def name(self) -> str:
        """As it stands in a message."""
        return f"{self.side}x{self.side} pixels at {self.bits} bits"


SCALES = (
    Scale(side=1, bits=8),
    Scale(side=2, bits=8),
    Scale(side=3, bits=8),
    Scale(side=3, bits=4),
    Scale(side=3, bits=4, offset=8),
    Scale(side=3, bits=3, offset=16),
    Scale(side=3, bits=8, anywhere=True),
    Scale(side=3, bits=4, anywhere=True),
    Scale(side=3, bits=4, offset=8, anywhere=True),
)


def _weights(side: int, n_channels: int) -> Any:
    """Odd factors of a linear hash, ``(side + side, n_channels)``, the same in every process."""
    rng = np.random.default_rng(side)
    return rng.integers(1, 2**31, (2 * side, n_channels), np.uint32) * np.uint32(2) + np.uint32(1)


def codes_of(pixels: Any, scale: Scale) -> Any:
    """A 32-bit hash of each window, ``(n_rows, height, width)``; plain windows are 0 anywhere.

    Args:
        pixels: ``(n_rows, height, width, channels)``, uint8.
    """
    shifted = np.minimum(pixels.astype(np.uint16) + scale.offset, 255) >> (8 - scale.bits)
    grey = shifted.astype(np.uint32) + np.uint32(1)
    weights = _weights(scale.side, pixels.shape[3])
    across, down = weights[: scale.side], weights[scale.side :]
    height, width = (length - scale.side + 1 for length in pixels.shape[1:3])
    codes = np.zeros((len(pixels), height, width), np.uint32)
    for channel in range(pixels.shape[3]):
        lines = sum(grey[:, :, x : x + width, channel] * across[x, channel] for x in _of(scale))
        lines ^= lines >> np.uint32(15)
        codes += sum(lines[:, y : y + height] * down[y, channel] for y in _of(scale))
    codes ^= codes >> np.uint32(15)
    if not scale.anywhere:
        places = np.arange(height * width, dtype=np.uint32).reshape(height, width)
        codes = (codes + places * np.uint32(0x85EBCA6B)) * np.uint32(_FIXED_KEY)
        return codes ^ (codes >> np.uint32(13))
    flat = np.zeros(codes.shape, bool)
    for y, x in np.ndindex(scale.side, scale.side):
        part = grey[:, y : y + height, x : x + width]
        flat |= (part != grey[:, :height, :width]).any(axis=-1)
    return np.where(flat, codes, np.uint32(0))


def _of(scale: Scale) -> range:
    return range(scale.side)


@dataclass(slots=True)
class WindowCounts:
    """The tables of some rows; see the module.

    Attributes:
        seen: ``(n_scales, N_BUCKETS)`` windows in each bucket.
        hits: The same for contradicted rows alone.
        due: Contradicted rows to expect by their classes, in thousandths.
    """

    scales: tuple[Scale, ...] = SCALES
    seen: Any = field(default=None)
    hits: Any = field(default=None)
    due: Any = field(default=None)

    def __post_init__(self) -> None:
        """Empty tables."""
        shape = (len(self.scales), N_BUCKETS)
        self.seen = np.zeros(shape, np.int32) if self.seen is None else self.seen
        self.hits = np.zeros(shape, np.int32) if self.hits is None else self.hits
        self.due = np.zeros(shape, np.int32) if self.due is None else self.due

    def update(self, pixels: Any, wrong: Any, due: Any) -> None:
        """Take in rows.

        Args:
            wrong: Where they are contradicted.
            due: How often rows of their classes are, in whole thousandths.
        """
        for start in range(0, len(pixels), _CHUNK):
            part, marks = pixels[start : start + _CHUNK], wrong[start : start + _CHUNK]
            dues = due[start : start + _CHUNK, None, None].astype(np.float64)
            for place, scale in enumerate(self.scales):
                if scale.side > min(pixels.shape[1:3]):
                    continue
                buckets = _buckets(codes_of(part, scale))
                self.seen[place] += np.bincount(buckets.reshape(-1), minlength=N_BUCKETS)
                self.hits[place] += np.bincount(buckets[marks].reshape(-1), minlength=N_BUCKETS)
                weights = np.broadcast_to(dues, buckets.shape).reshape(-1)
                sums = np.bincount(buckets.reshape(-1), weights, N_BUCKETS)
                self.due[place] += sums.astype(np.int32)

    def merge(self, other: Self) -> None:
        """Take in the tables of other rows."""
        self.seen += other.seen
        self.hits += other.hits
        self.due += other.due

    def to_bytes(self) -> bytes:
        """All tables."""
        return bytes(self.seen.tobytes() + self.hits.tobytes() + self.due.tobytes())

    def surprising(self, place: int) -> Codes:
        """Buckets of one scale with far more contradicted rows than due, worst first."""
        seen, hits = self.seen[place], self.hits[place]
        due = self.due[place] / 1000
        spread = np.sqrt(np.maximum(due * (1 - due / np.maximum(seen, 1)), 1.0))
        is_most = (hits >= MIN_HITS) & (hits >= _MIN_SHARE * seen)
        z = np.where(is_most, (hits - due) / spread, 0)
        chosen = np.argpartition(-z, MAX_CANDIDATES)[:MAX_CANDIDATES]
        chosen = chosen[z[chosen] > _MIN_Z]
        return np.asarray(chosen[np.argsort(-z[chosen], kind="stable")], np.int64)


_MIN_Z = 4.0
_MIN_SHARE = 0.6


def _buckets(codes: Any) -> Any:
    return (codes >> np.uint32(12)).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """One window with the rows that share it exactly."""

    scale: Scale
    code: int
    rows: Codes
    place: str


def carriers(pixels: Any, scale: Scale, buckets: Codes) -> Iterator[Window]:
    """The windows in ``buckets``."""
    wanted = np.zeros(N_BUCKETS, bool)
    wanted[buckets] = True
    yield from _grouped(pixels, scale, lambda codes: wanted[_buckets(codes)])


def carriers_of(pixels: Any, scale: Scale, codes: Codes) -> Iterator[Window]:
    """The windows with one of ``codes``, among other rows than those they were found in."""
    wanted = np.asarray(codes, np.uint32)
    yield from _grouped(pixels, scale, lambda found: np.isin(found, wanted))


def _grouped(pixels: Any, scale: Scale, chosen: Callable[[Any], Any]) -> Iterator[Window]:
    found: list[tuple[Any, Any, Any]] = []
    for start in range(0, len(pixels), _CHUNK):
        codes = codes_of(pixels[start : start + _CHUNK], scale)
        rows, y, x = np.nonzero(chosen(codes))
        found.append((codes[rows, y, x], rows + start, y * codes.shape[2] + x))
    codes, rows, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
    width = pixels.shape[2] - scale.side + 1
    order = np.lexsort((rows, codes))
    codes, rows, places = codes[order], rows[order], places[order]
    for part in np.split(np.arange(codes.size), np.flatnonzero(np.diff(codes)) + 1):
        if part.size and not (scale.anywhere and codes[part[0]] == 0):
            y, x = divmod(int(places[part[0]]), width)
            at = "anywhere" if scale.anywhere else f"row {y}, column {x}"
            yield Window(
                scale=scale,
                code=int(codes[part[0]]),
                rows=np.unique(rows[part]),
                place=f"{scale.name}, {at}",
            )


def grey(images: Floats) -> Any:
    """Pictures from 0 to 1 as bytes."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
