"""Pictures that show something else once they are made smaller.

Resizers without smoothing read only some pixels: one, or a square of four, for each pixel of
the small picture. Whoever knows the target size can write another picture into those alone.
Then these pixels differ from their surroundings, and the others do not. `grid_excess` compares
the two for every usual target size and way of counting; in ordinary pictures no grid stands
out from the rest.

References:
    Xiao, Chen, Shen, Chen and Li (2019), Seeing is not believing: camouflage attacks on image
    scaling algorithms. Quiring, Klein, Arp, Johns and Rieck (2020), Adversarial preprocessing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

SIZES = (
    8, 12, 14, 16, 20, 24, 28, 30, 32, 40, 48, 50, 56, 60, 64, 72, 75, 80, 84, 96, 100, 112, 128,
    144, 150, 160, 192, 200, 224, 227, 229, 240, 256, 260, 288, 299, 300, 320, 331, 336, 384, 416,
    448, 480, 512, 600, 640,
)  # fmt: skip
"""Sides that models take."""

MIN_FACTOR = 1.9
"""Pictures that are made less small than this leave no pixel unread."""

LEAST = 0.15
"""Share of the picture's contrast below which a difference is the trace of an enlargement."""

MIN_SIDE = 32


def grid_excess(image: Any) -> float:
    """How much the pixels of one grid differ from their surroundings, against all pixels.

    Args:
        image: ``(height, width)`` numbers.

    Returns:
        About 1 for ordinary pictures, several for pictures with another one inside; 0 where
        the picture is too small to hold one.
    """
    if min(image.shape) < MIN_SIDE:
        return 0.0
    rough = _roughness(np.asarray(image, np.float32))
    usual = float(rough.mean())
    least = LEAST * float(np.std(image)) + 1e-9
    found = (_on_grid(rough, *grid) for grid in _grids(image.shape))
    return max((one / usual for one in found if one > least), default=0.0)


def _roughness(image: Any) -> Any:
    """How far each pixel lies from the mean of its eight neighbours."""
    padded = np.pad(image, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    sums = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return np.abs(image - (sums - image) / 8)


def _on_grid(rough: Any, down: Any, right: Any) -> float:
    return float(rough[down][:, right].mean())


@cache
def _grids(shape: tuple[int, int]) -> tuple[tuple[Any, Any], ...]:
    height, width = shape
    return tuple(
        (places_down, places_right)
        for size in SIZES
        if size * MIN_FACTOR <= min(height, width)
        for places_down, places_right in zip(
            _places(height, size), _places(width, size), strict=True
        )
    )


def _places(side: int, size: int) -> Iterator[Any]:
    """Pixels that are read: nearest from the corner, nearest from the centre, and both of two."""
    steps = np.arange(size) * side / size
    centre = steps + side / size / 2
    yield np.floor(steps).astype(int)
    yield np.minimum(np.floor(centre), side - 1).astype(int)
    below = np.clip(np.floor(centre - 0.5), 0, side - 1).astype(int)
    yield below
    yield np.minimum(below + 1, side - 1)
