"""Who is behind wrong labels: annotators and contributors held against everybody else.

What a row's label should be is believed from two sides: models that did not see the row,
and what others said of the same item. A person's errors are then counted by class pair and
held against the rate of all others, so that a few errors of one kind by one person stand
out though they vanish in the whole. People who make the same rare error, more so on the
same items, stand out together.

References:
    Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates. Raykar and
    Yu (2012), Eliminating spammers and ranking annotators for crowdsourced labeling tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.beliefs import crossed, neighbourhood
from hauberk.methods.embed import Codes, Floats
from hauberk.methods.statistics import binomial_tail, clopper_pearson

N_ROUNDS = 3
"""Rounds between what is true and who is right; more change nothing that matters."""

_SOFT = 1.0
_TINY = 1e-3
_FLOOR = 0.004
"""Least rate that honest people are granted for any single kind of error."""

_OBVIOUS = 1e-4
_MAX_GROUP = 10
_GROUPED = 0.05
"""P-value below which two people who err alike are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Votes:
    """Labels and who gave them.

    Attributes:
        people: Code of who labelled each row.
        items: Code of what was labelled; rows of one item are votes on the same thing.
        gold: Rows whose label is known to be right, as truth values.
    """

    labels: Codes
    people: Codes
    items: Codes
    gold: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crowd:
    """What was found of each person, by code.

    Attributes:
        p_values: Chance that an honest person errs so, corrected for all that was looked at.
        suspicion: Minus the decimal logarithm of the same, below 0 where nothing stands out.
        pairs: For each person the believed and the given class of the strongest excess.
        rates: ``(n_people, n_classes, n_classes)`` excess rates of believed to given class.
        errors: Expected share of wrong labels.
        partner: Code of the person whose errors are most alike beyond chance, or -1.
        chance: For each row the probability that its label is not the believed one.
    """

    p_values: Any
    suspicion: Any
    pairs: Any
    rates: Any
    errors: Any
    partner: Codes
    chance: Any


def judge(x: Floats, votes: Votes, n_classes: int) -> Crowd:
    """Hold everybody against all others.

    Args:
        x: ``(n_rows, n_columns)`` features of each row.
    """
    labels, people, items, gold = votes.labels, votes.people, votes.items, votes.gold
    n_people, n_items = int(people.max()) + 1, int(items.max()) + 1
    first = np.unique(items, return_index=True)[1]
    tally = np.zeros((n_items, n_classes))
    np.add.at(tally, (items, labels), 1 + 1_000 * gold)
    prior = np.log(np.maximum(_believed(x[first], tally.argmax(axis=1), n_classes), _TINY))
    prior += _certain(votes, prior.shape)
    confusion = np.tile(np.eye(n_classes) * 0.9 + 0.1 / n_classes, (n_people, 1, 1))
    without = np.zeros((labels.size, n_classes))
    for _ in range(N_ROUNDS):
        said = np.log(confusion[people, :, labels])
        total = prior + _summed(said, items, n_items)
        without = _normal(total[items] - np.where(gold[:, None], 0.0, said))
        confusion = _confusion(without, labels, people, n_people)
    return _judged(without, votes, n_people)


def _believed(x: Floats, labels: Codes, n_classes: int) -> Any:
    """Class probabilities from a linear model and neighbours, neither of which saw the row."""
    from sklearn.linear_model import LogisticRegression

    linear = crossed(lambda: LogisticRegression(C=0.3, max_iter=100), x, labels, n_classes)
    return (linear + neighbourhood(x, labels, n_classes)) / 2


def _summed(parts: Any, items: Codes, n_items: int) -> Any:
    out = np.zeros((n_items, parts.shape[1]))
    np.add.at(out, items, parts)
    return out


def _certain(votes: Votes, shape: tuple[int, ...]) -> Any:
    """Weight of what is known of the items of gold rows."""
    out = np.zeros(shape)
    np.add.at(out, (votes.items[votes.gold], votes.labels[votes.gold]), 50.0)
    return out


