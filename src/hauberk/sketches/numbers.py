"""One column of numbers as a histogram whose bins follow the numbers themselves.

The bits of a floating-point number, read as an integer, sort as the numbers do. A bin is
all numbers that agree in all but the last ``shift`` bits. The sketch starts with bins of
one number each and coarsens by one bit whenever it has more than `MAX_BINS` of them: few
different values are kept exactly, many at the finest resolution that fits.

The shift only grows, and it grows exactly when the bins of *some* of the rows are too many,
which implies that those of all rows are: so the state after all rows is the same whatever
order, batches or shards they came in. Counts are integers; no sum of floats is ever kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError

MAX_BINS = 1_024
"""At most this many bins; the relative error of a quantile stays near one per cent."""

MAX_HASHES = 256
"""Smallest hashes kept; the number of different values is known to about 6 %."""

_MIN_BUFFER = 4_096
_DENSE = 1 << 18
_RAW_SHIFT = 46
"""From so many ignored bits on, the bins of all numbers are few enough to be counted directly."""
_POSITIVE = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_MAX_SHIFT = 63
_LEAP = 8
_FEW = 16

Int64s = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def keys_of(values: Floats) -> Int64s:
    """Integers that sort as ``values`` do; minus zero counts as zero."""
    bits = (values + 0.0).view(np.int64)
    mask = bits >> 63  # all ones where negative
    mask &= _POSITIVE
    bits ^= mask
    return np.asarray(bits, np.int64)


def values_of(keys: Int64s) -> Floats:
    """The numbers whose keys these are."""
    bits = np.where(keys < 0, keys ^ _POSITIVE, keys)
    return np.ascontiguousarray(bits).view(np.float64)


def mixed(keys: Int64s) -> Hashes:
    """Well-mixed 64-bit hashes of integers (the finaliser of SplitMix64)."""
    h = keys.view(np.uint64) + np.uint64(0x9E37_79B9_7F4A_7C15)
    high = np.empty_like(h)  # in place: most of the time would go into fresh memory
    for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB), (31, 1)):
        np.right_shift(h, np.uint64(shift), out=high)
        h ^= high
        if factor != 1:
            h *= np.uint64(factor)
    return np.asarray(h, np.uint64)


_LEAST, _MOST = keys_of(np.array([-np.inf, np.inf])).tolist()


def _no_keys() -> Int64s:
    return np.zeros(0, np.int64)


def _no_hashes() -> Hashes:
    return np.zeros(0, np.uint64)


@dataclass(slots=True, eq=False)
class Numbers:
    """The sketch. Missing values (NaN) are the caller's to count.

    Attributes:
        count: Numbers taken in, infinite ones included.
        infinite: How many of them were infinite.
        shift: Low bits of the key that a bin ignores.
        bins: Keys without these bits, increasing.
        counts: Numbers in each bin.
        hashes: The smallest hashes of different numbers, increasing.
        is_live: Whether it only serves to be held against another sketch: it begins with
            that one's bins and does not estimate how many numbers differ.
    """

    count: int = 0
    infinite: int = 0
    lowest: int | None = None
    highest: int | None = None
    shift: int = 0
    bins: Int64s = field(default_factory=_no_keys)
    counts: Int64s = field(default_factory=_no_keys)
    hashes: Hashes = field(default_factory=_no_hashes)
    is_live: bool = False

    @classmethod
    def against(cls, other: Numbers) -> Numbers:
        """An empty sketch for live numbers that are to be held against ``other``."""
        return cls(shift=other.shift, is_live=True)

    def update(self, values: Floats) -> None:
        """Take in numbers without NaN."""
        if not values.size:
            return
        if self.is_live and self.shift >= _RAW_SHIFT and values.size > _MIN_BUFFER:
            self._update_live(values)
            return
        keys = keys_of(values)
        self.count += int(keys.size)
        low, high = int(keys.min()), int(keys.max())
        if low <= _LEAST or high >= _MOST:
            self.infinite += int(np.count_nonzero(np.isinf(values)))
        self._widen(low, high)
        if not self.is_live:
            self.hashes = smallest(self.hashes, mixed(keys))
        keys >>= self.shift
        self._add(*_counted(keys, low >> self.shift, high >> self.shift))

    def _update_live(self, values: Floats) -> None:
        """The same counts in fewer passes: bins of the raw bits, turned into ours afterwards."""
        self.count += int(values.size)
        ends = np.array([values.min(), values.max()]) + 0.0
        low, high = keys_of(ends).tolist()
        self._widen(low, high)
        raw = np.ascontiguousarray(values).view(np.uint64) >> np.uint64(self.shift)
        counts = np.bincount(raw.view(np.int64))
        places = np.flatnonzero(counts)
        sign = 1 << (63 - self.shift)  # bits with their sign in front
        bins = np.where(places < sign, places, sign - 1 - places)
        bins = np.where(places == sign, 0, bins)  # minus zero is zero
        self.infinite += int(np.isinf(ends).any()) and int(np.count_nonzero(np.isinf(values)))
        self._add(bins.astype(np.int64), counts[places].astype(np.int64))

    def merge(self, other: Numbers) -> None:
        """Take in another sketch."""
        if other.lowest is None or other.highest is None:
            return
        self.count += other.count
        self.infinite += other.infinite
        self._widen(other.lowest, other.highest)
        self.hashes = smallest(self.hashes, other.hashes)
        self._coarsen(max(self.shift, other.shift))
        self._add(other.bins >> (self.shift - other.shift), other.counts)

    def _widen(self, low: int, high: int) -> None:
        self.lowest = low if self.lowest is None else min(self.lowest, low)
        self.highest = high if self.highest is None else max(self.highest, high)

    def _add(self, bins: Int64s, counts: Int64s) -> None:
        self.bins, self.counts = _summed(
            np.concatenate([self.bins, bins]), np.concatenate([self.counts, counts])
        )
        while self.bins.size > MAX_BINS:
            self._coarsen(self.shift + self._step())

    def _step(self) -> int:
        """Bits to coarsen by at once: several where the bins are too many even then.

        Fewer bits leave more bins, so this ends at the same shift as single steps do.
        """
        coarse = self.bins >> _LEAP
        n_coarse = 1 + int(np.count_nonzero(coarse[1:] != coarse[:-1]))
        return _LEAP if n_coarse > MAX_BINS else 1

    def _coarsen(self, shift: int) -> None:
        if shift > self.shift:
            self.bins, self.counts = _summed(self.bins >> (shift - self.shift), self.counts)
            self.shift = shift

    # Reading -------------------------------------------------------------------------

    @property
    def low(self) -> float | None:
        """The smallest number, exactly."""
        return None if self.lowest is None else _value(self.lowest)

    @property
    def high(self) -> float | None:
        """The largest number, exactly."""
        return None if self.highest is None else _value(self.highest)

    @property
    def distinct(self) -> int:
        """Different numbers: exact while the bins are, else estimated."""
        is_exact = self.shift == 0 or self.is_live
        return int(self.bins.size) if is_exact else estimated(self.hashes)

    def edges(self) -> tuple[Floats, Floats]:
        """First and last number of each bin, cut to the range seen."""
        first = self.bins << self.shift
        last = first + ((1 << self.shift) - 1)
        low, high = self.lowest or 0, self.highest or 0
        return values_of(np.clip(first, low, high)), values_of(np.clip(last, low, high))

    def quantile(self, share: float) -> float | None:
        """A number with about ``share`` (0 to 1) of the others below it."""
        if not self.count:
            return None
        rank = min(int(share * self.count), self.count - 1)
        position = int(np.searchsorted(np.cumsum(self.counts), rank, side="right"))
        first, last = self.edges()
        middle = first[position] / 2 + last[position] / 2
        return float(middle)

    def histogram(self, n: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """``n + 1`` even edges over the finite range and the counts between them, to draw.

        A bin is counted where its middle lies.
        """
        first, last = self.edges()
        middles = first / 2 + last / 2
        finite = np.isfinite(middles)
        if not finite.any():
            return (), ()
        counts, edges = np.histogram(middles[finite], bins=n, weights=self.counts[finite])
        return tuple(edges.tolist()), tuple(int(count) for count in counts)

    # Bytes ---------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Integers and strings; long ones as strings, because JSON readers round them."""
        return {
            "count": self.count,
            "infinite": self.infinite,
            "range": None if self.lowest is None else [str(self.lowest), str(self.highest)],
            "shift": self.shift,
            "bins": _packed(self.bins),
            "counts": self.counts.tolist(),
            "hashes": [format(h, "x") for h in self.hashes.tolist()],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Numbers:
        """The sketch that `to_json` gave.

        Raises:
            ArtifactError: It is not one, or its parts contradict each other.
        """
        try:
            ends = value["range"]
            sketch = cls(
                count=int(value["count"]),
                infinite=int(value["infinite"]),
                lowest=None if ends is None else int(ends[0]),
                highest=None if ends is None else int(ends[1]),
                shift=int(value["shift"]),
                bins=_unpacked(value["bins"]),
                counts=np.array(value["counts"], np.int64).reshape(-1),
                hashes=np.array([int(h, 16) for h in value["hashes"]], np.uint64),
            )
        except (KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
            raise broken(f"{type(error).__name__} in a sketch of numbers") from None
        sketch._check()
        return sketch

    def _check(self) -> None:
        consistent = (
            self.bins.size == self.counts.size <= MAX_BINS
            and self.hashes.size <= MAX_HASHES
            and 0 <= self.shift <= _MAX_SHIFT
            and int(self.counts.sum()) == self.count
            and bool((self.counts > 0).all())
            and bool((self.bins[1:] > self.bins[:-1]).all())
            and bool((self.hashes[1:] > self.hashes[:-1]).all())
            and (self.count > 0) == (self.lowest is not None)
        )
        if not consistent:
            raise broken("a sketch of numbers whose parts contradict each other")


def _value(key: int) -> float:
    return float(values_of(np.array([key], np.int64))[0])


def _counted(keys: Int64s, low: int, high: int) -> tuple[Int64s, Int64s]:
    """Different keys with their counts; close keys are counted without sorting."""
    span = high - low + 1
    if span <= _DENSE and keys.size > _MIN_BUFFER:
        dense = np.bincount(keys - low, minlength=span)
        places = np.flatnonzero(dense)
        return places + low, dense[places].astype(np.int64)
    bins, counts = np.unique(keys, return_counts=True)
    return bins, counts.astype(np.int64)


def _summed(keys: Int64s, counts: Int64s) -> tuple[Int64s, Int64s]:
    """Equal keys taken together, in increasing order."""
    if not keys.size:
        return keys, counts
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(counts, starts)


def _packed(bins: Int64s) -> str:
    """The first bin and the steps to the next ones, in decimal, separated by blanks."""
    values = bins.tolist()
    steps = [b - a for a, b in pairwise(values)]
    return " ".join(map(str, [*values[:1], *steps]))


def _unpacked(text: str) -> Int64s:
    total, bins = 0, []
    for step in text.split():
        total += int(step)
        bins.append(total)
    return np.array(bins, np.int64)


def smallest(kept: Hashes, new: Hashes, size: int = MAX_HASHES) -> Hashes:
    """The ``size`` smallest different hashes of both."""
    if kept.size >= size:
        new = new[new < kept[-1]]
    if not new.size:
        return kept
    if new.size > _FEW * size:  # the smallest different ones are among the smallest few
        few = np.unique(np.partition(new, _FEW * size)[: _FEW * size])
        new = few if few.size >= size else new
    return np.unique(np.concatenate([kept, new]))[:size]


def estimated(hashes: Hashes, size: int = MAX_HASHES) -> int:
    """How many different values gave these smallest hashes (k minimum values).

    References:
        Bar-Yossef, Jayram, Kumar, Sivakumar and Trevisan (2002), Counting distinct elements
        in a data stream; the unbiased form (k - 1) / h_k.
    """
    if hashes.size < size:
        return int(hashes.size)
    return int((size - 1) * 2**64 // max(int(hashes[-1]), 1))


def broken(found: str) -> ArtifactError:
    """The error for bytes that are no profile."""
    return ArtifactError(
        "The profile cannot be read",
        subject="profile",
        rule="a profile is what Profile.to_bytes wrote",
        expected="sketches whose counts add up",
        found=found,
        hint="Profile the data again.",
    )
