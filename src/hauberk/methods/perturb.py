"""Small changes of inputs that a model should survive, found without its gradients.

Only scores are asked for, so any model behind a `scores` function can be tried: native
models, ONNX sessions, remote doors. Everything is deterministic for a given generator, and
a perturbed row never leaves its ball nor the range of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Scores = Callable[[Any], Any]
"""``(n_rows, n_features)`` floats to ``(n_rows, n_classes)`` scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ball:
    """How far a row may move, in the maximum norm.

    Attributes:
        eps: Largest change of a feature, in units of ``scale``.
        scale: Unit of each feature, such as its spread or 1; a number or one per feature.
        low: Smallest allowed value of each feature.
        high: Largest allowed value of each feature.
    """

    eps: float
    scale: Any = 1.0
    low: Any = -np.inf
    high: Any = np.inf

    def clipped(self, moved: Any, rows: Any) -> Any:
        """``moved`` cut to the ball around ``rows`` and to the allowed range."""
        reach = self.eps * np.asarray(self.scale, np.float64)
        inside = np.clip(moved, rows - reach, rows + reach)
        # A row that lies outside the range already keeps its place.
        return np.clip(inside, np.minimum(self.low, rows), np.maximum(self.high, rows))


def noisy(rows: Any, ball: Ball, rng: np.random.Generator) -> Any:
    """Uniform noise inside the ball."""
    reach = ball.eps * np.asarray(ball.scale, np.float64)
    return ball.clipped(rows + rng.uniform(-1, 1, rows.shape) * reach, rows)


def corner(rows: Any, ball: Ball, rng: np.random.Generator) -> Any:
    """A random corner of the ball: every feature as far up or down as it may go."""
    reach = ball.eps * np.asarray(ball.scale, np.float64)
    return ball.clipped(rows + rng.choice([-1.0, 1.0], rows.shape) * reach, rows)


def loss_of(scores: Any, labels: Any) -> Any:
    """Margin by which another class beats the own one; positive where the row is wrong."""
    places = np.arange(len(labels))
    own = scores[places, labels]
    others = scores.copy()
    others[places, labels] = -np.inf
    return others.max(axis=1) - own


def searched(
    scores: Scores,
    rows: Any,
    labels: Any,
    ball: Ball,
    rng: np.random.Generator,
    *,
    n_queries: int = 100,
) -> Any:
    """Rows moved to the corner of their ball where the model does worst, by random search.

    Blocks of features are flipped between the two ends of their interval; a flip is kept
    where it raises the loss. Rows that are wrong already stop moving.

    Args:
        labels: ``(n_rows,)`` true class of each row, as its place among the scores.
        n_queries: Calls of ``scores``; each takes all rows that still resist.

    Returns:
        As ``rows``; its loss is never below that of ``rows``.

    References:
        Andriushchenko, Croce, Flammarion and Hein (2020), Square attack, algorithm 1,
        without the square: tables have no neighbourhood.
    """
    best, loss = np.array(rows, np.float64), loss_of(scores(rows), labels)
    signs = rng.choice([-1.0, 1.0], best.shape)
    reach = ball.eps * np.asarray(ball.scale, np.float64)
    for query in range(n_queries):
        active = np.flatnonzero(loss <= 0)
        if not active.size:
            break
        trial = signs[active] if query == 0 else _flipped(signs[active], query / n_queries, rng)
        moved = ball.clipped(rows[active] + trial * reach, rows[active])
        found = loss_of(scores(moved), labels[active])
        better = found > loss[active]
        kept = active[better]
        best[kept], loss[kept], signs[kept] = moved[better], found[better], trial[better]
    return best


def _flipped(signs: Any, progress: float, rng: np.random.Generator) -> Any:
    """A share of the signs turned round: half of them first, one at the end."""
    share = max(0.5 * (1 - progress) ** 2, 1 / signs.shape[1])
    return np.where(rng.random(signs.shape) < share, -signs, signs)


def estimated_gradient(
    scores: Scores, rows: Any, labels: Any, ball: Ball, rng: np.random.Generator, *, n: int = 50
) -> Any:
    """Ascent direction of the loss, ``(n_rows, n_features)``, from pairs of random steps.

    References:
        Ilyas, Engstrom, Athalye and Lin (2018), Black-box adversarial attacks with limited
        queries and information, section 2.1 (antithetic sampling).
    """
    step = 0.5 * ball.eps * np.asarray(ball.scale, np.float64)
    total = np.zeros(rows.shape)
    for _ in range(n):
        direction = rng.normal(size=rows.shape)
        up = loss_of(scores(ball.clipped(rows + direction * step, rows)), labels)
        down = loss_of(scores(ball.clipped(rows - direction * step, rows)), labels)
        total += (up - down)[:, None] * direction
    return total / n


def signed_step(
    scores: Scores, rows: Any, labels: Any, ball: Ball, rng: np.random.Generator, *, n: int = 50
) -> Any:
    """One full step along the sign of the estimated gradient.

    References:
        Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing adversarial
        examples, section 4.
    """
    reach = ball.eps * np.asarray(ball.scale, np.float64)
    gradient = estimated_gradient(scores, rows, labels, ball, rng, n=n)
    return ball.clipped(rows + np.sign(gradient) * reach, rows)


def projected_steps(
    scores: Scores,
    rows: Any,
    labels: Any,
    ball: Ball,
    rng: np.random.Generator,
    *,
    n_steps: int = 10,
    n: int = 20,
) -> Any:
    """Several small signed steps, cut back to the ball after each; the best of all places.

    References:
        Madry, Makelov, Schmidt, Tsipras and Vladu (2018), Towards deep learning models
        resistant to adversarial attacks, section 2.1.
    """
    small = 2.5 * ball.eps / n_steps * np.asarray(ball.scale, np.float64)
    place = np.array(rows, np.float64)
    best, loss = place.copy(), loss_of(scores(rows), labels)
    for _ in range(n_steps):
        gradient = estimated_gradient(scores, place, labels, ball, rng, n=n)
        place = ball.clipped(place + np.sign(gradient) * small, rows)
        found = loss_of(scores(place), labels)
        better = found > loss
        best[better], loss[better] = place[better], found[better]
    return best


ATTACKS = ("noise", "corners", "search")
"""What `stays_right` tries."""


def stays_right(
    scores: Scores,
    rows: Any,
    labels: Any,
    ball: Ball,
    rng: np.random.Generator,
    *,
    n_queries: int = 100,
) -> Any:
    """Which rows stay right under noise, corners and the random search, ``(n_rows,)`` bool.

    A stronger attacker may do better: this is no proof of robustness.
    """
    if not len(labels):
        return np.zeros(0, bool)
    right = np.asarray(loss_of(scores(rows), labels) < 0)
    for moved in (
        noisy(rows, ball, rng),
        corner(rows, ball, rng),
        searched(scores, rows, labels, ball, rng, n_queries=n_queries),
    ):
        right &= loss_of(scores(moved), labels) < 0
    return right


def robust_accuracy(
    scores: Scores,
    rows: Any,
    labels: Any,
    ball: Ball,
    rng: np.random.Generator,
    *,
    n_queries: int = 100,
) -> float:
    """Share of rows for which `stays_right` holds, an upper bound; 0 without rows."""
    right = stays_right(scores, rows, labels, ball, rng, n_queries=n_queries)
    return float(right.mean()) if len(labels) else 0.0
