"""One signal laid over some pictures of a class, found as a direction that splits the class.

Every pixel is held against the median of its class and cut at a few grey levels, so that a
faint signal that is everywhere weighs as much as an edge of the thing that is shown. Then the
other classes say how much each combination of pixels varies honestly (their covariance), and
in units of that the directions are looked at in which a class varies most. A signal that was
laid over some of its rows makes two heaps along one of them.

References:
    Hayase, Kong, Somani and Oh (2021), SPECTRE: defending against backdoor attacks using
    robust statistics, for whitening before the spectrum. Ashman, Bird and Zepf (1994),
    Detecting bimodality in astronomical datasets, for the distance of two heaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.domains import fine_structure
from hauberk.methods.embed import Codes, Floats

SOFTNESS = (15 / 255, 8 / 255)
"""Grey levels at which a pixel's distance, and its fine structure, are cut."""

MAX_PIXELS = 1_024
"""Wider pictures are averaged down: the spectrum costs the cube of the width."""

MIN_TRUSTED = 100
"""Trusted rows of a class from which on they speak for it."""

_DIRECTIONS = 8
_RIDGE = 0.02
_STEPS = 40
_LEAST_WIDTH = 0.05
_TINY = 1e-12
_SMALLEST, _LARGEST = 0.004, 0.8
_UNCLEAR = 0.3
"""Share of a class from which on its smaller heap may as well be the honest one."""

_ORDER = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heap:
    """The heap of a class that carries a signal, of two along one direction.

    Attributes:
        distance: Of the two heaps, in units of their mean spread.
        share: Of the class that is in it, 0 to 1.
        chances: Of each row of the class to be in it.
        places: Of each row along the direction, in units of the spread of all.
    """

    distance: float
    share: float
    chances: Any
    places: Any


def looks(images: Floats) -> tuple[Floats, Floats]:
    """Pictures as two tables of pixels: as they are, and their fine structure."""
    small = _smaller(images)
    return small.reshape(len(small), -1), fine_structure(small)


