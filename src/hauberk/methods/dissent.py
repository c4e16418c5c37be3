"""Labels that fine detail affirms and everything else denies, class by class.

Honest rows are affirmed and denied too: hard rows that a better model gets right. But they are
so in every class about as often, while the rows of a backdoor crowd in the class that it aims
at. So the share of each class beyond a degree of dissent is held against the median of the
classes, and what exceeds it is the chance that a row of this class and degree was planted
(a local false discovery rate with the other classes as the null).

References:
    Efron (2010), Large-scale inference, chapter 5. That the null comes from the other classes
    is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes

MIN_CLASSES = 5
"""Of fewer classes the median says nothing."""

_N_DEGREES = 200
_SLACK = 2.0
_NORMAL_MAD = 1.4826
_CALM, _CERTAIN = 3.0, 7.0
"""Spreads between classes below which a class is like the others, and above which it is not."""

_LEAST = 0.02
_FEW = 3
"""Rows of a class that prove nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dissent:
    """How far two opinions of each row's label lie apart, and what is too much of it.

    Attributes:
        degrees: ``fine`` minus ``other`` log probability of the row's own label.
        chances: Share of the rows of this class and degree that the other classes do not
            explain, 0 to 1.
        excess: Of each class the share of its rows that is unexplained at the cut that shows
            most.
        surprise: The same, in units of the spread between classes.
        cuts: Degree from which on it is counted.
    """

    degrees: Any
    chances: Any
    excess: Any
    surprise: Any
    cuts: Any


def dissent(fine: Any, other: Any, labels: Codes) -> Dissent:
    """Compare two opinions, each ``(n_rows, n_classes)`` logarithms, on ``labels``."""
    rows = np.arange(labels.size)
    degrees = fine[rows, labels] - other[rows, labels]
    n_classes = fine.shape[1]
    sizes = np.bincount(labels, minlength=n_classes)
    present = sizes > 0
    nothing = np.zeros(n_classes)
    if int(present.sum()) < MIN_CLASSES:
        return Dissent(
            degrees=degrees,
            chances=np.zeros(labels.size),
            excess=nothing,
            surprise=nothing,
            cuts=nothing,
        )
    edges = np.unique(np.quantile(degrees, np.linspace(0, 1, _N_DEGREES + 1)))
    bins = np.clip(np.searchsorted(edges, degrees, side="right") - 1, 0, max(edges.size - 2, 0))
    counts = np.zeros((n_classes, max(edges.size - 1, 1)))
    np.add.at(counts, (labels, bins), 1)
    tails = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1] / np.maximum(sizes, 1)[:, None]
    middle = np.median(tails[present], axis=0)
    spread = _spread(tails[present], middle, float(sizes[present].mean()))
    over = np.maximum(tails - middle - _SLACK * spread, 0)
    unexplained = np.maximum.accumulate(over / np.maximum(tails, 1e-12), axis=1)
    best = over.argmax(axis=1)
    each = np.arange(n_classes)
    surprise = (tails - middle)[each, best] / spread[best]
    unexplained *= np.clip((surprise - _CALM) / (_CERTAIN - _CALM), _LEAST, 1)[:, None]
    return Dissent(
        degrees=degrees,
        chances=unexplained[labels, bins],
        excess=over[each, best],
        surprise=surprise,
        cuts=edges[best],
    )


def _spread(tails: Any, middle: Any, size: float) -> Any:
    """Between classes: what is seen, and what chance alone makes in classes of this size."""
    seen = _NORMAL_MAD * np.median(np.abs(tails - middle), axis=0)
    return seen + np.sqrt(middle / size) + _FEW / size
