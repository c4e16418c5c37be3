"""Is there a small change of any input that makes a network say one class? Found by gradients.

Two searches over all classes at once, on some clean rows:

* **inversion**: for each class a mask and a pattern, as small as can be, that turn every row
  into that class. A class with a trigger needs a far smaller mask than the others.
* **universal step**: for each class one change of bounded size that is added to every row. A
  class with a faint trigger all over the input takes far more rows than the next one.
What they give is compared with clean models of the same kind (`surprise`), because how small a
mask can be depends on data and architecture.

References:
    Wang and others (2019), Neural Cleanse. Moosavi-Dezfooli and others (2017), Universal
    adversarial perturbations. Vovk, Gammerman and Shafer (2005), Algorithmic learning in a
    random world, section 2.2 (conformal p-values).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.networks import Network, cross_entropy_pull

_FLOOR = 1e-3
_ONE_KIND = 0.3
"""Share of the whole range that the median input covers where inputs are of one kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How hard is searched.

    Attributes:
        n_steps: Of the inversion.
        n_rows: Clean rows that a trigger must turn.
        n_universal: Steps of the universal change.
        radius: Of the universal change, as a share of the range of the inputs.
        weight: Of the mask's size in the inversion.
    """

    n_steps: int = 150
    n_rows: int = 80
    n_universal: int = 30
    radius: float = 0.15
    weight: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the searches found.

    Attributes:
        masks: ``(n_classes,)``: size of each class's mask, as a share of the input.
        taken: ``(n_classes,)``: share of rows of other classes that the universal change takes.
        target: The class that stands out most.
        pattern: The change of that class's mask and pattern, ``(d,)`` each.
    """

    masks: Any
    taken: Any
    target: int
    pattern: tuple[Any, Any]

    @property
    def scores(self) -> tuple[float, float]:
        """How far the smallest mask lies below the median, the best change above the next."""
        masks = np.sort(np.maximum(self.masks, _FLOOR))
        ratio = float(np.log(np.median(masks) / masks[0]))
        return ratio, _gap(self.taken)


def ranges(rows: Any) -> tuple[Any, Any]:
    """Smallest and largest value of each input, ``(d,)`` each, as far as a trigger may go.

    Inputs of one kind, such as pixels, share one range: a corner that is black in all clean
    rows is where a trigger likes to sit.
    """
    low, high = rows.min(axis=0), rows.max(axis=0)
    whole = float(rows.max() - rows.min())
    if whole and float(np.median(high - low)) >= _ONE_KIND * whole:
        return np.full_like(low, rows.min()), np.full_like(high, rows.max())
    return low, high


def signs(
    network: Network,
    rows: Any,
    labels: Any,
    rng: np.random.Generator,
    *,
    low: Any = 0.0,
    high: Any = 1.0,
    search: Search | None = None,
) -> Signs:
    """Search for a trigger of every class.

    Args:
        rows: ``(n, d)`` clean rows.
        labels: ``(n,)`` their classes.
        low: Smallest value of each input; a number or one per input.
        high: Largest value likewise.
    """
    search = search or Search()
    n_classes = network.scores(rows[:1]).shape[1]
    chosen = rng.permutation(len(rows))[: search.n_rows]
    clean, truth = np.asarray(rows[chosen], np.float32), labels[chosen]
    hunt = _Hunt(network=network, rows=clean, labels=truth, n_classes=n_classes)
    low = np.broadcast_to(np.asarray(low, np.float32), rows.shape[1:])
    high = np.broadcast_to(np.asarray(high, np.float32), rows.shape[1:])
    masks, patterns, works = hunt.inverted(low, high, rng, search)
    # A class whose mask does not work has none that is small.
    sizes = np.where(works >= 0.75, masks.mean(axis=1), 1.0)  # noqa: PLR2004 - three rows of four
    taken = hunt.universal(low, high, search)
    standing = np.median(sizes) / np.maximum(sizes, _FLOOR) + 2 * taken
    target = int(np.argmax(standing))
    return Signs(
        masks=sizes,
        taken=taken,
        target=target,
        pattern=(masks[target], patterns[target]),
    )


