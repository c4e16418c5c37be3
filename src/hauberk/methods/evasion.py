"""Attacks that move rows until a model is wrong, many rows at a time, and what they cost.

Every attack works on the rows that still resist: a row that is fooled leaves the batch, so that
its calls are not spent on what is won already. White-box attacks take the gradient of the cross
entropy as the model's outputs give it, black-box attacks only scores, and `decision_steps` only
the class. A `Tally` counts what they asked.

References:
    Goodfellow, Shlens and Szegedy (2015). Madry and others (2018). Croce and Hein (2020),
    Reliable evaluation of adversarial robustness, section 3 (auto-step). Andriushchenko and
    others (2020), Square attack. Chen, Jordan and Wainwright (2020), HopSkipJumpAttack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hauberk.errors import InternalError
from hauberk.methods.perturb import Ball, Scores, loss_of

Gradient = Callable[[Any, Any], tuple[Any, Any]]
"""Rows and labels to scores ``(n, n_classes)`` and the gradient of the loss by the rows."""

_TINY = 1e-12
_SAME = 1e-9
"""A window that stays where it is by less would waste its query, and goes to the other wall."""

_GAIN = 0.01
"""Share of what a row still resists by that a step must take off to count as a gain."""


@dataclass(slots=True)
class Tally:
    """What a model was asked.

    Attributes:
        calls: Times that it was called.
        forward: Rows that it scored.
        backward: Rows that gradients were taken of.
    """

    calls: int = 0
    forward: int = 0
    backward: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model under attack, with its counters.

    Attributes:
        ask: Rows to scores.
        slope: Rows and labels to scores and gradients; ``None`` for a black box.
    """

    ask: Scores
    slope: Gradient | None = None
    tally: Tally = field(default_factory=Tally)

    def scores(self, rows: Any) -> Any:
        """``(n, n_classes)``."""
        self.tally.calls += 1
        self.tally.forward += len(rows)
        return self.ask(rows)

    def gradient(self, rows: Any, labels: Any) -> tuple[Any, Any]:
        """Scores and gradients.

        Raises:
            InternalError: It is a black box.
        """
        if self.slope is None:
            raise InternalError("a black box has no gradient")
        self.tally.calls += 1
        self.tally.forward += len(rows)
        self.tally.backward += len(rows)
        return self.slope(rows, labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Where rows may go.

    Attributes:
        ball: Radius and range; its radius is in its own scale.
        norm: ``linf`` or ``l2``.
        repaired: Makes a moved row one that the data could hold, given where it was.
    """

    ball: Ball
    norm: str = "linf"
    repaired: Callable[[Any, Any], Any] = lambda moved, _rows: moved

    def projected(self, moved: Any, rows: Any) -> Any:
        """``moved`` brought back to what is allowed around ``rows``."""
        if self.norm == "l2":
            scale = np.where(np.asarray(self.ball.scale) > 0, self.ball.scale, 1.0)
            step = (moved - rows) / scale
            length = np.linalg.norm(step, axis=1, keepdims=True)
            step = step * np.minimum(1.0, self.ball.eps / np.maximum(length, _TINY))
            wide = Ball(
                eps=self.ball.eps, scale=self.ball.scale, low=self.ball.low, high=self.ball.high
            )
            return self.repaired(wide.clipped(rows + step * scale, rows), rows)
        return self.repaired(self.ball.clipped(moved, rows), rows)

    def steepest(self, gradient: Any) -> Any:
        """The step of length 1 in this norm along which the loss grows fastest."""
        scaled = gradient * np.asarray(self.ball.scale, np.float64)
        if self.norm == "linf":
            return np.sign(scaled) * self.ball.scale
        length = np.linalg.norm(scaled, axis=1, keepdims=True)
        return scaled / np.maximum(length, _TINY) * self.ball.scale


def wrong(scores: Any, labels: Any) -> Any:
    """Which rows are not given their class; a tie is not."""
    return loss_of(np.asarray(scores, np.float64), labels) >= 0


def fast_step(target: Target, rows: Any, labels: Any, space: Space) -> Any:
    """One full step along the gradient (FGSM); the rows as moved."""
    _, gradient = target.gradient(rows, labels)
    return space.projected(rows + space.ball.eps * space.steepest(gradient), rows)


def projected_steps(
    target: Target,
    rows: Any,
    labels: Any,
    space: Space,
    rng: np.random.Generator,
    *,
    n_steps: int = 20,
    adaptive: bool = False,
    patience: int = 0,
) -> Any:
    """PGD; with ``adaptive`` the step is cut where a row stops getting worse (auto-step).

    Args:
        patience: Steps without a hundredth of gain after which a row that resists is given up;
            0 gives none up. Six find as much as all forty at a third of the gradients.

    Returns:
        Moved rows; each is the first place where it was wrong, or the last one.
    """
    final = np.array(rows, np.float64)
    alive = np.arange(len(rows))
    base, truth = rows, labels
    place = space.projected(
        rows + rng.uniform(-1, 1, rows.shape) * space.ball.eps * space.ball.scale, rows
    )
    size = np.full((len(rows), 1), (2.0 if adaptive else 2.5 / n_steps) * space.ball.eps)
    best, idle = np.full(len(rows), -np.inf), np.zeros(len(rows), np.int64)
    for step in range(n_steps):
        scores, gradient = target.gradient(place, truth)
        loss = loss_of(np.asarray(scores, np.float64), truth)
        idle = np.where(loss > best + _GAIN * np.abs(best), 0, idle + 1) if step else idle
        resists = (loss < 0) & ((idle < patience) | (patience == 0))
        final[alive] = place
        if adaptive and step:
            size[loss <= best + _TINY] *= 0.75
            size = np.maximum(size, space.ball.eps / 100)
        best = np.maximum(best, loss)
        alive, base, truth = alive[resists], base[resists], truth[resists]
        size, best, idle = size[resists], best[resists], idle[resists]
        if not alive.size:
            return final
        moved = place[resists] + size * space.steepest(gradient[resists])
        place = space.projected(moved, base)
    final[alive] = place
    return final


def square(
    target: Target,
    rows: Any,
    labels: Any,
    space: Space,
    rng: np.random.Generator,
    *,
    shape: tuple[int, int, int],
    n_queries: int = 200,
    share: float = 0.3,
) -> Any:
    """Square attack on pictures of ``shape`` (channels, height, width).

    In the maximum norm a window goes to the wall of the ball; in L2 it is raised by as much as
    the whole way and brought back, so that other windows give way to it. Columns behind the
    pixels keep their place.
    """
    channels, height, width = shape
    is_l2 = space.norm == "l2"
    reach = np.broadcast_to(space.ball.eps * np.asarray(space.ball.scale), rows.shape[1:])
    stripes = rng.choice([-1.0, 1.0], (len(rows), channels, 1, width))
    stripes = np.broadcast_to(stripes, (len(rows), *shape)).reshape(len(rows), -1)
    n = stripes.shape[1]
    final = np.array(rows, np.float64)
    final[:, :n] += stripes * reach[:n]
    final = space.projected(final, rows)
    walls = [space.projected(rows + way * reach, rows) for way in (-1.0, 1.0)]
    loss = loss_of(np.asarray(target.scores(final), np.float64), labels)
    for query in range(n_queries):
        alive = np.flatnonzero(loss < 0)
        if not alive.size:
            break
        side = max(1, round((share * _schedule(query, n_queries) * height * width) ** 0.5))
        side = min(side, height, width)
        own, cells = np.arange(alive.size)[:, None], _windows(alive.size, shape, side, rng)
        signs = rng.choice([-1.0, 1.0], (alive.size, channels)).repeat(side * side, axis=1)
        tried = final[alive]
        if is_l2:
            tried[own, cells] += signs * reach[cells] / (channels * side * side) ** 0.5
            tried = space.projected(tried, rows[alive])
        else:  # what lies outside of the window is where it may be already
            at, before = alive[:, None], tried[own, cells]
            ends = walls[0][at, cells], walls[1][at, cells]
            moved = np.where(signs > 0, ends[1], ends[0])
            idle = (np.abs(moved - before).max(axis=1) < _SAME)[:, None]
            tried[own, cells] = np.where(
                idle & (signs > 0), ends[0], np.where(idle, ends[1], moved)
            )
            tried = space.repaired(tried, rows[alive])
        found = loss_of(np.asarray(target.scores(tried), np.float64), labels[alive])
        better = found > loss[alive]
        final[alive[better]], loss[alive[better]] = tried[better], found[better]
    return final


def _windows(n_rows: int, shape: tuple[int, int, int], side: int, rng: np.random.Generator) -> Any:
    """For each row the cells of a random square window, in all channels, ``(n, cells)``."""
    channels, height, width = shape
    tops = rng.integers(0, height - side + 1, n_rows)[:, None, None]
    lefts = rng.integers(0, width - side + 1, n_rows)[:, None, None]
    down, right = np.mgrid[0:side, 0:side]
    first = ((tops + down) * width + lefts + right).reshape(n_rows, 1, -1)
    steps = (np.arange(channels) * height * width)[None, :, None]
    return (first + steps).reshape(n_rows, -1)


def _schedule(query: int, n_queries: int) -> float:
    """The share of the picture shrinks as in the paper's schedule, rescaled to the budget."""
    at = query / max(n_queries, 1) * 10_000
    marks = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
    return float(0.5 ** sum(at > mark for mark in marks))


def flips(
    target: Target,
    rows: Any,
    labels: Any,
    space: Space,
    rng: np.random.Generator,
    *,
    n_queries: int = 50,
) -> Any:
    """Corners of the ball, flipped in ever smaller blocks where that hurts; for tables and trees.

    Trees answer in steps, so that places inside of the ball tell nothing that its corners do
    not; each row keeps the worst corner found.
    """
    final = np.array(rows, np.float64)
    loss = loss_of(np.asarray(target.scores(rows), np.float64), labels)
    reach = space.ball.eps * np.broadcast_to(
        np.asarray(space.ball.scale, np.float64), rows.shape[1:]
    )
    signs = rng.choice([-1.0, 0.0, 1.0], rows.shape, p=[0.4, 0.2, 0.4])
    for query in range(n_queries - 1):
        alive = np.flatnonzero(loss < 0)
        if not alive.size:
            break
        tried = signs[alive]
        if query % 8:  # every eighth try starts anew, so that nobody sits in a poor corner
            block = max(0.5 * (1 - query / n_queries) ** 2, 1.0 / rows.shape[1])
            fresh = rng.choice([-1.0, 0.0, 1.0], tried.shape)
            tried = np.where(rng.random(tried.shape) < block, fresh, tried)
        elif query:
            tried = rng.choice([-1.0, 1.0], tried.shape)
        moved = space.projected(rows[alive] + tried * reach, rows[alive])
        found = loss_of(np.asarray(target.scores(moved), np.float64), labels[alive])
        better = found > loss[alive]
        kept = alive[better]
        final[kept], loss[kept], signs[kept] = moved[better], found[better], tried[better]
    return final


def decision_steps(
    target: Target,
    rows: Any,
    labels: Any,
    space: Space,
    rng: np.random.Generator,
    *,
    starts: Any,
    n_steps: int = 10,
    n_probes: int = 40,
) -> Any:
    """HopSkipJump in L2: only classes are asked, and the distance is made small.

    Lengths are in units of the ball's scale; what has none keeps its place.

    Args:
        starts: ``(n, d)``: a row of another class for each row, where the walk begins.

    Returns:
        Rows on the wrong side of the boundary, as near to ``rows`` as found; a row whose start
        is not wrong stays where it was.
    """
    scale = np.broadcast_to(np.asarray(space.ball.scale, np.float64), rows.shape[1:])
    unit = np.where(scale > 0, scale, 1.0)
    starts = np.where(scale > 0, starts, rows)
    is_wrong = wrong(target.scores(starts), labels)
    final = np.where(is_wrong[:, None], starts, rows).astype(np.float64)
    alive = np.flatnonzero(is_wrong)
    place = _bisected(target, rows[alive], final[alive], labels[alive])
    low, high = space.ball.low, space.ball.high
    for step in range(n_steps):
        if not alive.size:
            break
        own, truth = rows[alive], labels[alive]
        distance = np.linalg.norm((place - own) / unit, axis=1, keepdims=True)
        n = int(n_probes * (step + 1) ** 0.5)
        delta = np.maximum(distance, _TINY) / rows.shape[1] ** 0.5
        noise = rng.normal(size=(n, *place.shape))
        noise /= np.linalg.norm(noise, axis=2, keepdims=True)
        probes = np.clip(place + delta * noise * scale, low, high)
        votes = wrong(target.scores(probes.reshape(-1, rows.shape[1])), np.tile(truth, n))
        signs = np.where(votes, 1.0, -1.0).reshape(n, -1, 1)
        centred = signs - np.where(np.abs(signs.mean(0)) < 1, signs.mean(0), 0)
        direction = (centred * noise).mean(axis=0)
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), _TINY)
        size = distance / (step + 1) ** 0.5
        ahead = place
        for _ in range(8):
            tried = np.clip(place + size * direction * scale, low, high)
            arrived = wrong(target.scores(tried), truth)
            ahead = np.where(arrived[:, None], tried, ahead)
            size = np.where(arrived[:, None], 0.0, size / 2)
            if arrived.all():
                break
        place = _bisected(target, own, ahead, truth)
    final[alive] = place
    return final