def _normal(logs: Any) -> Any:
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _counts(belief: Any, labels: Codes, people: Codes, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Expected rows of each believed and given class of each person, and of the believed."""
    n_people, n_classes = shape
    counts = np.zeros((n_people, n_classes, n_classes))
    for code in range(n_classes):
        np.add.at(counts[:, code, :], (people, labels), belief[:, code])
    return counts, counts.sum(axis=2)


def _confusion(belief: Any, labels: Codes, people: Codes, n_people: int) -> Any:
    """Each person's rates, drawn towards those of all where the person labelled little."""
    counts, _ = _counts(belief, labels, people, (n_people, belief.shape[1]))
    pooled = counts.sum(axis=0) + _SOFT * np.eye(belief.shape[1]) + _TINY
    pooled /= pooled.sum(axis=1, keepdims=True)
    drawn = counts + 4 * pooled
    return np.maximum(drawn / drawn.sum(axis=2, keepdims=True), _TINY)


def _judged(belief: Any, votes: Votes, n_people: int) -> Crowd:
    labels, people, n_classes = votes.labels, votes.people, belief.shape[1]
    counts, totals = _counts(belief, labels, people, (n_people, n_classes))
    base = _base(counts, totals)
    p_pairs = _pair_p(counts, totals, base)
    p_all = _overall_p(counts, totals, base)
    p_label = _given_p(counts, base, totals)
    # Who errs everywhere errs like everybody: no proof against those who do so once.
    obvious = np.minimum(p_all, p_label * n_classes) < _OBVIOUS
    quiet = np.where(obvious[:, None, None], 1.0, p_pairs)
    alike, partner = _together(quiet, _shared(belief, votes, n_people))
    n_tests = n_classes * (n_classes - 1)
    own = np.minimum(p_pairs.reshape(n_people, -1).min(axis=1) * n_tests, p_all)
    own = np.minimum(own, p_label * n_classes)
    raw = 3 * np.minimum(own, alike)
    p_values = np.minimum(raw, 1.0)
    strongest = p_pairs.reshape(n_people, -1).argmin(axis=1)
    excess = np.maximum(counts / np.maximum(totals, 1)[:, :, None] - base, 0)
    diagonal = np.arange(n_classes)
    excess[:, diagonal, diagonal] = 0
    return Crowd(
        p_values=p_values,
        suspicion=-np.log10(np.maximum(raw, 1e-300)),
        pairs=np.stack(np.unravel_index(strongest, (n_classes, n_classes)), axis=1),
        rates=excess,
        errors=1 - counts[:, diagonal, diagonal].sum(axis=1) / np.maximum(totals.sum(axis=1), 1),
        partner=np.where(alike < own, partner, -1),
        chance=_chance(belief, labels, people, excess, p_values),
    )


def _base(counts: Any, totals: Any) -> Any:
    """What people make of each class, by the middle of all, so that a few bad ones do not count.

    The pooled rate of the people between the quartiles; people with few rows weigh little.
    """
    n_people, n_classes, _ = counts.shape
    rates = counts / np.maximum(totals, 1e-9)[:, :, None]
    order = np.argsort(rates, axis=0, kind="stable")
    kept = order[n_people // 10 : max(n_people - n_people // 4, n_people // 10 + 1)]
    hits = np.take_along_axis(counts, kept, 0).sum(axis=0)
    rows = np.take_along_axis(np.repeat(totals[:, :, None], n_classes, 2), kept, 0).sum(axis=0)
    return np.maximum((hits + 0.5) / (rows + 1), _FLOOR)


def _pair_p(counts: Any, totals: Any, base: Any) -> Any:
    """For each person and pair of classes the chance of so many errors of that kind."""
    n = np.ceil(totals)[:, :, None]
    p = binomial_tail(np.floor(counts + 0.25), n, np.minimum(base, 1.0)[None])
    p = np.where(counts < 1, 1.0, p)
    diagonal = np.arange(counts.shape[1])
    p[:, diagonal, diagonal] = 1.0
    return p


def _overall_p(counts: Any, totals: Any, base: Any) -> Any:
    """Chance of so many errors of any kind, given the classes that the person saw."""
    diagonal = np.arange(counts.shape[1])
    wrong = totals.sum(axis=1) - counts[:, diagonal, diagonal].sum(axis=1)
    rows = totals.sum(axis=1)
    honest = np.median(wrong / np.maximum(rows, 1))
    by_class = (totals * (1 - base[diagonal, diagonal])[None]).sum(axis=1) / np.maximum(rows, 1)
    # People differ in skill: twice the middle rate is still honest.
    rate = np.minimum(2 * np.maximum(np.maximum(honest, by_class), _FLOOR) + 0.01, 0.95)
    return binomial_tail(np.floor(wrong), np.ceil(rows), rate)


def _given_p(counts: Any, base: Any, totals: Any) -> Any:
    """Chance of giving one label so often to rows of other classes, as constant people do."""
    n_classes = counts.shape[1]
    off = ~np.eye(n_classes, dtype=bool)
    given = (counts * off).sum(axis=1)
    expected = np.einsum("pc,cy->py", totals, base * off)
    rows = np.ceil(totals.sum(axis=1))[:, None] - np.floor(
        counts[:, np.arange(n_classes), np.arange(n_classes)]
    )
    rate = np.clip(2 * expected / np.maximum(rows, 1) + _FLOOR, 0, 1)
    p = binomial_tail(np.floor(given), np.maximum(rows, np.floor(given)), rate)
    return np.where(given < 2, 1.0, p).min(axis=1)  # noqa: PLR2004 - one error is none


def _shared(belief: Any, votes: Votes, n_people: int) -> Any:
    """``(n_people, n_people)`` p-values of giving the same wrong label to the same items."""
    labels, people, items = votes.labels, votes.people, votes.items
    wrong = 1 - belief[np.arange(labels.size), labels]
    firm = wrong > 0.9  # noqa: PLR2004 - nine to one
    rate = np.zeros(n_people)
    np.add.at(rate, people, firm)
    rows = np.bincount(people, minlength=n_people)
    both, same = np.zeros((n_people, n_people)), np.zeros((n_people, n_people))
    order = np.argsort(items, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(items[order])) + 1):
        if 1 < part.size <= 100:  # noqa: PLR2004 - a crowd on one item says nothing of pairs
            who = people[part]
            both[np.ix_(who, who)] += 1
            alike = (labels[part][:, None] == labels[part][None]) & firm[part][:, None]
            same[np.ix_(who, who)] += alike & firm[part][None]
    share = rate / np.maximum(rows, 1)
    # Hard items mislead several honest people the same way: three times independence.
    expected = np.minimum(3 * share[:, None] * share[None] + 0.01, 1.0)
    p = binomial_tail(same, np.maximum(both, same), expected)
    p = np.where(same < 3, 1.0, p)  # noqa: PLR2004 - twice may be chance
    np.fill_diagonal(p, 1.0)
    return p


def _together(p_pairs: Any, shared: Any) -> tuple[Any, Codes]:
    """P-value of erring like somebody else, and who that is."""
    n_people = len(p_pairs)
    flat = p_pairs.reshape(n_people, -1)
    partner = shared.argmin(axis=1)
    best = shared.min(axis=1) * max(n_people - 1, 1)
    for kind in np.flatnonzero((flat < _GROUPED).sum(axis=0) > 1):
        order = np.argsort(flat[:, kind], kind="stable")[:_MAX_GROUP]
        order = order[flat[order, kind] < _GROUPED]
        sizes = np.arange(1, order.size + 1)
        # Chance that so many of all people err so much in one of all kinds.
        joint = binomial_tail(sizes, n_people, flat[order, kind]) * flat.shape[1]
        joint[0] = 1.0
        joint = np.minimum.accumulate(joint[::-1])[::-1]
        better = order[joint < best[order]]
        best[order] = np.minimum(best[order], joint)
        partner[better] = np.where(better == order[0], order[1], order[0])
    return best, partner


def _chance(belief: Any, labels: Codes, people: Codes, excess: Any, p_values: Any) -> Any:
    """Probability of a change for each row under its person's own excess rates."""
    rows = np.arange(labels.size)
    moved = np.clip(excess, _FLOOR / 2, 0.9) * (1 - p_values)[:, None, None]
    moved = np.maximum(moved, _FLOOR / 2)
    changed = (belief * moved[people, :, labels]).sum(axis=1)
    changed -= belief[rows, labels] * moved[people, labels, labels]
    kept = np.maximum(1 - moved[people].sum(axis=2)[rows, labels], 0.05)
    honest = belief[rows, labels] * kept
    return np.clip(changed / np.maximum(changed + honest, 1e-12), 0, 1)


def error_interval(errors: float, n_rows: int) -> tuple[float, float]:
    """Exact one-sided bounds of a person's share of wrong labels."""
    bounds = clopper_pearson(min(round(errors * n_rows), n_rows), n_rows)
    return bounds.low, bounds.high
