"""How columns rank as predictors of a label, and whether new rows were made to lift one.

References:
    Guyon and Elisseeff (2003), An introduction to variable and feature selection. Mann and
    Whitney (1947), On a test of whether one of two random variables is larger. Fisher (1925),
    for the combination of p-values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Rows
from hauberk.methods.statistics import Floats

BINS = 10
MIN_FRESH = 4
MIN_OLD = 20
_TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lifts:
    """Of each column.

    Attributes:
        p_values: Chance that new rows lie so within their classes if they are as the old.
        ranks: Place among all columns by correlation and by mutual information with the
            label, ``(2, 2, n_columns)``: before and after; 0 is the best predictor.
        gains: Growth of the correlation ratio and of the mutual information, in nats.
    """

    p_values: Floats
    ranks: Any
    gains: Any


def lifts(old: Rows, new: Rows, is_fresh: Any) -> Lifts:
    """Hold rows that came against those that were there.

    Args:
        new: `hauberk.methods.embed.aligned` with ``old``.
        is_fresh: Which rows of ``new`` came, ``(n_rows,)`` bool.
    """
    before, after = features(old, old), features(new, old)
    p = _shifted(before, old.labels, after[is_fresh], new.labels[is_fresh])
    edges = _edges(before)
    scores = np.array(
        [
            [_ratios(x, labels), _information(x, labels, edges)]
            for x, labels in ((before, old.labels), (after, new.labels))
        ]
    )
    ranks = (-scores).argsort(axis=2, kind="stable").argsort(axis=2, kind="stable")
    return Lifts(p_values=p, ranks=ranks, gains=scores[1] - scores[0])


def features(rows: Rows, like: Rows) -> Any:
    """Numbers, then categories as the mean code of the labels that ``like`` gives them."""
    columns = [rows.numbers]
    for place in range(like.codes.shape[1]):
        means = np.full(like.codes[:, place].max(initial=0) + 2, np.nan)
        for code in np.unique(like.codes[:, place]):
            own = like.labels[like.codes[:, place] == code]
            means[code] = own[own >= 0].mean() if (own >= 0).any() else np.nan
        means[-1] = np.nan
        columns.append(means[rows.codes[:, place]][:, None])
    return np.concatenate(columns, axis=1)


def names_of(rows: Rows) -> tuple[str, ...]:
    """Names of the columns of `features`."""
    return (*rows.names, *(name for name, _ in rows.levels))


def _shifted(old: Any, old_labels: Codes, fresh: Any, fresh_labels: Codes) -> Floats:
    """Fisher's combination over classes of the tests whether new rows lie as the old do.

    In each class two questions are asked: whether new rows lie higher or lower on the whole,
    and whether more of them lie beyond nearly all old rows; the rarer answer counts twice.
    """
    from scipy.stats import chi2, mannwhitneyu

    sums, freedom = np.zeros(old.shape[1]), 0
    for code in np.unique(fresh_labels[fresh_labels >= 0]):
        mine, theirs = fresh[fresh_labels == code], old[old_labels == code]
        if len(mine) < MIN_FRESH or len(theirs) < MIN_OLD:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            found = mannwhitneyu(mine, theirs, axis=0, method="asymptotic", nan_policy="omit")
        p = np.nan_to_num(np.asarray(found.pvalue, np.float64), nan=1.0)
        p = np.minimum(2 * np.minimum(p, _beyond(mine, theirs)), 1.0)
        sums += -2 * np.log(np.maximum(p, _TINY))
        freedom += 2
    return np.asarray(chi2.sf(sums, freedom) if freedom else np.ones(old.shape[1]), np.float64)


def _beyond(fresh: Any, old: Any) -> Any:
    """Chance of so many new values beyond the outermost old ones.

    Of ``n`` old values the ``k`` at each end are left out; how many of further values of the
    same kind lie beyond has a beta-binomial distribution, whatever the values' own is.
    """
    from scipy.stats import betabinom

    n = len(old)
    k = max(1, n // 100)
    filled = np.where(np.isnan(old).all(axis=0), 0.0, old)
    low, high = np.nanquantile(
        filled, [(k - 1) / max(n - 1, 1), 1 - (k - 1) / max(n - 1, 1)], axis=0
    )
    hits = ((fresh < low) | (fresh > high)).sum(axis=0)
    return betabinom.sf(hits - 1, len(fresh), 2 * k, n + 1 - 2 * k)


def _ratios(x: Any, labels: Codes) -> Any:
    """Correlation ratio of each column with the label: what scores of variance rank by."""
    known = labels >= 0
    x, labels = np.where(np.isfinite(x[known]), x[known], np.nan), labels[known]
    filled = np.where(np.isnan(x), np.nanmean(x, axis=0, keepdims=True), x)
    filled = np.nan_to_num(filled)
    total = ((filled - filled.mean(axis=0)) ** 2).sum(axis=0)
    between = np.zeros(x.shape[1])
    for code in np.unique(labels):
        own = filled[labels == code]
        between += len(own) * (own.mean(axis=0) - filled.mean(axis=0)) ** 2
    return np.divide(between, total, out=np.zeros_like(between), where=total > 0)


def _edges(x: Any) -> Any:
    filled = np.where(np.isnan(x).all(axis=0), 0.0, x)
    return np.nanquantile(filled, np.linspace(0, 1, BINS + 1)[1:-1], axis=0)


def _information(x: Any, labels: Codes, edges: Any) -> Any:
    """Mutual information of each binned column with the label, in nats."""
    known = np.flatnonzero(labels >= 0)
    codes = np.unique(labels[known], return_inverse=True)[1]
    out = np.zeros(x.shape[1])
    for place in range(x.shape[1]):
        bins = np.searchsorted(edges[:, place], np.nan_to_num(x[known, place]))
        joint = np.zeros((BINS + 1, codes.max(initial=0) + 1))
        np.add.at(joint, (np.where(np.isnan(x[known, place]), BINS, bins), codes), 1.0)
        joint /= max(joint.sum(), 1.0)
        alone = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        out[place] = float(
            (joint * np.log(np.where(joint > 0, joint, 1) / np.where(alone > 0, alone, 1))).sum()
        )
    return out
