"""How far rows may move before a model can be wrong at all: proven lower bounds, no search.

A single tree is a set of boxes, so the nearest box of another class is the exact distance. A
linear model changes its mind on planes, whose distance is exact too. Any other model can be asked
many times with noise on its input: what a vote of noisy answers says then holds within a radius
that is proven at a chosen confidence, for the vote and not for the model itself.

References:
    Cohen, Rosenfeld and Kolter (2019), Certified adversarial robustness via randomized smoothing,
    theorem 1 and algorithm CERTIFY. Kantchelian, Tygar and Joseph (2016), Evasion and hardening of
    tree ensemble classifiers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError
from hauberk.methods.statistics import clopper_pearson

_ROUNDING = 1e-6
"""Trees compare in single precision; a bound is cut by what that rounds."""


def exact_radii(model: Any, rows: Any, labels: Any, scale: Any, norm: str) -> Any:
    """Distance of each row to the nearest place where the model says another class, ``(n,)``.

    A row that is wrong already has 0.

    Args:
        model: A fitted decision tree or linear model of scikit-learn.
        rows: ``(n, d)``.
        labels: ``(n,)`` places of the true classes.
        scale: ``(d,)`` unit of each feature; one of 0 does not move.
        norm: ``linf`` or ``l2``.

    Raises:
        UnavailableError: The model is neither.
    """
    if hasattr(model, "steps"):
        rows, scale = _scaled(model, rows, scale)
        model = model.steps[-1][1]
    kind = type(model).__name__
    if hasattr(model, "tree_") and kind in ("DecisionTreeClassifier", "ExtraTreeClassifier"):
        return _of_tree(model.tree_, rows, labels, scale, norm)
    if hasattr(model, "coef_") and hasattr(model, "classes_") and kind in _LINEAR:
        return _of_planes(model, rows, labels, scale, norm)
    raise UnavailableError(
        "only single trees and linear models have exact bounds",
        expected=f"DecisionTreeClassifier, {', '.join(_LINEAR)}",
        found=kind,
    )


_LINEAR = ("LogisticRegression", "LinearSVC", "RidgeClassifier", "SGDClassifier", "Perceptron")


def _scaled(model: Any, rows: Any, scale: Any) -> tuple[Any, Any]:
    """Rows and units as they reach the last part of a pipeline of scalers."""
    for _, part in model.steps[:-1]:
        kind = type(part).__name__
        if part == "passthrough":
            continue
        if kind == "StandardScaler":
            scale = scale / part.scale_ if part.with_std else scale
        elif kind == "MinMaxScaler" and not part.clip:
            scale = scale * np.abs(part.scale_)
        else:
            raise UnavailableError("only scalers may stand before the model", found=kind)
        rows = np.asarray(part.transform(rows), np.float64)
    return rows, scale


def _length(moves: Any, norm: str) -> Any:
    return moves.max(axis=-1) if norm == "linf" else np.sqrt((moves**2).sum(axis=-1))


def _of_tree(tree: Any, rows: Any, labels: Any, scale: Any, norm: str) -> Any:
    low, high, answers = _boxes(tree, rows.shape[1])
    unit = np.where(scale > 0, scale, _ROUNDING**2)  # what does not move is infinitely far
    cells = rows.astype(np.float32).astype(np.float64)
    radii = np.zeros(len(rows))
    for place, (row, label) in enumerate(zip(cells, labels, strict=True)):
        other = answers != label
        moves = np.maximum(np.maximum(low[other] - row, row - high[other]), 0) / unit
        far = _length(moves, norm)
        radii[place] = far.min() if far.size else np.inf
    inside = (cells[:, None] > low[None]) & (cells[:, None] <= high[None])
    found = answers[inside.all(axis=2).argmax(axis=1)]
    return np.where(found == labels, np.maximum(radii - _ROUNDING, 0), 0.0)


def _boxes(tree: Any, width: int) -> tuple[Any, Any, Any]:
    """Lower ends (open), upper ends and class of every leaf."""
    lows, highs, answers = [], [], []
    stack = [(0, np.full(width, -np.inf), np.full(width, np.inf))]
    while stack:
        node, low, high = stack.pop()
        if tree.children_left[node] < 0:
            lows.append(low)
            highs.append(high)
            answers.append(int(tree.value[node][0].argmax()))
            continue
        feature, cut = tree.feature[node], tree.threshold[node]
        below, above = high.copy(), low.copy()
        below[feature], above[feature] = min(high[feature], cut), max(low[feature], cut)
        stack += [(tree.children_left[node], low, below), (tree.children_right[node], above, high)]
    return np.array(lows), np.array(highs), np.array(answers)


def _of_planes(model: Any, rows: Any, labels: Any, scale: Any, norm: str) -> Any:
    weights, shifts = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    if len(weights) == 1:  # two classes have one plane
        weights, shifts = np.vstack([-weights, weights]) / 2, np.array([-shifts[0], shifts[0]]) / 2
    scores = rows @ weights.T + shifts
    n_classes = len(weights)
    radii = np.full(len(rows), np.inf)
    for other in range(n_classes):
        apart = (weights[labels] - weights[other]) * scale
        slope = np.abs(apart).sum(axis=1) if norm == "linf" else np.linalg.norm(apart, axis=1)
        margin = scores[np.arange(len(rows)), labels] - scores[:, other]
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.where(slope > 0, margin / slope, np.where(margin > 0, np.inf, 0.0))
        radii = np.where(labels == other, radii, np.minimum(radii, far))
    return np.maximum(radii - _ROUNDING, 0.0)


def smoothed_radii(
    ask: Callable[[Any], Any],
    rows: Any,
    labels: Any,
    rng: np.random.Generator,
    *,
    sigma: Any,
    unit: float,
    n_draws: int,
    alpha: float = 0.05,
) -> Any:
    """Radius in L2 within which a vote of noisy answers gives each row its class, ``(n,)``.

    Args:
        ask: Rows to scores.
        sigma: ``(d,)`` standard deviation of the noise on each feature.
        unit: The same in units of the features' scale, in which the radius is given.
        n_draws: Noisy answers for each row; the proof gets longer with more.
        alpha: Chance that the bound of a row does not hold.
    """
    from scipy.stats import norm

    radii = np.zeros(len(rows))
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        hits = 0
        for first in range(0, n_draws, 1000):
            n = min(1000, n_draws - first)
            noise = rng.normal(size=(n, len(row))) * sigma
            hits += int((np.asarray(ask(row + noise)).argmax(axis=1) == label).sum())
        share = clopper_pearson(hits, n_draws, confidence=1 - alpha).low
        if share > 0.5:  # noqa: PLR2004 - a majority
            radii[place] = unit * float(norm.ppf(share))
    return radii
