"""Updates of federated training: what they give away, and how they are held back and joined.

`candidates` is the closed-form inversion: in a dense layer the gradient of a neuron's weights is
its input times the gradient of its bias, so where one row alone woke a neuron, the quotient is
that row. `protected` clips each row's gradient and adds Gaussian noise; `epsilon` is what a run
of such updates gives away at most. `merged` joins updates so that a few malicious ones count
little.

References:
    Zhu, Liu and Han (2019), Deep leakage from gradients. Boenisch et al. (2023), When the curious
    abandon honesty: federated learning is not private. Abadi et al. (2016), Deep learning with
    differential privacy. Mironov, Talwar and Zhang (2019), Renyi differential privacy of the
    sampled Gaussian mechanism, equation 4. Yin et al. (2018), Byzantine-robust distributed
    learning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hauberk.errors import UsageError

Arrays = Mapping[str, Any]
"""Name of a parameter to its gradient or change."""

_ORDERS = (*(1 + x / 10 for x in range(1, 100) if x % 10), *range(2, 64), *range(64, 257, 8))
_FAR, _FINE = 12, 50
_LEAST_NOISE = 0.05
"""Below it, whole orders alone: nothing is private there, and points would be many."""

_SMALL = 1e-12
_SAME = 1e-4
_SSIM_MEAN, _SSIM_SPREAD = 0.01**2, 0.03**2
"""The constants of structural similarity for values from 0 to 1."""


# What an update gives away ------------------------------------------------------------


def dense_layers(update: Arrays) -> list[tuple[Any, Any]]:
    """Pairs of weight ``(n_out, n_in)`` and bias gradients ``(n_out,)`` that fit each other.

    Pairs share a name up to the last dot (``layer.weight``, ``layer.bias``) or, without one,
    stand next to each other.
    """
    names = list(update)
    pairs = []
    for here, name in enumerate(names):
        weights = np.asarray(update[name], float)
        if weights.ndim != 2:  # noqa: PLR2004 - a matrix
            continue
        stem = name.rpartition(".")[0]
        near = [stem + ".bias"] if stem else names[here + 1 : here + 2]
        biases = [np.asarray(update[other], float) for other in near if other in update]
        pairs += [(weights, bias) for bias in biases if bias.shape == weights.shape[:1]]
        pairs += [(weights.T, bias) for bias in biases if bias.shape == weights.shape[1:]]
    return pairs


def candidates(weights: Any, bias: Any, count: int) -> Any:
    """Rows ``(n, n_in)`` that an update probably holds, the surest first.

    Args:
        weights: Gradient ``(n_out, n_in)`` of a dense layer's weights.
        bias: Gradient ``(n_out,)`` of its bias.
        count: Rows wanted; neurons that several rows woke give mixtures, which come last.
    """
    awake = np.flatnonzero(np.abs(bias) > _SMALL * max(float(np.abs(bias).max()), _SMALL))
    rows = weights[awake] / bias[awake, None]
    order = np.argsort(-np.abs(bias[awake]))
    rows = rows[order]
    found: list[Any] = []
    alone: list[Any] = []
    left = np.ones(len(rows), bool)
    for here in range(len(rows)):
        if not left[here]:
            continue
        near = np.abs(rows - rows[here]).max(axis=1) <= _SAME * max(1.0, np.abs(rows[here]).max())
        twins = near & left
        left &= ~twins
        (found if twins.sum() > 1 else alone).append(rows[here])
    return np.array([*found, *alone][:count])


def similarity(first: Any, second: Any) -> float:
    """Structural similarity of two rows over one window, at most 1; values from 0 to 1."""
    a, b = np.asarray(first, float).ravel(), np.clip(np.asarray(second, float).ravel(), 0, 1)
    covariance = float(((a - a.mean()) * (b - b.mean())).mean())
    means = (2 * a.mean() * b.mean() + _SSIM_MEAN) / (a.mean() ** 2 + b.mean() ** 2 + _SSIM_MEAN)
    return float(means * (2 * covariance + _SSIM_SPREAD) / (a.var() + b.var() + _SSIM_SPREAD))


def leaked(update: Arrays, rows: Any, *, threshold: float = 0.5) -> list[int]:
    """Which of a client's own rows can be read off its update; values are scaled to 0..1."""
    low, high = float(np.min(rows)), float(np.max(rows))
    scale = max(high - low, _SMALL)
    known = (np.asarray(rows, float).reshape(len(rows), -1) - low) / scale
    told = [
        (guess - low) / scale
        for weights, bias in dense_layers(update)
        if weights.shape[1] == known.shape[1]
        for guess in candidates(weights, bias, 2 * len(known) + 8)
    ]
    return [
        place
        for place, row in enumerate(known)
        if any(similarity(row, guess) > threshold for guess in told)
    ]


# Holding back -------------------------------------------------------------------------


def clipped(update: Arrays, clip: float) -> dict[str, Any]:
    """The update scaled so that its norm over all parameters is at most ``clip``."""
    norm = math.sqrt(sum(float((np.asarray(part, float) ** 2).sum()) for part in update.values()))
    factor = min(1.0, clip / max(norm, _SMALL))
    return {name: np.asarray(part, float) * factor for name, part in update.items()}