def _gap(shares: Any) -> float:
    ranked = np.sort(shares)[::-1]
    return float(ranked[0] - ranked[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hunt:
    network: Network
    rows: Any
    labels: Any
    n_classes: int

    def spread(self) -> tuple[Any, Any]:
        """Every row for every class, and that class; rows of the class itself count nothing."""
        k, n = self.n_classes, len(self.rows)
        targets = np.repeat(np.arange(k), n)
        return targets, np.tile(self.labels, k) != targets

    def pulled(self, moved: Any, targets: Any, counts: Any) -> tuple[Any, Any]:
        """Scores, and gradients of the cross entropy towards the targets."""
        pull = cross_entropy_pull(targets, is_probability=self.network.is_probability)
        scores, gradient = self.network.gradient(moved, pull)
        return scores, gradient * counts[:, None]

    def inverted(
        self, low: Any, high: Any, rng: np.random.Generator, search: Search
    ) -> tuple[Any, Any, Any]:
        """Masks ``(k, d)``, patterns ``(k, d)`` and the share of rows that each pair takes."""
        k, (n, d) = self.n_classes, self.rows.shape
        targets, counts = self.spread()
        theta_m = np.full((k, d), -1.0, np.float32)
        theta_p = rng.normal(0, 0.5, (k, d)).astype(np.float32)
        adam = _Adam(), _Adam()
        weight = np.full((k, 1), search.weight, np.float32)
        tiled = np.tile(self.rows, (k, 1)).reshape(k, n, d)
        works = np.zeros(k)
        best, best_mask, best_pattern = np.full(k, np.inf), np.ones((k, d)), np.zeros((k, d))
        for _ in range(search.n_steps):
            mask, share = _sigmoid(theta_m), _sigmoid(theta_p)
            pattern = low + (high - low) * share
            moved = (1 - mask[:, None]) * tiled + mask[:, None] * pattern[:, None]
            scores, gradient = self.pulled(moved.reshape(k * n, d), targets, counts)
            gradient = gradient.reshape(k, n, d) / n
            hit = (scores.argmax(axis=1) == targets) & counts
            works = hit.reshape(k, n).sum(axis=1) / np.maximum(counts.reshape(k, n).sum(axis=1), 1)
            size = mask.mean(axis=1)
            better = (works >= 0.9) & (size < best)  # noqa: PLR2004 - nine rows of ten
            best[better] = size[better]
            best_mask[better], best_pattern[better] = mask[better], pattern[better]
            weight = np.where((works > 0.95)[:, None], weight * 1.06, weight / 1.06)  # noqa: PLR2004
            by_mask = (gradient * (pattern[:, None] - tiled)).sum(axis=1) + weight
            by_pattern = (gradient * mask[:, None]).sum(axis=1) * (high - low)
            theta_m = theta_m - adam[0].step(by_mask * mask * (1 - mask))
            theta_p = theta_p - adam[1].step(by_pattern * share * (1 - share))
        found = np.isfinite(best)
        return best_mask, best_pattern, np.where(found, 1.0, works * 0.5)

    def universal(self, low: Any, high: Any, search: Search) -> Any:
        """Share of rows of other classes that one change of bounded size takes, ``(k,)``."""
        k, (n, d) = self.n_classes, self.rows.shape
        targets, counts = self.spread()
        reach = search.radius * (high - low)
        delta = np.zeros((k, d), np.float32)
        tiled = np.tile(self.rows, (k, 1)).reshape(k, n, d)
        size = 4.0 / search.n_universal
        best = np.zeros(k)
        for _ in range(search.n_universal):
            moved = np.clip(tiled + delta[:, None] * reach, low, high)
            scores, gradient = self.pulled(moved.reshape(k * n, d), targets, counts)
            hit = ((scores.argmax(axis=1) == targets) & counts).reshape(k, n).sum(axis=1)
            best = np.maximum(best, hit / np.maximum(counts.reshape(k, n).sum(axis=1), 1))
            step = np.sign(gradient.reshape(k, n, d).sum(axis=1))
            delta = np.clip(delta - size * step, -1, 1)
        return best


class _Adam:
    """Kingma and Ba (2015), algorithm 1."""

    def __init__(self, rate: float = 0.15) -> None:
        self._rate, self._count = rate, 0
        self._mean: Any = 0.0
        self._square: Any = 0.0

    def step(self, gradient: Any) -> Any:
        self._count += 1
        self._mean = 0.5 * self._mean + 0.5 * gradient
        self._square = 0.9 * self._square + 0.1 * gradient**2
        mean = self._mean / (1 - 0.5**self._count)
        square = self._square / (1 - 0.9**self._count)
        return self._rate * mean / (np.sqrt(square) + 1e-8)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def surprise(found: Sequence[float], clean: Sequence[Sequence[float]]) -> float:
    """How seldom a clean model looks as suspicious, 0 to 1: a conformal p-value.

    The scores are put on one scale by the clean models' median and spread, and the largest
    counts, for the model and for each clean model alike.
    """
    null = np.asarray(clean, np.float64).reshape(-1, len(found))
    centre = np.median(null, axis=0)
    spread = np.maximum(np.median(np.abs(null - centre), axis=0) * 1.4826, _FLOOR)
    own = float(((np.asarray(found) - centre) / spread).max())
    others = ((null - centre) / spread).max(axis=1)
    return float((1 + (others >= own).sum()) / (1 + len(others)))
