"""Who was in the training set? The strongest audit that a few shadow models can give.

Every shadow model is trained on a random half of the candidate rows, so that each row is inside
of some shadows and outside of others. The statistic of a row is the probability that the model
under audit gives to its true class, over the mean of what the shadows give it when they know it
and when they do not. Rows whose ratio is large were likely trained on.

References:
    Zarifzadeh, Liu and Shokri (2024), Low-cost high-power membership inference attacks
    (the numerator of RMIA). Carlini and others (2022), Membership inference attacks from first
    principles. Clopper and Pearson (1934).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.statistics import clopper_pearson

Fit = Callable[[Any, int], Callable[[Any], Any]]
"""Places of the rows to train on and a seed, to a model: places to ``(n, n_classes)``."""

_FLOOR = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many members are recognised at a bounded number of false alarms.

    Attributes:
        false_rate: Share of other rows that may be taken for members.
        rate: Share of the members above the threshold.
        low: Lower bound, one-sided at 95 %.
        high: Upper bound likewise.
        n_false: Other rows above the threshold.
    """

    false_rate: float
    rate: float
    low: float
    high: float
    n_false: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What the audit gives.

    Attributes:
        ratios: ``(n,)``: the statistic of each candidate, members first.
        is_member: ``(n,)``.
        rates: At each false-positive rate that the rows can show.
        auc: Chance that a member's ratio is above another row's.
        n_shadows: Shadow models trained.
        cost_s: Processor seconds of all of them.
    """

    ratios: Any
    is_member: Any
    rates: tuple[Rate, ...]
    auc: float
    n_shadows: int
    cost_s: float

    def most_exposed(self, n: int) -> list[tuple[int, float]]:
        """The members with the largest ratios: their place among the members, and the ratio."""
        members = np.flatnonzero(self.is_member)
        order = members[np.argsort(-self.ratios[members], kind="stable")][:n]
        return [(int(place), float(self.ratios[place])) for place in order]


def halves(n: int, n_shadows: int, rng: np.random.Generator) -> Any:
    """``(n_shadows, n)`` bool: which rows each shadow trains on.

    Shadows come in pairs that split the rows between them, so that every row is inside of half
    of them and outside of the others.
    """
    kept = np.zeros((n_shadows, n), bool)
    for first in range(0, n_shadows, 2):
        inside = rng.permutation(n) < n // 2
        kept[first] = inside
        if first + 1 < n_shadows:
            kept[first + 1] = ~inside
    return kept


def ratios(target: Any, shadows: Sequence[Any], inside: Any) -> Any:
    """The statistic of each row.

    Args:
        target: ``(n,)`` probability that the model under audit gives the true class.
        shadows: The same of each shadow.
        inside: ``(n_shadows, n)``: which rows each shadow was trained on.
    """
    given = np.asarray(shadows, np.float64)
    n_in, n_out = inside.sum(axis=0), (~inside).sum(axis=0)
    mean_in = np.where(inside, given, 0).sum(axis=0) / np.maximum(n_in, 1)
    mean_out = np.where(inside, 0, given).sum(axis=0) / np.maximum(n_out, 1)
    both = np.where(n_in * n_out > 0, (mean_in + mean_out) / 2, np.where(n_in, mean_in, mean_out))
    return np.asarray(target, np.float64) / np.maximum(both, _FLOOR)


def exposure(
    target: Any,
    shadows: Sequence[Any],
    inside: Any,
    is_member: Any,
    *,
    cost_s: float = 0.0,
    false_rates: Sequence[float] = (0.01, 0.001),
) -> Exposure:
    """The audit's figures from what model and shadows give.

    A rate is left out where the rows outside are too few to show it: one in a thousand needs a
    thousand of them.
    """
    from hauberk.methods.metrics import roc_auc

    found = ratios(target, shadows, inside)
    members, others = found[is_member], found[~is_member]
    rates = tuple(
        _rate(members, others, share) for share in false_rates if share * len(others) >= 1
    )
    return Exposure(
        ratios=found,
        is_member=np.asarray(is_member, bool),
        rates=rates,
        auc=roc_auc(list(map(bool, is_member)), found.tolist()),
        n_shadows=len(shadows),
        cost_s=cost_s,
    )


def _rate(members: Any, others: Any, share: float) -> Rate:
    """Strictly above the threshold that at most ``share`` of the others exceed."""
    allowed = int(share * len(others))
    threshold = np.sort(others)[::-1][allowed]
    hits = int((members > threshold).sum())
    bounds = clopper_pearson(hits, len(members))
    return Rate(
        false_rate=share,
        rate=hits / max(len(members), 1),
        low=bounds.low,
        high=bounds.high,
        n_false=int((others > threshold).sum()),
    )
