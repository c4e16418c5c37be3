"""Does a model tell what share of its training rows belonged to a group?

Shadow models of the same kind are trained on rows of which few or many belong to it, the rest
being alike. Where their answers to the same probe rows can be told apart by a classifier that
did not see them, whoever asks the released model learns the share too.

References:
    Ateniese and others (2015), Hacking smart machines with smarter ones. Ganju and others
    (2018), Property inference attacks on fully connected neural networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.metrics import roc_auc

Fit = Callable[[Any, int], Callable[[Any], Any]]
"""Places of the rows to train on (some may come twice) and a seed, to places to scores."""

SHARES = (0.3, 0.7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What the audit gives.

    Attributes:
        auroc: Chance that a model trained on the larger share looks more like it, 0 to 1.
        low: Lower bound, one-sided at 95 %.
        high: Upper bound likewise.
        n_shadows: Models that were trained.
        n_rows: Rows that each was trained on.
        shares: Of the group in their rows.
    """

    auroc: float
    low: float
    high: float
    n_shadows: int
    n_rows: int
    shares: tuple[float, float] = SHARES


def with_share(group: Any, share: float, n_rows: int, rng: np.random.Generator) -> Any:
    """Places of ``n_rows`` rows of which ``share`` belong to the group, without repeats if it can.

    Args:
        group: ``(n,)`` bool: which rows belong to it.
    """
    parts = []
    inside = round(share * n_rows)
    for places, count in (
        (np.flatnonzero(group), inside),
        (np.flatnonzero(~group), n_rows - inside),
    ):
        parts.append(rng.choice(places, count, replace=count > len(places)))
    return rng.permutation(np.concatenate(parts))


def answers(
    fit: Fit,
    group: Any,
    probes: Any,
    rng: np.random.Generator,
    *,
    n_shadows: int,
    n_rows: int,
    shares: tuple[float, float] = SHARES,
) -> tuple[Any, Any]:
    """What shadows answer to the probes, ``(n_shadows, m)``, and which had the larger share.

    Args:
        probes: Places of the rows that every shadow is asked.
    """
    is_large = np.arange(n_shadows) % 2 == 1
    given = []
    for large in is_large:
        places = with_share(group, shares[int(large)], n_rows, rng)
        ask = fit(places, int(rng.integers(2**31)))
        given.append(np.asarray(ask(probes), np.float64).reshape(-1))
    return np.stack(given), is_large


def told_apart(given: Sequence[Any], is_large: Sequence[Any]) -> Inference:
    """How well a classifier tells the answers of models from a pool of rows that it did not see.

    Models that share rows share what is peculiar to these rows, which no attacker could use.
    So each pool is judged by a classifier of the others, and the interval comes from what the
    pools differ in.

    Args:
        given: For each pool the answers of its models, ``(n, m)``.
        is_large: Likewise whether their share was the larger one.
    """
    from scipy.stats import t

    areas = []
    for held, (own, truth) in enumerate(zip(given, is_large, strict=True)):
        others = [place for place in range(len(given)) if place != held]
        guess = guesser(
            np.concatenate([given[place] for place in others]),
            np.concatenate([is_large[place] for place in others]),
        )
        areas.append(roc_auc(list(map(bool, truth)), guess(own).tolist()))
    n, n_pools = sum(map(len, given)), len(areas)
    spread = float(np.std(areas, ddof=1)) / math.sqrt(n_pools) * float(t.ppf(0.95, n_pools - 1))
    auroc = float(np.mean(areas))
    reach = max(spread, 1.0 / n)  # one model more or less
    return Inference(
        auroc=auroc,
        low=max(0.0, auroc - reach),
        high=min(1.0, auroc + reach),
        n_shadows=n,
        n_rows=0,
    )


def guesser(given: Any, is_large: Any) -> Callable[[Any], Any]:
    """A classifier of answers: the more, the more likely the share was the larger one."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    model.fit(given, is_large)
    return lambda rows: np.asarray(model.decision_function(rows))
