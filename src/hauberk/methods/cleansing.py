"""Take a trigger out of a perceptron: prune units that clean rows leave idle, train on.

A backdoor sits in units that clean rows hardly use; without them and after some rounds on clean
rows, every second time with a random spot on each row and with noise, the network no longer follows
a small change of its input. Neither needs to know the trigger.

References:
    Liu, Dolan-Gavitt and Garg (2018), Fine-pruning. Qiu and others (2021), DeepSweep (training on
    with transformed rows).
"""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError
from hauberk.methods.triggers import ranges

SHARE, ROUNDS, NOISE = 0.3, 60, 0.35
_SPOT = 0.45
"""Longest side of a spot, as a share of the picture's side."""

_SETTLED = 5
_FEW = 16


def cleansed(model: Any, rows: Any, labels: Any, seed: int) -> Any:
    """A copy of a fitted `MLPClassifier`, pruned and trained on.

    Args:
        rows: ``(n, d)`` clean rows; square pictures get spots, other rows noise alone.
        labels: ``(n,)`` their classes.

    Raises:
        UnavailableError: The model is no perceptron that can be trained on.
    """
    if type(model).__name__ != "MLPClassifier" or getattr(model, "solver", "") == "lbfgs":
        raise UnavailableError(
            "only perceptrons are pruned", expected="MLPClassifier", found=type(model).__name__
        )
    rng = np.random.default_rng(seed)
    found = copy.deepcopy(model)
    cells = np.asarray(rows, np.float64)
    _prune(found, cells)
    low, high = ranges(cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(_SETTLED + ROUNDS):
            if number < _SETTLED:
                found.partial_fit(cells, labels)
                continue
            spotted = _spotted(cells, low, high, rng)
            found.partial_fit(np.concatenate([cells, spotted]), np.concatenate([labels, labels]))
    return found


def _prune(model: Any, rows: Any) -> None:
    """Silence the units of the first layer that the rows use least."""
    given = rows @ model.coefs_[0] + model.intercepts_[0]
    use = (np.maximum(given, 0) if model.activation == "relu" else np.abs(given)).mean(axis=0)
    for unit in np.argsort(use)[: int(SHARE * len(use))]:
        model.coefs_[0][:, unit] = 0.0
        model.intercepts_[0][unit] = 0.0
        model.coefs_[1][unit] = 0.0


def _spotted(rows: Any, low: Any, high: Any, rng: np.random.Generator) -> Any:
    reach = high - low
    is_picture = not np.ptp(low) and not np.ptp(high)
    out = rows + rng.normal(0, NOISE, rows.shape) * rng.random((len(rows), 1)) * reach
    side = math.isqrt(rows.shape[1])
    if is_picture and side * side == rows.shape[1] >= _FEW:
        pictures = out.reshape(-1, side, side)
        sizes = rng.integers(1, max(2, round(_SPOT * side)), len(rows))
        for picture, size in zip(pictures, sizes, strict=True):
            top, left = rng.integers(0, side - size + 1, 2)
            spot = rng.random((size, size))
            spot = spot if rng.random() < 0.5 else np.round(spot)  # noqa: PLR2004 - every second
            picture[top : top + size, left : left + size] = low[0] + spot * reach[0]
    return np.clip(out, low, high)