def decided(
    target: Target,
    rows: Any,
    labels: Any,
    space: Space,
    rng: np.random.Generator,
    *,
    pool: Any,
    n_steps: int = 6,
    n_probes: int = 16,
) -> Any:
    """`decision_steps` from rows of ``pool`` that the model gives another class, kept in ``space``.

    Args:
        pool: ``(m, d)`` rows to begin from; for each row the nearest one that is wrong for it.
    """
    classes = np.asarray(target.scores(pool), np.float64).argmax(axis=1)
    scale = np.asarray(space.ball.scale, np.float64)
    unit = np.where(scale > 0, scale, np.inf)
    starts = np.array(rows, np.float64)
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        others = pool[classes != label]
        if len(others):
            far = np.abs((others - row) / unit).max(axis=1)
            starts[place] = others[far.argmin()]
    near = decision_steps(
        target, rows, labels, space, rng, starts=starts, n_steps=n_steps, n_probes=n_probes
    )
    return space.projected(near, rows)


def _bisected(target: Target, rows: Any, beyond: Any, labels: Any) -> Any:
    """The nearest wrong place on the line between a right and a wrong one."""
    near, far = np.zeros((len(rows), 1)), np.ones((len(rows), 1))
    for _ in range(8):
        if not len(rows):
            break
        middle = (near + far) / 2
        is_wrong = wrong(target.scores(rows + middle * (beyond - rows)), labels)[:, None]
        far, near = np.where(is_wrong, middle, far), np.where(is_wrong, near, middle)
    return rows + far * (beyond - rows)