def protected(
    gradients: Sequence[Arrays], *, clip: float, noise: float, rng: np.random.Generator
) -> dict[str, Any]:
    """The mean of clipped gradients of single rows, with noise at the scale of one row.

    Args:
        gradients: One for each row of the batch.
        clip: Largest norm of one row's gradient that counts.
        noise: Standard deviation of the noise in units of ``clip``; about 1 for privacy that
            means something, see `epsilon`.
        rng: From the operating system's randomness wherever privacy is meant.

    Raises:
        UsageError: There is no gradient, or clip or noise are not positive.
    """
    if not gradients or clip <= 0 or noise <= 0:
        raise UsageError(
            "a protected update needs gradients, a clip and noise",
            expected="one gradient or more, clip and noise above 0",
            found=f"{len(gradients)} gradients, clip {clip:g}, noise {noise:g}",
        )
    parts = [clipped(gradient, clip) for gradient in gradients]
    return {
        name: (
            sum(part[name] for part in parts)
            + rng.normal(0.0, noise * clip, np.shape(parts[0][name]))
        )
        / len(parts)
        for name in parts[0]
    }


def epsilon(*, noise: float, share: float, steps: int, delta: float) -> float:
    """What ``steps`` protected updates give away of one row at most, as (epsilon, delta).

    Args:
        noise: As in `protected`.
        share: Chance of a row to be in a batch, above 0 to 1.
        steps: Updates sent.
        delta: Chance that the bound does not hold; below one over the number of rows.

    >>> round(epsilon(noise=1.1, share=256 / 60000, steps=14062, delta=1e-5), 2)
    2.6
    """
    return epsilon_of([(noise, share, steps)], delta)


def epsilon_of(parts: Sequence[tuple[float, float, int]], delta: float) -> float:
    """Likewise of several trainings on the same rows, as noise, share and steps of each.

    >>> two = [(1.1, 256 / 60000, 7031), (1.1, 256 / 60000, 7031)]
    >>> epsilon_of(two, 1e-5) == epsilon(noise=1.1, share=256 / 60000, steps=14062, delta=1e-5)
    True
    """
    for noise, share, steps in parts:
        if not (noise > 0 and 0 < share <= 1 and steps > 0 and 0 < delta < 1):
            raise UsageError("noise, share, steps and delta do not fit", found=f"{noise}, {share}")
    bounds = [
        sum(float(steps) * _divergence(noise, share, order) for noise, share, steps in parts)
        + math.log1p(-1 / order)
        - (math.log(delta) + math.log(order)) / (order - 1)
        for order in _ORDERS
    ]
    return float(max(0.0, min(bounds)))


def _divergence(noise: float, share: float, order: float) -> float:
    """Renyi divergence of one update: at whole orders the sum of equation 4, in logarithms."""
    if share == 1:
        return float(order / (2 * noise**2))
    if not isinstance(order, int):
        return _between(noise, share, order)
    terms = [
        math.lgamma(order + 1)
        - math.lgamma(k + 1)
        - math.lgamma(order - k + 1)
        + k * math.log(share)
        + (order - k) * math.log1p(-share)
        + k * (k - 1) / (2 * noise**2)
        for k in range(order + 1)
    ]
    top = max(terms)
    return float((top + math.log(sum(math.exp(term - top) for term in terms))) / (order - 1))


def _between(noise: float, share: float, order: float) -> float:
    """Likewise at any order, as the integral that the sum stands for (section 3.3 there).

    Sums over evenly spaced points of a smooth function that vanishes at both ends are exact to
    the last digits.
    """
    if noise < _LEAST_NOISE:
        return math.inf
    points = np.arange(-_FAR * noise, order + _FAR * noise, noise / _FINE)
    moved = np.logaddexp(math.log1p(-share), math.log(share) + (2 * points - 1) / (2 * noise**2))
    terms = order * moved - points**2 / (2 * noise**2)
    total = np.logaddexp.reduce(terms) - math.log(_FINE * math.sqrt(2 * math.pi))
    return float(max(total, 0.0) / (order - 1))


# Joining ------------------------------------------------------------------------------


def merged(
    updates: Sequence[Arrays], *, clip: float | None = None, how: str = "median", trim: float = 0.2
) -> dict[str, Any]:
    """One update from many, each clipped to the median norm unless a norm is given.

    Args:
        how: ``median`` or ``trimmed`` (the mean without the ``trim`` largest and smallest
            share of each number), or ``mean``, which one malicious client can bend at will.

    Raises:
        UsageError: There are no updates, they do not fit each other, or ``how`` is unknown.
    """
    shapes = [{name: np.shape(part) for name, part in update.items()} for update in updates]
    if not updates or any(shape != shapes[0] for shape in shapes):
        raise UsageError("updates do not fit each other", expected="the same arrays in each")
    if how not in ("median", "trimmed", "mean"):
        raise UsageError("there is no such way to merge", expected="median, trimmed or mean")
    limit = clip if clip is not None else float(np.median(norms(updates)))
    parts = [clipped(update, limit) for update in updates]
    cut = int(trim * len(parts)) if how == "trimmed" else 0
    result = {}
    for name in parts[0]:
        stack = np.sort(np.stack([part[name] for part in parts]), axis=0)
        kept = stack[cut : len(parts) - cut]
        result[name] = np.median(stack, axis=0) if how == "median" else kept.mean(axis=0)
    return result


def norms(updates: Sequence[Arrays]) -> list[float]:
    """The norm of each update."""
    return [
        math.sqrt(sum(float((np.asarray(part, float) ** 2).sum()) for part in update.values()))
        for update in updates
    ]


def heterogeneity(updates: Sequence[Arrays]) -> float:
    """How far honest clients pull apart: mean squared distance from the mean, over its square.

    Medians and trimmed means cost accuracy where this is large.
    """
    flat = np.stack([np.concatenate([np.ravel(part) for part in u.values()]) for u in updates])
    mean = flat.mean(axis=0)
    return float(((flat - mean) ** 2).sum(axis=1).mean() / max(float((mean**2).sum()), _SMALL))
