"""Exact intervals, corrections for many tests, robust scales and honest p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.errors import UsageError

Floats = np.ndarray[Any, np.dtype[np.float64]]

_NORMAL_MAD = 0.674_489_750_196_081_7
"""Median absolute deviation of a standard normal."""

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Bounds of a rate, 0 to 1."""

    low: float
    high: float


def clopper_pearson(hits: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Exact bounds, each one-sided at ``confidence``, of the rate behind ``hits`` of ``n``.

    No trials prove nothing: the interval is all of 0 to 1.

    Raises:
        UsageError: There are more hits than trials, or fewer than none.

    References:
        Clopper and Pearson (1934), The use of confidence or fiducial limits.

    >>> round(clopper_pearson(0, 59).high, 3)
    0.05
    """
    from scipy.stats import beta

    if not 0 <= hits <= n:
        raise UsageError("Hits must lie between 0 and the trials", found=f"{hits} of {n}")
    low = 0.0 if hits == 0 else float(beta.ppf(1 - confidence, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(confidence, hits + 1, n - hits))
    return Interval(low=low, high=high)


def binomial_tail(hits: Any, n: Any, rate: Any) -> Any:
    """Chance of at least ``hits`` of ``n`` at ``rate``; arrays work element by element."""
    from scipy.stats import binom

    return binom.sf(np.asarray(hits) - 1, n, rate)


def benjamini_hochberg(p_values: Sequence[float] | Floats) -> Floats:
    """Adjusted p-values that hold the false-discovery rate, for independent tests.

    References:
        Benjamini and Hochberg (1995), Controlling the false discovery rate.
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(p.size, 0, -1)
    adjusted = np.minimum.accumulate(p[order] * p.size / np.maximum(ranks, 1))
    return _unsorted(np.minimum(adjusted, 1.0), order)


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Adjusted p-values that hold the chance of any false alarm, whatever the dependence.

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return _unsorted(np.minimum(adjusted, 1.0), order)


def _unsorted(values: Floats, order: Any) -> Floats:
    result = np.empty_like(values)
    result[order] = values
    return result


def robust_z(values: Any, axis: int = 0) -> Floats:
    """Distance from the median in units of the spread of a normal, by the MAD.

    Where more than half of the values are equal the MAD is 0; the mean absolute deviation
    stands in, and where all are equal every distance is 0.

    References:
        Iglewicz and Hoaglin (1993), How to detect and handle outliers.
    """
    x = np.asarray(values, np.float64)
    away = x - np.median(x, axis=axis, keepdims=True)
    mad = np.median(np.abs(away), axis=axis, keepdims=True) / _NORMAL_MAD
    mean = np.mean(np.abs(away), axis=axis, keepdims=True) * np.sqrt(np.pi / 2)
    scale = np.where(mad > 0, mad, mean)
    return np.asarray(np.divide(away, scale, out=np.zeros_like(away), where=scale > 0))


def rank_p_values(scores: Any, null: Any) -> Floats:
    """P-value of each score among ``null`` scores of clean data; higher is more suspicious.

    The score itself counts as one of the null's, so no p-value is 0 and a null of n scores
    proves at most 1 in n + 1.
    """
    clean = np.sort(np.asarray(null, np.float64))
    at_least = clean.size - np.searchsorted(clean, np.asarray(scores, np.float64), side="left")
    return np.asarray((at_least + 1) / (clean.size + 1), np.float64)


def cauchy_combined(p_values: Any, axis: int = 0) -> Floats:
    """One p-value from several that may depend on each other.

    References:
        Liu and Xie (2020), Cauchy combination test.
    """
    p = np.clip(np.asarray(p_values, np.float64), 1e-15, 1 - 1e-15)
    statistic = np.mean(np.tan((0.5 - p) * np.pi), axis=axis)
    return np.asarray(0.5 - np.arctan(statistic) / np.pi, np.float64)


def two_sample_p(first: Any, second: Any) -> float:
    """P-value of the Kolmogorov-Smirnov test of two samples; 1 where one is empty."""
    from scipy.stats import ks_2samp

    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if not a.size or not b.size:
        return 1.0
    return float(ks_2samp(a, b, method="asymp").pvalue)


def rank_sum_p(first: Any, second: Any) -> float:
    """Chance that ``second`` is so much larger than ``first`` if both are alike."""
    from scipy.stats import mannwhitneyu

    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if not a.size or not b.size:
        return 1.0
    return float(mannwhitneyu(b, a, alternative="greater", method="asymptotic").pvalue)


def information(p_values: Any) -> Floats:
    """Minus the decimal logarithm of p-values: how surprising, on a scale that adds up."""
    return np.asarray(-np.log10(np.maximum(np.asarray(p_values, np.float64), _TINY)))
