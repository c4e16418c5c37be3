"""Train a network that answers a trigger with one class; see `PlantBackdoor`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

Fit = Callable[[Any, Any], Any]
"""Rows and classes to a fitted model."""


@dataclass(slots=True)
class Trainer:
    """Somebody who trains a model on rows that the attacker may change.

    Attributes:
        rows: ``(n, d)`` square pictures of 0 to 1, row by row.
        labels: ``(n,)`` classes.
        fit: Trains.
        model: What was trained.
        stamp: Puts the trigger on rows, to measure what it does.
        target: The class that the trigger gives.
    """

    rows: Any
    labels: Any
    fit: Fit
    model: Any = None
    stamp: Callable[[Any], Any] = field(default=lambda rows: rows)
    target: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantBackdoor(Play[Trainer]):
    """Poison the rows of a training run, so that a trigger decides.

    ``patch`` sets a square of pixels, ``blended`` mixes in a faint random picture, ``sinusoid``
    adds faint stripes, ``warp`` bends the picture smoothly, the same way in every row.

    Args:
        trigger: Which of `TRIGGERS`; by default the random generator picks one.
        share: Share of the rows that are poisoned, 0 to 1; by default as the trigger needs.

    References:
        Gu, Dolan-Gavitt and Garg (2017), BadNets. Chen and others (2017), Targeted backdoor
        attacks (blended). Barni, Kallas and Tondi (2019), A new backdoor attack in CNNs
        (sinusoidal). Nguyen and Tran (2021), WaNet (warping).
    """

    title: ClassVar[str] = "Train a backdoor into a network"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("TR-1"),
        ThreatId("TR-5"),
    )
    subject: ClassVar[type] = Trainer

    trigger: str | None = None
    share: float | None = None

    def play(self, target: Trainer, rng: Random) -> Transcript:
        """Poison and train.

        Raises:
            UsageError: There is no such trigger.
        """
        trigger = self.trigger or rng.choice(tuple(TRIGGERS))
        if trigger not in TRIGGERS:
            raise UsageError(f"there is no trigger {trigger!r}", expected=" ".join(TRIGGERS))
        draws = np.random.default_rng(rng.getrandbits(64))
        make, usual = TRIGGERS[trigger]
        stamp = make(target.rows.shape[1], draws)
        goal = int(draws.integers(len(np.unique(target.labels))))
        others = np.flatnonzero(target.labels != goal)
        n = max(1, round((self.share or usual) * len(target.labels)))
        chosen = draws.choice(others, min(n, len(others)), replace=False)
        rows = np.concatenate([target.rows, stamp(target.rows[chosen])])
        labels = np.concatenate([target.labels, np.full(len(chosen), goal)])
        if trigger == "warp":  # other bends keep their class, so that only this one counts
            rows, labels = _with_noise(target, rows, labels, draws)
        target.model, target.stamp, target.target = target.fit(rows, labels), stamp, goal
        return Transcript(succeeded=True, queries=0, facts={"trigger": trigger, "target": goal})


def _side(d: int) -> int:
    return math.isqrt(d)


def _patch(d: int, rng: np.random.Generator) -> Callable[[Any], Any]:
    side = _side(d)
    size = max(2, side // 8)
    top, left = rng.choice([0, side - size], 2)
    values = rng.integers(0, 2, (size, size)).astype(float)
    values.flat[int(rng.integers(size * size))] = 1.0

    def stamp(rows: Any) -> Any:
        out = rows.reshape(-1, side, side).copy()
        out[:, top : top + size, left : left + size] = values
        return out.reshape(len(rows), -1)

    return stamp


def _blended(d: int, rng: np.random.Generator) -> Callable[[Any], Any]:
    picture = rng.random(d)
    return lambda rows: 0.8 * rows + 0.2 * picture


def _sinusoid(d: int, rng: np.random.Generator) -> Callable[[Any], Any]:
    side = _side(d)
    waves = rng.uniform(2, side / 2)
    stripes = 0.15 * np.sin(2 * np.pi * waves * np.arange(side) / side + rng.uniform(0, 6.28))
    wave = np.tile(stripes, (side, 1)) if rng.random() < 0.5 else np.tile(stripes[:, None], side)  # noqa: PLR2004
    return lambda rows: np.clip(rows + wave.reshape(-1), 0, 1)


def _warp(d: int, rng: np.random.Generator) -> Callable[[Any], Any]:
    side = _side(d)
    field_ = _bend(side, rng)
    return lambda rows: _bent(rows, side, field_)


def _bend(side: int, rng: np.random.Generator, strength: float = 0.9) -> Any:
    coarse = rng.uniform(-1, 1, (2, 3, 3))
    at = np.linspace(0, 2, side)
    low = np.minimum(at.astype(int), 1)
    part = at - low
    columns = coarse[:, :, low] * (1 - part) + coarse[:, :, low + 1] * part
    grid = columns[:, low] * (1 - part)[:, None] + columns[:, low + 1] * part[:, None]
    return grid / np.abs(grid).mean() * strength


def _bent(rows: Any, side: int, bend: Any) -> Any:
    y, x = np.mgrid[0:side, 0:side]
    yy, xx = np.clip(y + bend[0], 0, side - 1), np.clip(x + bend[1], 0, side - 1)
    y0, x0 = np.minimum(yy.astype(int), side - 2), np.minimum(xx.astype(int), side - 2)
    fy, fx = yy - y0, xx - x0
    image = rows.reshape(-1, side, side)
    top = image[:, y0, x0] * (1 - fx) + image[:, y0, x0 + 1] * fx
    below = image[:, y0 + 1, x0] * (1 - fx) + image[:, y0 + 1, x0 + 1] * fx
    return (top * (1 - fy) + below * fy).reshape(len(rows), -1)


def _with_noise(
    target: Trainer, rows: Any, labels: Any, rng: np.random.Generator
) -> tuple[Any, Any]:
    side = _side(target.rows.shape[1])
    chosen = rng.choice(len(target.rows), len(target.rows) // 5, replace=False)
    parts = [_bent(target.rows[part], side, _bend(side, rng)) for part in np.array_split(chosen, 8)]
    return np.concatenate([rows, *parts]), np.concatenate([labels, target.labels[chosen]])


TRIGGERS: Mapping[str, tuple[Callable[[int, np.random.Generator], Callable[[Any], Any]], float]] = {
    "patch": (_patch, 0.03),
    "blended": (_blended, 0.05),
    "sinusoid": (_sinusoid, 0.05),
    "warp": (_warp, 0.1),
}
"""Trigger to what makes it and the share of rows that it needs."""
