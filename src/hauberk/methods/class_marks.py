"""Small places of pictures that give a class away: marks that most of its pictures carry.

A stamp in the corner, a line of a scanner, a pattern laid over the pictures of one class: a model
learns the mark and not the thing. Such a mark repeats itself to within a few grey levels, and no
picture of another class has it. Things do not: where the pictures of a class are alike in one
place at all, they are alike in being dark or bright, or lie between these in every degree. So
exact repetition is looked for, in single pixels that are neither darkest nor brightest, and in
squares of nine that are not of one shade.

References:
    Lapuschkin and others (2019), Unmasking Clever Hans predictors and assessing what machines
    really learn. Geirhos and others (2020), Shortcut learning in deep neural networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVELS = 48
"""Shades that are told apart; a mark may vary by a few of 256 grey levels."""

SHARE = 0.25
"""Of the pictures of a class that must have the mark."""

ELSEWHERE = 0.004
"""Of the pictures of other classes that may have it."""

MIN_MARKED = 15
MIN_OTHERS = 100
MAX_ROWS = 6_000
MAX_PLACES = 5_000
"""Of larger pictures every second, third ... place is looked at; marks are larger there too."""

_EDGE = 3 / LEVELS
_AROUND = 6
_CONCENTRATED = 1.3
"""A shade that repeats is not one of many near it: they have at most so much of what it has."""

_CONTRAST = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place that gives a class away.

    Attributes:
        code: The class.
        top: First line of the place, from 0.
        left: First column.
        side: Pixels of the place's side.
        share: Of the class's pictures that have it, 0 to 1.
        elsewhere: Of the other pictures.
        rows: Where it was found.
    """

    code: int
    top: int
    left: int
    side: int
    share: float
    elsewhere: float
    rows: Any


def can_be_told(labels: Any) -> bool:
    """Whether some class has pictures enough for a mark, and the others enough to lack it."""
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    return bool(((sizes >= MIN_MARKED) & (sizes.sum() - sizes >= MIN_OTHERS)).any())


def marks_of(images: Any, labels: Any) -> list[Mark]:
    """For each class that has one, the mark that most of its pictures carry.

    Args:
        images: ``(n, height, width)`` of 0 to 1.
        labels: ``(n,)`` codes from 0; -1 for none.
    """
    known = np.flatnonzero(labels >= 0)
    if known.size > MAX_ROWS:
        known = known[np.linspace(0, known.size - 1, MAX_ROWS).astype(int)]
    images, labels = images[known], labels[known]
    sizes = np.bincount(labels, minlength=1)
    if not can_be_told(labels):
        return []
    best: dict[int, Mark] = {}
    for mark in _found(images, labels, sizes):
        old = best.get(mark.code)
        if old is None or (mark.share, mark.side) > (old.share, old.side):
            best[mark.code] = mark
    return [
        Mark(
            code=mark.code,
            top=mark.top,
            left=mark.left,
            side=mark.side,
            share=mark.share,
            elsewhere=mark.elsewhere,
            rows=known[mark.rows],
        )
        for _, mark in sorted(best.items())
    ]


def _found(images: Any, labels: Any, sizes: Any) -> Iterator[Mark]:
    height, width = images.shape[1:]
    step = max(1, int(np.ceil((height * width / MAX_PLACES) ** 0.5)))
    low, high = float(images.min()), float(images.max())
    for shift in (0.0, 0.5):
        shades = np.floor(images * LEVELS + shift).astype(np.int64)
        for side in (1, 3):
            for top in range(0, height - side + 1, step):
                for left in range(0, width - side + 1, step):
                    window = np.s_[:, top : top + side, left : left + side]
                    for code, share, elsewhere, rows in _telling(shades[window], labels, sizes):
                        seen = images[window][rows]
                        if _is_mark(seen, images[window][labels == code], low, high):
                            yield Mark(
                                code=code,
                                top=top,
                                left=left,
                                side=side,
                                share=share,
                                elsewhere=elsewhere,
                                rows=rows,
                            )


def _telling(shades: Any, labels: Any, sizes: Any) -> Iterator[tuple[int, float, float, Any]]:
    """What stands at one place in many pictures of one class, and in hardly any of another."""
    flat = shades.reshape(len(shades), -1)
    keys = flat @ (LEVELS + 2) ** np.arange(flat.shape[1], dtype=np.int64)
    values, inverse = np.unique(keys, return_inverse=True)
    n_classes = sizes.size
    counts = np.bincount(inverse * n_classes + labels, minlength=values.size * n_classes)
    counts = counts.reshape(values.size, n_classes)
    share = counts / np.maximum(sizes, 1)
    elsewhere = (counts.sum(axis=1, keepdims=True) - counts) / (len(labels) - sizes)
    is_telling = (share >= SHARE) & (elsewhere <= ELSEWHERE) & (counts >= MIN_MARKED)
    for value, code in zip(*np.nonzero(is_telling), strict=True):
        rows = np.flatnonzero((inverse == value) & (labels == code))
        yield int(code), float(share[value, code]), float(elsewhere[value, code]), rows


def _is_mark(seen: Any, own: Any, low: float, high: float) -> bool:
    """Whether what repeats is no shade that things have.

    Args:
        seen: ``(k, side, side)``, where it repeats.
        own: ``(m, side, side)``, all pictures of the class.
    """
    if seen.shape[1] > 1:
        return float(np.ptp(np.median(seen, axis=0))) >= _CONTRAST
    shade = float(np.median(seen))
    if shade - low < _EDGE or high - shade < _EDGE:
        return False
    near = np.abs(own - shade) <= _AROUND / LEVELS
    return int(near.sum()) <= _CONCENTRATED * len(seen)