def _smaller(images: Floats) -> Floats:
    """Channels and neighbouring pixels averaged until the picture is small enough."""
    grey = images.mean(axis=3, keepdims=True)
    height, width = grey.shape[1:3]
    step = max(1, int(np.ceil(np.sqrt(height * width / MAX_PIXELS))))
    cut = grey[:, : height - height % step, : width - width % step]
    shape = (len(cut), cut.shape[1] // step, step, cut.shape[2] // step, step, 1)
    return np.asarray(cut.reshape(shape).mean(axis=(2, 4)), np.float32)


def heaps(
    pixels: Floats,
    labels: Codes,
    trusted: tuple[Floats, Codes] | None,
    softness: float,
    *,
    own: bool,
) -> dict[int, Heap]:
    """The clearest heap of each class that has one.

    Args:
        pixels: ``(n_rows, n_pixels)``.
        labels: Code of each row's class; rows below 0 are left out.
        trusted: Pixels and classes of rows that say what varies honestly in their class;
            without enough of them the other classes do.
        own: Whether pixels are held against the median of their class.
    """
    codes = [int(code) for code in np.unique(labels[labels >= 0])]
    middles = {c: np.median(pixels[labels == c], axis=0) if own else 0.0 for c in codes}
    parts = {c: np.tanh((pixels[labels == c] - middles[c]) / softness) for c in codes}
    inner = {code: _scatter(part) for code, part in parts.items()}
    found = {}
    for code in codes:
        vouched = None if trusted is None else trusted[0][trusted[1] == code]
        if vouched is not None and len(vouched) >= MIN_TRUSTED:
            cut = np.tanh((vouched - middles[code]) / softness)
            honest = _scatter(cut) / len(cut)
        else:
            others = [other for other in codes if other != code]
            honest = np.sum([inner[o] for o in others], axis=0)
            honest = honest / sum(len(parts[o]) for o in others)
        heap = _clearest(parts[code], inner[code], honest)
        if heap is not None:
            found[code] = _turned_to_signal(heap, pixels[labels == code])
    return found


def _turned_to_signal(heap: Heap, own: Floats) -> Heap:
    """The heap whose mean picture is the rougher one: what is laid over pictures adds to them."""
    inside = heap.chances > 0.5  # noqa: PLR2004 - likelier in it than not
    if heap.share < _UNCLEAR or inside.all() or not inside.any():
        return heap
    if _roughness(own[inside].mean(axis=0)) >= _roughness(own[~inside].mean(axis=0)):
        return heap
    return Heap(
        distance=heap.distance,
        share=1 - heap.share,
        chances=1 - heap.chances,
        places=-heap.places,
    )


def _roughness(picture: Any) -> float:
    """Second differences of a flat picture, along its lines and across them."""
    line = int(np.sqrt(picture.size))
    return float(
        sum(
            ((picture[2 * step :] - 2 * picture[step:-step] + picture[: -2 * step]) ** 2).sum()
            for step in (1, line)
            if picture.size > 2 * step
        )
    )


def _scatter(x: Floats) -> Any:
    centred = (x - x.mean(axis=0)).astype(np.float64)
    return centred.T @ centred


def _clearest(x: Floats, scatter: Any, honest: Any) -> Heap | None:
    """The clearest heap along the directions in which ``x`` varies most beside ``honest``.

    The rows are multiplied by those few directions only: what they scatter about their median
    follows from ``scatter``, which is that about their mean.
    """
    from scipy.linalg import eigh

    width = len(honest)
    ridge = max(_RIDGE * float(np.trace(honest)) / width, _TINY)
    median = np.median(x, axis=0)
    off = x.mean(axis=0, dtype=np.float64) - median
    about_median = scatter / len(x) + np.outer(off, off)
    some = (max(width - _DIRECTIONS, 0), width - 1)
    _, own = eigh(about_median, honest + ridge * np.eye(width), subset_by_index=some)
    places = (x - median).astype(np.float64) @ own
    both = (sign * places[:, j] for j in range(places.shape[1]) for sign in (1, -1))
    found = [heap for heap in map(two_heaps, both) if _SMALLEST < heap.share < _LARGEST]
    return max(found, key=lambda heap: heap.distance, default=None)


def two_heaps(places: Any) -> Heap:
    """A mixture of two normals, the upper one the smaller at the start.

    What is likelier is a square function of the place, so that a step of the fit is three sums
    over the rows.
    """
    from scipy.special import expit

    spread = max(float(places.std()), _TINY)
    lower, upper = np.quantile(places, [0.3, 0.97]).tolist()
    widths, shares = [spread / 2, spread / 2], [0.85, 0.15]
    squares, n = places**2, len(places)
    total, total_squares = float(places.sum()), float(squares.sum())
    chances = np.zeros(n)
    for _ in range(_STEPS):
        sharp = [1 / width**2 for width in widths]
        start = np.log(shares[1] / shares[0] * widths[0] / widths[1])
        start += (sharp[0] * lower**2 - sharp[1] * upper**2) / 2
        slope, bend = sharp[1] * upper - sharp[0] * lower, (sharp[0] - sharp[1]) / 2
        chances = expit(bend * squares + slope * places + start)
        size, first, second = (float(chances.sum()), chances @ places, chances @ squares)
        sizes = (n - size + _TINY, size + _TINY)
        lower, upper = (total - first) / sizes[0], first / sizes[1]
        moments = ((total_squares - second) / sizes[0], second / sizes[1])
        pairs = zip(moments, (lower, upper), strict=True)
        widths = [np.sqrt(max(m - at**2, 0.0)) + _LEAST_WIDTH * spread for m, at in pairs]
        shares = [max(part / n, _TINY) for part in sizes]
    return Heap(
        distance=float((upper - lower) / np.sqrt((widths[0] ** 2 + widths[1] ** 2) / 2)),
        share=float(shares[1]),
        chances=np.where(places > lower, chances, 0.0),
        places=places / spread,
    )


def degrees(found: dict[int, Heap], labels: Codes) -> Any:
    """Of each row: how clear the heap is that it is in; far along its direction counts a little."""
    out = np.zeros(len(labels))
    for code, heap in found.items():
        far = _ORDER * np.clip(heap.places, -10, 10)
        out[labels == code] = heap.distance * (heap.chances + far)
    return out
