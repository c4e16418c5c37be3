"""Class probabilities for each row from models that did not see it, in closed form.

Ridge regression onto the classes needs one matrix of products per fold; what a fold's model
would have been is a difference of such matrices. So every row gets a prediction from models
that did not see it for little more than the price of one fit. Radial features around a few
landmarks make the same regression bend (Nystroem). A last softmax over several of them turns
scores into probabilities, and is fitted under the assumption that a share of the labels is
wrong, so that it stays calibrated far down, where changed labels are told from hard rows.

References:
    Williams and Seeger (2001), Using the Nystroem method to speed up kernel machines. Patrini,
    Rozza, Menon, Nock and Qu (2017), Making deep neural networks robust to label noise,
    section 3 (forward correction).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Floats

N_LANDMARKS = 1_000
"""Radial features; the cost grows with the square, accuracy hardly beyond."""

MAX_SOFTMAX_ROWS = 20_000
"""Rows that the last layer, with some hundred weights, is fitted on."""

NOISE = 0.05
"""Share of wrong labels that the last layer reckons with; 0.02 to 0.1 gave the same ranks."""

_STEPS = 60
_DECAY = 1e-3
_SPREAD = 3.0
_CHUNK = 4_000
_TINY = 1e-12


def radial(x: Floats, landmarks: Floats) -> Floats:
    """``(n_rows, n_landmarks + 1)``: closeness to each landmark, and a constant."""
    out = np.ones((len(x), len(landmarks) + 1), np.float32)
    width = _width(x, landmarks)
    for start in range(0, len(x), _CHUNK):
        part = squared_distances(x[start : start + _CHUNK], landmarks)
        np.exp(part / -width, out=out[start : start + _CHUNK, :-1])
    return out


def _width(x: Floats, landmarks: Floats) -> np.float32:
    """The median squared distance to the landmarks."""
    step = max(1, len(x) // 500)
    return np.float32(max(float(np.median(squared_distances(x[::step], landmarks))), _TINY))


def squared_distances(x: Floats, y: Floats) -> Floats:
    """``(len(x), len(y))``, never below 0."""
    products: Floats = x @ y.T
    products *= -2
    products += np.einsum("ij,ij->i", x, x)[:, None]
    products += np.einsum("ij,ij->i", y, y)
    np.maximum(products, 0, out=products)
    return products


def out_of_fold(z: Floats, labels: Codes, n_classes: int, folds: Codes, penalty: float) -> Any:
    """``(n_rows, n_classes)`` scores near 0 and 1, each from rows of the other folds alone."""
    parts = [_products(z, labels, n_classes, np.flatnonzero(folds == f)) for f in _folds(folds)]
    gram, aims = sum(part[0] for part in parts), sum(part[1] for part in parts)
    out = np.empty((len(z), n_classes))
    for fold, (own, aimed) in zip(_folds(folds), parts, strict=True):
        held = folds == fold
        out[held] = z[held] @ _solved(gram - own, aims - aimed, penalty * len(z))
    return out + 1 / n_classes


def trained_elsewhere(z: Floats, labels: Codes, n_classes: int, new: Floats, penalty: float) -> Any:
    """Scores of the rows ``new`` by the rows ``z`` with their labels."""
    gram, aims = _products(z, labels, n_classes, np.arange(len(z)))
    return new @ _solved(gram, aims, penalty * len(z)) + 1 / n_classes


def _folds(folds: Codes) -> range:
    return range(int(folds.max()) + 1)


def _products(z: Floats, labels: Codes, n_classes: int, rows: Codes) -> tuple[Any, Any]:
    chosen = z[rows]
    aims = (np.eye(n_classes)[labels[rows]] - 1 / n_classes).astype(np.float32)
    return (chosen.T @ chosen).astype(np.float64), (chosen.T @ aims).astype(np.float64)


def _solved(gram: Any, aims: Any, penalty: float) -> Floats:
    from scipy.linalg import LinAlgError, lstsq, solve

    gram = gram.copy()
    gram[np.diag_indices(len(gram))] += penalty
    try:
        weights = solve(gram, aims, assume_a="pos")
    except LinAlgError:
        weights = lstsq(gram, aims)[0]
    return np.asarray(weights, np.float32)


def folds_of(labels: Codes, n_folds: int, rng: np.random.Generator) -> Codes:
    """A fold for each row; each class is spread evenly over them."""
    order = np.lexsort((rng.random(labels.size), labels))
    folds = np.empty(labels.size, np.int64)
    folds[order] = np.arange(labels.size) % n_folds
    return folds


# The last layer ----------------------------------------------------------------------


class Softmax:
    """Logarithms of class probabilities from scores, fitted to labels of which some are wrong."""

    def __init__(self, scores: Sequence[Any], labels: Codes, n_classes: int) -> None:
        step = -(-labels.size // MAX_SOFTMAX_ROWS)
        inputs = _inputs([part[::step] for part in scores])
        self._weights = _fitted(inputs, labels[::step], n_classes)

    def __call__(self, scores: Sequence[Any]) -> Any:
        """``(n_rows, n_classes)`` natural logarithms."""
        return log_softmax(_inputs(scores) @ self._weights)


def _inputs(scores: Sequence[Any]) -> Any:
    return _SPREAD * np.concatenate([*scores, np.ones((len(scores[0]), 1))], axis=1)


def _fitted(inputs: Any, labels: Codes, n_classes: int) -> Any:
    from scipy.optimize import minimize

    rows, shape = np.arange(labels.size), (inputs.shape[1], n_classes)

    def loss(flat: Any) -> tuple[float, Any]:
        chances = np.exp(log_softmax(inputs @ flat.reshape(shape)))
        own = chances[rows, labels]
        seen = (1 - NOISE) * own + NOISE / n_classes
        pull = -(1 - NOISE) * own / seen
        slope = -pull[:, None] * chances
        slope[rows, labels] += pull
        value = -np.log(seen).mean() + _DECAY * float(flat @ flat) / 2
        return float(value), (inputs.T @ slope / labels.size).ravel() + _DECAY * flat

    start = np.zeros(shape[0] * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return found.x.reshape(shape)


def log_softmax(scores: Any) -> Any:
    """Rows as logarithms of probabilities that sum to 1."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
