"""One-sided exact bounds, without a numerical library.

Shares: Clopper and Pearson, 1934, "The use of confidence or fiducial limits illustrated in
the case of the binomial". Medians: order statistics, for the number of trials below the
median is binomial with one half whatever their distribution (David and Nagaraja, "Order
Statistics", section 7.1). Both hold for any sample size; neither assumes a normal shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ALPHA = 0.05
"""One minus the confidence of each bound."""

_HALVINGS = 60  # narrower than a float can tell apart between 0 and 1


def share_bounds(successes: int, trials: int, alpha: float = ALPHA) -> tuple[float, float]:
    """Lower and upper bound of a share, each one-sided with confidence ``1 - alpha``.

    >>> low, high = share_bounds(100, 100)
    >>> round(low, 4), high
    (0.9705, 1.0)

    Raises:
        ValueError: There are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        message = f"expected 0 to {trials} successes in at least one trial, found {successes}"
        raise ValueError(message)
    return (
        _share_low(successes, trials, alpha),
        1.0 - _share_low(trials - successes, trials, alpha),
    )


def median_bounds(values: Sequence[float], alpha: float = ALPHA) -> tuple[float, float] | None:
    """Lower and upper bound of the median, each one-sided; ``None`` below five values.

    >>> median_bounds([0.9, 0.8, 0.95, 0.85, 0.7])
    (0.7, 0.95)
    """
    ordered = sorted(values)
    below, rank = 0.0, 0
    for rank in range(len(ordered) + 1):
        below += math.comb(len(ordered), rank) * 0.5 ** len(ordered)
        if below > alpha:
            break
    return (ordered[rank - 1], ordered[-rank]) if rank else None


def fewest_trials(value: float, misses: int = 1, alpha: float = ALPHA) -> int:
    """Fewest trials in which ``misses`` still leave a share's bound at ``value`` or better.

    ``value`` above one half is taken as a lower target, below as an upper one.

    >>> fewest_trials(0.95, misses=0), fewest_trials(0.95), fewest_trials(0.01)
    (59, 93, 473)
    """
    goal = max(value, 1 - value)
    trials = misses + 1
    while share_bounds(trials - misses, trials, alpha)[0] < goal:
        trials += 1
    return trials


def _share_low(successes: int, trials: int, alpha: float) -> float:
    """The share at which ``successes`` or more have probability ``alpha``."""
    if successes == 0:
        return 0.0
    if successes == trials:
        return float(alpha ** (1 / trials))
    low, high = 0.0, successes / trials
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_least(successes, trials, middle) > alpha:
            high = middle
        else:
            low = middle
    return low


def _at_least(successes: int, trials: int, share: float) -> float:
    """Probability of ``successes`` or more, summed over the shorter tail."""
    if trials - successes < successes:
        return _sum(range(successes, trials + 1), trials, share)
    return 1.0 - _sum(range(successes), trials, share)


def _sum(counts: range, trials: int, share: float) -> float:
    log_p, log_q = math.log(share), math.log1p(-share)
    top = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(
            top
            - math.lgamma(count + 1)
            - math.lgamma(trials - count + 1)
            + count * log_p
            + (trials - count) * log_q
        )
        for count in counts
    )
