"""What a day ought to look like, by the week and the year, and how much days differ anyway.

A `Baseline` is fitted once, to the days of training: shares of rows in bins, each as a sum of
harmonics of the week (and of the year, where training covers one), with the scatter that is
left. Scatter has two parts, one that shrinks with the rows of a day and one that does not;
neighbouring days that are alike make the second count for more. Live days are turned into
distances in units of that scatter, so a season is no surprise and a slow shift is one.

References:
    Hyndman and Athanasopoulos (2021), Forecasting: principles and practice, section 7.4, for
    harmonic terms; Newey and West (1987) for the scatter of dependent days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.sketches.grid import Axis, Grid
from hauberk.sketches.numbers import Floats, Int64s, broken

DAY_S = 86_400.0
WEEK, YEAR = 7.0, 365.25
MIN_DAYS = 21
"""Fewer days say nothing about a week."""
MIN_YEAR = 330
"""Days from which on a year is fitted."""
MAX_Z = 5.0
"""One odd day, a holiday, is worth no more than this."""
COARSE = 8
"""Bins of one column whose shares are watched."""
TOP = 8
"""Categories of one column that are watched by name."""

_MAX_RHO = 0.9
_MIN_SHARE_ROWS = 20.0
_FIRST = 2


def shares(grid: Grid, counts: Int64s) -> Floats:
    """The watched shares of all columns, in the order of `names`; NaN where a column is empty."""
    parts = [_of(axis, part) for axis, part in grid.cut(counts)]
    return np.concatenate(parts) if parts else np.zeros(0)


def names(grid: Grid) -> tuple[str, ...]:
    """Which column each share is of."""
    return tuple(
        axis.label for axis, part in grid.cut(grid.training()) for _ in range(_of(axis, part).size)
    )


def _of(axis: Axis, counts: Int64s) -> Floats:
    total = counts.sum()
    if not total:
        return np.full(_size(axis), np.nan)
    if axis.measure == "category":
        return np.asarray(counts[: _size(axis)] / total)
    bins = counts[_FIRST:-1]
    coarse = np.bincount(_coarse(axis), bins, COARSE)
    known = max(bins.sum(), 1)
    tails = np.cumsum(coarse)[[COARSE // 4 - 1, COARSE // 2 - 1, COARSE - COARSE // 4 - 1]]
    ends = np.array([counts[0], counts[1] + counts[-1]]) / total
    return np.concatenate([coarse / known, tails / known, ends])


def _size(axis: Axis) -> int:
    return min(TOP + _FIRST, axis.width) if axis.measure == "category" else COARSE + 5


def _coarse(axis: Axis) -> Int64s:
    """Which of eight bins of equal mass in training each bin belongs to."""
    training = np.array(axis.training[_FIRST:-1], np.float64)
    place = np.cumsum(training) - training / 2
    bins = (place * COARSE / max(training.sum(), 1)).astype(np.int64)
    return np.asarray(np.minimum(bins, COARSE - 1), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """What was fitted.

    Attributes:
        days: How many days it was fitted to.
        yearly: Whether a year is among the terms.
        terms: Weight of each term for each share, ``(n_terms, n_shares)``.
        scatter: Variance of each share beyond that of counting.
        spread: Inverse of the terms' cross product, for days that are unlike any before.
    """

    days: int
    yearly: bool
    terms: Floats
    scatter: Floats
    spread: Floats

    def expected(self, day: float) -> Floats:
        """The shares of a day, counted from the epoch."""
        return np.asarray(np.clip(_design(np.array([day]), self.yearly) @ self.terms, 0, 1)[0])

    def distance(self, day: float, found: Floats, n_rows: float) -> Floats:
        """How far each share is from what is expected, in units of its scatter; 0 where unknown."""
        expected = self.expected(day)
        counting = np.maximum(expected * (1 - expected), 1 / max(n_rows, _MIN_SHARE_ROWS))
        row = _design(np.array([day]), self.yearly)[0]
        fitted = 1 + max(float(row @ self.spread @ row), 0.0)
        variance = (counting / max(n_rows, 1.0) + self.scatter) * fitted
        z = (found - expected) / np.sqrt(variance)
        return np.asarray(np.clip(np.nan_to_num(z), -MAX_Z, MAX_Z))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "days": self.days,
            "yearly": self.yearly,
            "terms": self.terms.tolist(),
            "scatter": self.scatter.tolist(),
            "spread": self.spread.tolist(),
        }

    @classmethod
    def from_json(cls, value: Any) -> Baseline:
        """What `to_json` gave.

        Raises:
            ArtifactError: It is something else.
        """
        try:
            found = cls(
                days=int(value["days"]),
                yearly=bool(value["yearly"]),
                terms=np.array(value["terms"], np.float64),
                scatter=np.array(value["scatter"], np.float64),
                spread=np.array(value["spread"], np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise broken(f"{type(error).__name__} in a baseline of days") from None
        n_terms = _design(np.zeros(1), found.yearly).shape[1]
        is_sound = (
            found.terms.shape == (n_terms, found.scatter.size)
            and found.spread.shape == (n_terms, n_terms)
            and all(np.isfinite(x).all() for x in (found.terms, found.scatter, found.spread))
        )
        if not is_sound:
            raise broken("a baseline of days whose parts contradict each other")
        return found


def fit(days: Floats, found: Floats, n_rows: Floats) -> Baseline:
    """Fit the days of training.

    Args:
        days: Days since the epoch, increasing; at least `MIN_DAYS` of them.
        found: ``(n_days, n_shares)``, as `shares` gives them.
        n_rows: Rows of each day.
    """
    yearly = float(days[-1] - days[0]) >= MIN_YEAR
    design = _design(days, yearly)
    known = np.where(np.isnan(found), np.nanmean(np.where(np.isnan(found), 0, found), 0), found)
    gram = np.linalg.inv(design.T @ design + 1e-6 * np.eye(design.shape[1]))
    terms = gram @ design.T @ known
    fitted = np.clip(design @ terms, 0, 1)
    residual = known - fitted
    freedom = max(len(days) - design.shape[1], 1)
    counting = (np.maximum(fitted * (1 - fitted), 1 / n_rows[:, None]) / n_rows[:, None]).mean(0)
    beyond = np.maximum((residual**2).sum(0) / freedom - counting, 0.0)
    return Baseline(
        days=len(days),
        yearly=yearly,
        terms=terms,
        scatter=beyond * _dependence(residual),
        spread=np.asarray(gram, np.float64),
    )


def _dependence(residual: Floats) -> Floats:
    """By how much neighbouring days that are alike widen a mean, at least 1."""
    first, second = residual[:-1], residual[1:]
    power = (residual**2).sum(0)
    rho = np.where(power > 0, (first * second).sum(0) / np.where(power > 0, power, 1), 0)
    rho = np.clip(rho, 0, _MAX_RHO)
    return np.asarray((1 + rho) / (1 - rho))


def _design(days: Floats, yearly: bool) -> Floats:  # noqa: FBT001 - a stored property
    """A constant, three harmonics of the week and two of the year."""
    waves = [(WEEK, 3), *([(YEAR, 2)] if yearly else [])]
    columns = [np.ones(len(days))]
    for period, n in waves:
        for harmonic in range(1, n + 1):
            angle = 2 * math.pi * harmonic * days / period
            columns += [np.cos(angle), np.sin(angle)]
    return np.stack(columns, axis=1)
