"""Losses of each class over a training, and a segment in which one class goes its own way.

Classes learn together: from one segment to the next their losses on held-out rows mostly fall or
rise by similar amounts, and how far they differ is a property of the training. A segment whose
rows were relabelled or stamped moves one class far from the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MIN_SEGMENTS = 6
"""Fewer give no usual spread to hold a segment against."""

LARGEST = 20.0
"""Loss at which a class counts as lost, so that one sure mistake does not hide the rest."""

_MAD = 1.4826
_LEAST_SPREAD = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Lone:
    """The segment and class that differ most from the rest of the training.

    Attributes:
        name: Of the class.
        segment: Its number, from 0.
        change: Of this class's loss in the segment, in nats.
        others: Median change of the other classes.
        distance: Difference of both in usual spreads of the training.
    """

    name: str
    segment: int
    change: float
    others: float
    distance: float


def class_losses(scores: Any, places: Any, n_classes: int) -> list[float | None]:
    """Mean cross-entropy of each class's rows; ``None`` for a class without rows.

    Args:
        scores: ``(n_rows, n_classes)`` probabilities.
        places: ``(n_rows,)`` place of each row's true class; negative for one that is none.
    """
    given = np.asarray(scores, np.float64)
    floor = math.exp(-LARGEST)
    found: list[float | None] = []
    for place in range(n_classes):
        own = given[np.asarray(places) == place, place]
        # NaN is the worst answer, not one that is left out
        clean = np.where(np.isfinite(own), np.clip(own, floor, 1.0), floor)
        found.append(float(-np.log(clean).mean()) if clean.size else None)
    return found


def lone(losses: Mapping[str, Sequence[float]], first_state: int = 0) -> Lone | None:
    """The class and segment that stand out most; ``None`` where there is too little to tell.

    The first quarter of the segments is left out: classes are found one after the other there.

    Args:
        losses: Class to its loss at each checkpoint, all of one length.
        first_state: Number of the checkpoint that the losses begin with.
    """
    if len({len(line) for line in losses.values()}) != 1:
        return None
    table = np.array(list(losses.values()), np.float64)
    if table.ndim != 2 or len(table) < 2 or not np.isfinite(table).all():  # noqa: PLR2004
        return None
    changes = np.diff(table, axis=1)
    first = max(2, changes.shape[1] // 4)
    late = changes[:, first:]
    if late.shape[1] < MIN_SEGMENTS:
        return None
    others = np.stack([np.median(np.delete(late, k, axis=0), axis=0) for k in range(len(late))])
    apart = late - others
    spread = max(_MAD * float(np.median(np.abs(apart - np.median(apart)))), _LEAST_SPREAD)
    at = np.unravel_index(int(np.abs(apart).argmax()), apart.shape)
    return Lone(
        name=list(losses)[int(at[0])],
        segment=int(at[1]) + first + first_state,
        change=float(late[at]),
        others=float(others[at]),
        distance=float(abs(apart[at]) / spread),
    )
