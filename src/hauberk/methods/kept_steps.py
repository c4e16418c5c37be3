"""Whether a client keeps those of its changes that helped.

Whoever searches by a model's answers changes an input, looks, and goes on from the change where
it helped and from before it where it did not. That is what makes it a search, whatever its
steps look like, and nobody else's changes stay or go by what the model said: a film goes
on from every picture, whoever tries one field after another goes back each time, and noise
does neither.

`KeptSteps` remembers two queries of a client: the last one, and the one that it was made from.

1. The next query is projected on the way between the two. Near 1 it keeps the change, near 0
   it goes back; in between, where noise around one place lies, nothing is counted, and the nearer
   of the two is taken for where it came from. Where most are in between, it is noise.
2. Of each change it is counted whether it was kept, and whether it helped: for each class
   whether its score rose, whether it fell, and whether the label stayed what it was.
3. The hypergeometric tail of the table of two by two says how likely so many of those that helped
   would be among those that were kept, if one had nothing to do with the other; times the number of
   questions asked, and more for every doubling of the changes beyond `LOOK`, since it is asked
   again and again. It needs changes of all kinds: who keeps all, or none, has 1.
4. A query far from both is not part of the way. After a few of these in a row a new one begins.

References:
    Fisher (1935), The design of experiments, chapter 2, for the test.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from math import comb, log2
from typing import Any

import numpy as np

MOST_CLASSES = 10
"""Scores looked at of an answer, the first ones; more take more room for each client."""

HALF = 0.5
BLUR, NARROW, WIDE = 0.25, 0.1, 20
"""What lies more than the first from 0 and 1, in between, is blurred. With fewer columns than the
last noise comes near by chance; there 0, 1 or -1 (the same change undone twice) must be met."""

LOST = 3
"""So many queries in a row elsewhere end a way."""

CLEAR = 0.4
"""Share of the queries that must be near 0 or 1; of noise in many columns most are in between."""

LOOK = 16
MOST_STEPS = 400
"""Counts are halved there, so that an old client can be seen to begin."""

_FARTHEST = 1e15
"""What lies beyond is taken for this, so that squares stay numbers."""

_HEAD = struct.Struct("<IHBBiiB3x")


class KeptSteps:
    """One client's way.

    Args:
        kept: Of `to_bytes`; anything else begins anew.
        width: Numbers of a point.
    """

    __slots__ = ("_blurred", "_counts", "_labels", "_lost", "_n_scores", "_raw", "_ways", "_width")

    def __init__(self, kept: bytes | None, width: int) -> None:
        self._width, self._n_scores, self._lost = width, -1, 0
        if kept is None or len(kept) < _HEAD.size:
            return
        given, self._blurred, n_scores, self._lost, first, second, is_two = _HEAD.unpack_from(kept)
        if given == width and n_scores <= MOST_CLASSES and len(kept) == _length(width, n_scores):
            self._labels = [first, second] if is_two else [first]
            self._view(bytearray(kept), n_scores)

    def _view(self, raw: bytearray, n_scores: int) -> None:
        """The points with their scores, and the counts, as they lie in ``raw``."""
        self._raw, self._n_scores = raw, n_scores
        size = self._width + n_scores
        self._ways = np.frombuffer(raw, "<f4", 2 * size, _HEAD.size).reshape(2, size)
        self._counts = np.frombuffer(raw, "<u2", offset=_HEAD.size + 8 * size).reshape(-1, 4)

    def to_bytes(self) -> bytes:
        """To be kept."""
        if self._n_scores < 0:
            return b""
        labels, n_labels = (*self._labels, 0)[:2], len(self._labels)
        head = (self._width, self._blurred, self._n_scores, self._lost, *labels, n_labels > 1)
        _HEAD.pack_into(self._raw, 0, *head)
        return bytes(self._raw)

    def take(self, point: Any, label: int, scores: Any, *, reach: float) -> None:
        """Go on to the next query.

        Args:
            point: ``(width,)``; distances between points are what counts.
            scores: ``(n_classes,)`` of the answer, or empty.
            reach: Distance of points beyond which one has nothing to do with the other.
        """
        with np.errstate(over="ignore"):
            new = np.concatenate((point, scores[:MOST_CLASSES])).astype(np.float32, copy=False)
        if not float(np.abs(new).max(initial=0)) < _FARTHEST:
            new = np.clip(np.nan_to_num(new, copy=False), -_FARTHEST, _FARTHEST)
        if len(new) - self._width != self._n_scores or self._lost >= LOST:
            self._begin(new, label)
            return
        gaps = self._ways[:, : self._width] - new[: self._width]
        far = min(float(gap @ gap) for gap in gaps[: len(self._labels)])
        if far > reach * reach:
            self._lost += 1
        elif far > 0:  # a repeat says nothing
            self._lost = 0
            self._step(new, label, gaps)

    def _begin(self, new: Any, label: int) -> None:
        n_scores = len(new) - self._width
        self._view(bytearray(_length(self._width, n_scores)), n_scores)
        self._ways[0] = new
        self._labels, self._lost, self._blurred = [label], 0, 0

    def _step(self, new: Any, label: int, gaps: Any) -> None:
        if len(self._labels) > 1:
            way = gaps[1] - gaps[0]
            share = -float(gaps[0] @ way) / max(float(way @ way), 1e-12)
            if self._is_blurred(share):
                self._blurred = min(self._blurred + 1, MOST_STEPS)
            else:
                self._count(kept=share > HALF)
            if share > HALF:
                self._ways[0] = self._ways[1]
                self._labels[0] = self._labels[1]
        self._ways[1] = new
        self._labels[1:] = [label]

    def _is_blurred(self, share: float) -> bool:
        if self._width >= WIDE:
            return BLUR < share < 1 - BLUR
        return abs(share - max(-1, min(1, round(share)))) > NARROW

    def _count(self, *, kept: bool) -> None:
        """One change that was kept or not, by whether it helped, for each question."""
        before, after = self._ways[:, self._width :].tolist()
        pairs = list(zip(before, after, strict=True))
        helped = [new > old for old, new in pairs] + [new < old for old, new in pairs]
        helped.append(self._labels[0] == self._labels[1])
        for row, does_help in enumerate(helped):
            self._counts[row, 2 * does_help + kept] += 1
        if self._counts[0].sum() >= MOST_STEPS:
            self._counts[:] //= 2
            self._blurred //= 2

    @property
    def p_value(self) -> float:
        """Chance of so much selection where there is none; at most 1."""
        if self._n_scores < 0:
            return 1.0
        gone, kept, also_gone, also_kept = self._counts[0].tolist()
        n_kept, n_gone = kept + also_kept, gone + also_gone
        counted = n_kept + n_gone
        if not (n_kept and n_gone) or counted < CLEAR * (counted + self._blurred):
            return 1.0
        tails = (_tail(*row) for row in set(map(tuple, self._counts.tolist())))
        looks = 1 + max(0.0, log2(counted / LOOK))
        return min(1.0, min(tails) * len(self._counts) * looks)


def _length(width: int, n_scores: int) -> int:
    return _HEAD.size + 8 * (width + n_scores) + 8 * (2 * n_scores + 1)


@lru_cache(maxsize=65_536)
def _tail(idle_gone: int, idle_kept: int, helped_gone: int, helped_kept: int) -> float:
    """Hypergeometric chance of at least so many kept among those that helped."""
    kept, gone = idle_kept + helped_kept, idle_gone + helped_gone
    helped = helped_gone + helped_kept
    if not (kept and gone and helped):
        return 1.0
    most = min(kept, helped)
    ways = sum(comb(kept, k) * comb(gone, helped - k) for k in range(helped_kept, most + 1))
    return ways / comb(kept + gone, helped)
