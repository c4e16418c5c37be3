"""What the other rows say about the label of each row, and how many labels were changed.

Beliefs are class probabilities from models that did not see the row. Changed labels show as
contradictions where beliefs are firmest: honest labels are hardly ever contradicted there
(these rows are anchors), changed ones are contradicted everywhere alike.

References:
    Northcutt, Jiang and Chuang (2021), Confident learning. Patrini, Rozza, Menon, Nock and
    Qu (2017), Making deep neural networks robust to label noise, section 4.1 (anchors).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Floats, neighbours, seed_of
from hauberk.methods.statistics import clopper_pearson

N_FOLDS = 5
N_NEIGHBOURS = 15

MAX_POOL = 20_000
"""Rows that neighbours are looked for among; the search is quadratic."""

_TEMPERATURES = (0.25, 0.33, 0.5, 0.7, 1.0, 1.4)
_TINY = 1e-4
_FIRST_SHARE = 0.02
_LEAST_SHARE = 0.002
_MOST_SHARE = 0.5
_ROUNDS = 50
_ANCHORS = 0.3
_PAIR_ANCHORS = 0.5
_PEAK = 0.1
_PEAK_ROWS = 15
_CONFIDENCE = 0.99
_PAIR_CONFIDENCE = 0.999


def crossed(model: Callable[[], Any], x: Floats, labels: Codes, n_classes: int) -> Any:
    """``(n_rows, n_classes)`` probabilities of one kind of model that never saw the row."""
    folds = _folds(labels, np.random.default_rng(seed_of(x) % 2**32))
    return _crossed(model, x, labels, n_classes, folds)


def _folds(labels: Codes, rng: np.random.Generator) -> Codes:
    """A fold for each row; each class is spread evenly over them."""
    order = np.lexsort((rng.random(labels.size), labels))
    folds = np.empty(labels.size, np.int64)
    folds[order] = np.arange(labels.size) % N_FOLDS
    return folds


def _crossed(
    model: Callable[[], Any], x: Floats, labels: Codes, n_classes: int, folds: Codes
) -> Any:
    out = np.full((labels.size, n_classes), 1 / n_classes)
    for fold in range(N_FOLDS):
        held = folds == fold
        seen = np.unique(labels[~held])
        if seen.size < 2 or not held.any():  # noqa: PLR2004 - a model needs two classes
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model that stops early still has an opinion
            found = model().fit(x[~held], labels[~held]).predict_proba(x[held])
        scores = np.zeros((int(held.sum()), n_classes))
        scores[:, seen] = found
        out[held] = scores
    return out


def neighbourhood(x: Floats, labels: Codes, n_classes: int) -> Any:
    """Votes of the nearest other rows, nearer ones weighing more."""
    step = -(-labels.size // MAX_POOL)
    pool = np.arange(0, labels.size, step)
    places, distances = neighbours(x, x[pool], N_NEIGHBOURS + 1)
    own = pool[places] == np.arange(labels.size)[:, None]
    scale = np.maximum(distances[:, -1:], 1e-6)
    weights = np.where(own, 0.0, 1 / (distances / scale + 0.1))
    votes = np.zeros((labels.size, n_classes))
    np.add.at(votes, (np.arange(labels.size)[:, None], labels[pool[places]]), weights)
    return votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-9)


# How many labels were changed --------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peak:
    """Contradictions among the very firmest tenth of each believed class.

    Honest doubt has faded there even in sets whose classes overlap; labels changed at random
    are contradicted there as often as anywhere, and in every class alike.

    Attributes:
        rate: Share of contradicted labels.
        low: Bound that the rate exceeds with 99 % confidence.
        firmer: Share of contradicted labels in the firmer half of these rows.
        least: The smallest share of any class,
        least_high: and the bound that it stays below with 99 % confidence.
        most: The largest,
        most_low: and the bound that it exceeds.
        n_classes: Believed classes with enough rows to count.
        n_rows: Rows in all.
    """

    rate: float
    low: float
    firmer: float
    least: float
    least_high: float
    most: float
    most_low: float
    n_classes: int
    n_rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """An estimate of changed labels.

    Attributes:
        rate: Share of contradicted labels among the anchors.
        low: Bound that the rate exceeds with 99 % confidence.
        n_anchors: Rows behind the rate.
        chance: Contradictions among anchors if labels were drawn from their frequencies.
        contradicted: Share of contradicted labels among all rows.
        fading: P-value of contradictions becoming rarer as beliefs become firmer, which
            honest doubt does and changed labels do not.
        pairs: ``(n_classes, n_classes)`` rates of believed to given class among anchors.
        pairs_low: Bounds that those exceed with 99.9 % confidence.
        peak: What the very firmest rows say.
    """

    rate: float
    low: float
    n_anchors: int
    chance: float
    contradicted: float
    fading: float
    pairs: Any
    pairs_low: Any
    peak: Peak

    @property
    def doubt(self) -> float:
        """Share of rows that even honest labels would contradict."""
        return max(0.0, (self.contradicted - self.rate) / max(1 - 2 * self.rate, 0.1))


def estimate_changes(belief: Any, labels: Codes) -> Changes:
    """Compare labels and beliefs among the anchors of each believed class."""
    believed = belief.argmax(axis=1)
    ordered = np.sort(belief, axis=1)
    firmness = ordered[:, -1] - (ordered[:, -2] if belief.shape[1] > 1 else 0)
    wrong = believed != labels
    anchors = _firmest(believed, firmness, _ANCHORS)
    hits = int(wrong[anchors].sum())
    share = np.bincount(labels, minlength=belief.shape[1]) / labels.size
    pairs, pairs_low = _pairs(believed, labels, _firmest(believed, firmness, _PAIR_ANCHORS))
    return Changes(
        rate=hits / anchors.size,
        low=clopper_pearson(hits, anchors.size, confidence=_CONFIDENCE).low,
        n_anchors=anchors.size,
        chance=float((1 - share[believed[anchors]]).mean()),
        contradicted=float(wrong.mean()),
        fading=_fading(wrong, believed, firmness),
        pairs=pairs,
        pairs_low=pairs_low,
        peak=_peak(wrong, believed, firmness),
    )


def _peak(wrong: Any, believed: Codes, firmness: Any) -> Peak:
    parts = []
    for code in np.unique(believed):
        own = np.flatnonzero(believed == code)
        order = own[np.argsort(-firmness[own], kind="stable")]
        parts.append(wrong[order[: int(_PEAK * own.size)]])
    counted = [part for part in parts if part.size >= _PEAK_ROWS]
    if not counted:
        return Peak(
            rate=0.0,
            low=0.0,
            firmer=0.0,
            least=0.0,
            least_high=1.0,
            most=0.0,
            most_low=0.0,
            n_classes=0,
            n_rows=0,
        )
    rates = [float(part.mean()) for part in counted]
    bounds = [
        clopper_pearson(int(part.sum()), part.size, confidence=_CONFIDENCE) for part in counted
    ]
    every = np.concatenate(counted)
    return Peak(
        rate=float(every.mean()),
        low=clopper_pearson(int(every.sum()), every.size, confidence=_CONFIDENCE).low,
        firmer=float(np.concatenate([part[: part.size // 2] for part in counted]).mean()),
        least=min(rates),
        least_high=min(bound.high for bound in bounds),
        most=max(rates),
        most_low=max(bound.low for bound in bounds),
        n_classes=len(counted),
        n_rows=int(every.size),
    )


def _firmest(believed: Codes, firmness: Any, share: float) -> Codes:
    """Row numbers of the firmest ``share`` of each believed class."""
    parts = []
    for code in np.unique(believed):
        own = np.flatnonzero(believed == code)
        order = own[np.argsort(-firmness[own], kind="stable")]
        parts.append(order[: max(1, int(share * own.size))])
    return np.concatenate(parts)


def _fading(wrong: Any, believed: Codes, firmness: Any) -> float:
    """Firmness counts by rank inside the class: changed labels make a whole class less firm."""
    from hauberk.methods.statistics import rank_sum_p

    place = np.zeros(wrong.size)
    for code in np.unique(believed):
        own = np.flatnonzero(believed == code)
        place[own[np.argsort(-firmness[own], kind="stable")]] = np.arange(own.size) / own.size
    anchors = place < 2 * _ANCHORS
    return rank_sum_p(place[anchors & ~wrong], place[anchors & wrong])


def _pairs(believed: Codes, labels: Codes, anchors: Codes) -> tuple[Any, Any]:
    n = int(max(believed.max(), labels.max())) + 1
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (believed[anchors], labels[anchors]), 1)
    totals = counts.sum(axis=1, keepdims=True)
    low = np.zeros((n, n))
    for origin, given in zip(*np.nonzero(counts), strict=True):
        hits, total = int(counts[origin, given]), int(totals[origin, 0])
        low[origin, given] = clopper_pearson(hits, total, confidence=_PAIR_CONFIDENCE).low
    np.fill_diagonal(low, 0.0)
    return counts / np.maximum(totals, 1), low


def share_of_changes(belief: Any, labels: Codes) -> float:
    """The share of labels drawn at random under which all labels are likeliest."""
    own = belief[np.arange(labels.size), labels]
    chance = 1 / belief.shape[1]
    share = _FIRST_SHARE
    for _ in range(_ROUNDS):
        drawn = share * chance
        share = float((drawn / (drawn + (1 - share) * own + 1e-300)).mean())
    return min(max(share, _LEAST_SHARE), _MOST_SHARE)


def sharpened(belief: Any, labels: Codes, rate: float) -> Any:
    """Beliefs at the temperature under which the labels, some changed, are likeliest.

    Averaged models are less sure than they should be; the share of changed labels keeps
    the fit from believing that the beliefs are wrong.
    """
    n, n_classes = belief.shape
    other = rate / max(n_classes - 1, 1)
    logs = np.log(np.maximum(belief, _TINY))

    def likelihood(heated: Any) -> float:
        own = heated[np.arange(n), labels]
        return float(np.log(own * (1 - rate - other) + other + 1e-9).sum())

    return max((_heated(logs, t) for t in _TEMPERATURES), key=likelihood)


def _heated(logs: Any, temperature: float) -> Any:
    powers = np.exp((logs - logs.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def chance_of_change(belief: Any, labels: Codes, rates: Any) -> Any:
    """Probability that each label is not the row's own, given the rates of each pair.

    Args:
        rates: ``(n_classes, n_classes)``: share of rows of the first class that carry the
            second as their label; the diagonal is ignored.
    """
    rows = np.arange(labels.size)
    moved = rates.copy()
    np.fill_diagonal(moved, 0.0)
    kept = 1 - moved.sum(axis=1)
    changed = (belief * moved[:, labels].T).sum(axis=1)
    honest = belief[rows, labels] * kept[labels]
    return changed / np.maximum(changed + honest, 1e-12)
