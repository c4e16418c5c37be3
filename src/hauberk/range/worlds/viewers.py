"""Honest clients of a model of pictures: what they send, one picture after another.

Each kind is a habit that a detector could mistake for an attack: a camera that looks at one
place for long, a slow film, a client that sends everything twice, one that knows only two
classes, one whose sensor is bad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

Stream = Iterator[Any]
Pool = Any
"""``(n, side, side)`` pictures of 0 to 1, none of which the model was trained on."""


def kinds() -> tuple[str, ...]:
    """Names of the habits, in a fixed order."""
    return tuple(_HABITS)


def stream(kind: str, pool: Pool, labels: Any, n: int, rng: np.random.Generator) -> Stream:
    """So many pictures of a client with a habit.

    Args:
        labels: ``(n,)`` class of each picture of the pool; a client may know only some.
    """
    return islice(_on_grid(_HABITS[kind](pool, labels, rng)), n)


def _on_grid(pictures: Stream) -> Stream:
    """As 8-bit files carry them."""
    for picture in pictures:
        yield (np.clip(picture, 0, 1) * 255).round().astype(np.float32) / np.float32(255)


def _some(pool: Pool, rng: np.random.Generator) -> Stream:
    while True:
        yield pool[rng.integers(len(pool))]


def _any(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    del labels
    return _some(pool, rng)


def _one_sided(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """Only two classes, one of them rarely."""
    first, second = rng.choice(np.unique(labels), 2, replace=False)
    often, seldom = pool[labels == first], pool[labels == second]
    while True:
        source = often if rng.random() < 0.9 else seldom  # noqa: PLR2004 - one in ten
        yield source[rng.integers(len(source))]


def _bad_sensor(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    size = rng.uniform(0.02, 0.06)
    for picture in _any(pool, labels, rng):
        yield picture + rng.normal(0, size, picture.shape)


def _retry(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """Everything up to five times, as a client with a short timeout does."""
    for picture in _any(pool, labels, rng):
        for _ in range(rng.integers(1, 6)):
            yield picture


def _encoded_again(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """Up to four times, each time encoded anew with small losses."""
    for picture in _any(pool, labels, rng):
        for _ in range(rng.integers(1, 5)):
            yield picture + rng.uniform(-1.5, 1.5, picture.shape) / 255 * (picture > 0)


def _load_test(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """The same few pictures for ever."""
    few = [next(_any(pool, labels, rng)) for _ in range(rng.integers(1, 6))]
    while True:
        yield few[rng.integers(len(few))]


def _film(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """One thing slowly becomes another, with a little noise."""
    noise = rng.uniform(0, 2) / 255
    before = next(_any(pool, labels, rng))
    for after in _any(pool, labels, rng):
        n_frames = int(rng.integers(8, 40))
        for frame in range(n_frames):
            share = frame / n_frames
            mixed = (1 - share) * before + share * after
            yield mixed + rng.normal(0, noise, mixed.shape)
        before = after


def _passing(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """Things pass before a camera that does not move."""
    noise = rng.uniform(0, 2) / 255
    for picture in _any(pool, labels, rng):
        side = picture.shape[0]
        n_frames = int(rng.integers(10, 40))
        for frame in range(n_frames):
            place = 0.7 * side * (frame / n_frames - 0.5)
            yield _moved(picture, place, 0.0) + rng.normal(0, noise, picture.shape)


def _still_camera(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """One place for long, with the noise of a sensor, and light that changes slowly."""
    noise, light = rng.uniform(0.5, 3) / 255, 1.0
    for picture in _any(pool, labels, rng):
        for _ in range(int(rng.integers(10, 60))):
            light = np.clip(light + rng.normal(0, 0.004), 0.8, 1.0)
            yield picture * light + rng.normal(0, noise, picture.shape)


def _by_hand(pool: Pool, labels: Any, rng: np.random.Generator) -> Stream:
    """Several photographs of each thing, none quite like the other."""
    for picture in _any(pool, labels, rng):
        for _ in range(int(rng.integers(2, 8))):
            shift = rng.normal(0, 0.03 * picture.shape[0], 2)
            moved = _moved(picture, shift[0], shift[1]) * rng.uniform(0.85, 1.05)
            yield moved + rng.normal(0, 0.008, picture.shape)


def _moved(picture: Any, right: float, down: float) -> Any:
    """Shifted by parts of a pixel, black where nothing was."""
    for axis, shift in ((1, right), (0, down)):
        whole = int(np.floor(shift))
        part = shift - whole
        picture = (1 - part) * _rolled(picture, whole, axis) + part * _rolled(
            picture, whole + 1, axis
        )
    return picture


def _rolled(picture: Any, n: int, axis: int) -> Any:
    side = picture.shape[axis]
    moved = np.zeros_like(picture)
    if abs(n) >= side:
        return moved
    target, source = [slice(None)] * 2, [slice(None)] * 2
    target[axis] = slice(max(n, 0), side + min(n, 0))
    source[axis] = slice(max(-n, 0), side + min(-n, 0))
    moved[tuple(target)] = picture[tuple(source)]
    return moved


_HABITS: dict[str, Callable[[Pool, Any, np.random.Generator], Stream]] = {
    "any": _any,
    "one-sided": _one_sided,
    "bad sensor": _bad_sensor,
    "retry": _retry,
    "encoded again": _encoded_again,
    "load test": _load_test,
    "film": _film,
    "passing": _passing,
    "still camera": _still_camera,
    "by hand": _by_hand,
}
