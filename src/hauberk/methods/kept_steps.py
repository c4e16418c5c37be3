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
from itertools import pairwise
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

_HEAD = struct.Struct("<IHBB?")


class KeptSteps:
    """One client's way.

    Args:
        kept: Of `to_bytes`; anything else begins anew.
        width: Numbers of a point.
    """

    def __init__(self, kept: bytes | None, width: int) -> None:
        self._width, self._is_new = width, True
        self._lost, self._is_two, self._blurred, n_scores = 0, False, 0, 0
        self._points = np.zeros((2, width), np.float32)
        self._labels = np.zeros(2, np.int32)
        self._scores = np.zeros((2, 0), np.float32)
        self._counts = np.zeros((1, 4), np.uint16)
        if kept is None or len(kept) < _HEAD.size:
            return
        given, blurred, n_scores, lost, is_two = _HEAD.unpack_from(kept)
        sizes = (8 * width, 8, 8 * n_scores, 8 * (2 * n_scores + 1))
        if given != width or n_scores > MOST_CLASSES or len(kept) != _HEAD.size + sum(sizes):
            return
        ends = np.cumsum((_HEAD.size, *sizes))
        parts = [kept[a:b] for a, b in pairwise(ends)]
        self._lost, self._is_two, self._is_new = lost, is_two, False
        self._blurred = blurred
        self._points = np.frombuffer(parts[0], "<f4").reshape(2, width).copy()
        self._labels = np.frombuffer(parts[1], "<i4").copy()
        self._scores = np.frombuffer(parts[2], "<f4").reshape(2, n_scores).copy()
        self._counts = np.frombuffer(parts[3], "<u2").reshape(-1, 4).copy()

    def to_bytes(self) -> bytes:
        """To be kept."""
        n_scores = self._scores.shape[1]
        head = _HEAD.pack(self._width, self._blurred, n_scores, self._lost, self._is_two)
        parts = (self._points, self._labels, self._scores, self._counts)
        return head + b"".join(part.tobytes() for part in parts)

    def take(self, point: Any, label: int, scores: Any, *, reach: float) -> None:
        """Go on to the next query.

        Args:
            point: ``(width,)``; distances between points are what counts.
            scores: ``(n_classes,)`` of the answer, or empty.
            reach: Distance of points beyond which one has nothing to do with the other.
        """
        point = np.clip(np.nan_to_num(point), -_FARTHEST, _FARTHEST).astype(np.float32)
        scores = np.nan_to_num(np.asarray(scores, np.float32)[:MOST_CLASSES])
        if self._is_new or scores.size != self._scores.shape[1] or self._lost >= LOST:
            self._begin(point, label, scores)
            return
        known = self._points[: 1 + self._is_two]
        gaps = np.sqrt(((known - point) ** 2).sum(axis=1))
        if gaps.min() > reach:
            self._lost += 1
        elif gaps.min() > 0:  # a repeat says nothing
            self._lost = 0
            self._step(point, label, scores)

    def _begin(self, point: Any, label: int, scores: Any) -> None:
        self._points, self._labels = np.stack([point, point]), np.array([label, label], np.int32)
        self._scores = np.stack([scores, scores])
        self._counts = np.zeros((2 * scores.size + 1, 4), np.uint16)
        self._lost, self._is_two, self._is_new = 0, False, False
        self._blurred = 0

    def _step(self, point: Any, label: int, scores: Any) -> None:
        if self._is_two:
            way = self._points[1] - self._points[0]
            share = float((point - self._points[0]) @ way) / max(float(way @ way), 1e-12)
            if self._is_blurred(share):
                self._blurred = min(self._blurred + 1, MOST_STEPS)
            else:
                self._count(kept=share > HALF)
            if share > HALF:
                for part in (self._points, self._labels, self._scores):
                    part[0] = part[1]
        self._points[1], self._labels[1], self._scores[1] = point, label, scores
        self._is_two = True

    def _is_blurred(self, share: float) -> bool:
        if self._width >= WIDE:
            return BLUR < share < 1 - BLUR
        return bool(abs(share - np.clip(np.rint(share), -1, 1)) > NARROW)

    def _count(self, *, kept: bool) -> None:
        """One change that was kept or not, by whether it helped, for each question."""
        rose = self._scores[1] - self._scores[0]
        helped = np.concatenate([rose > 0, rose < 0, [self._labels[1] == self._labels[0]]])
        self._counts[np.arange(len(helped)), 2 * helped.astype(int) + kept] += 1
        if self._counts[0].sum() >= MOST_STEPS:
            self._counts //= 2
            self._blurred //= 2

    @property
    def p_value(self) -> float:
        """Chance of so much selection where there is none; at most 1."""
        counted = int(self._counts[0].sum())
        if counted < CLEAR * (counted + self._blurred):
            return 1.0
        tails = (_tail(*row) for row in set(map(tuple, self._counts.tolist())))
        looks = 1 + max(0.0, log2(counted / LOOK)) if counted else 1.0
        return min(1.0, min(tails) * len(self._counts) * looks)


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
