"""Small networks in numpy: a victim to serve, a student that copies it, a model that learns.

One hidden layer with rectifiers and a softmax, trained by Adam on soft targets. It is no
tool for users' models; it gives attacks and their worlds networks with gradients, in a
second or two of one processor and without another library.

References:
    Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

_DECAY = (0.9, 0.999)
_TINY = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """``softmax(relu(x w1 + b1) w2 + b2)``, all float32."""

    w1: Any
    b1: Any
    w2: Any
    b2: Any

    def logits(self, x: Any) -> Any:
        """``(n_rows, n_classes)`` before the softmax."""
        return np.maximum(x @ self.w1 + self.b1, 0) @ self.w2 + self.b2

    def scores(self, x: Any) -> Any:
        """``(n_rows, n_classes)`` probabilities."""
        return softmax(self.logits(x))

    def labels(self, x: Any) -> Any:
        """The most likely class of each row."""
        return self.logits(x).argmax(axis=1)

    def gradient(self, x: Any, targets: Any) -> Any:
        """Of the cross-entropy to ``targets`` (soft), with respect to ``x``."""
        hidden = np.maximum(x @ self.w1 + self.b1, 0)
        error = softmax(hidden @ self.w2 + self.b2) - targets
        return ((error @ self.w2.T) * (hidden > 0)) @ self.w1.T


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, with cross-entropy.

    Attributes:
        decay: Weight decay.
    """

    hidden: int = 64
    epochs: int = 8
    batch: int = 100
    rate: float = 3e-3
    decay: float = 1e-4


def softmax(logits: Any) -> Any:
    """Row-wise, without overflow."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def one_hot(labels: Any, n_classes: int) -> Any:
    """``(n_rows, n_classes)`` float32."""
    return np.eye(n_classes, dtype=np.float32)[labels]


def trained(
    x: Any, targets: Any, recipe: Recipe, rng: np.random.Generator, start: Network | None = None
) -> Network:
    """A network that gives ``targets`` for ``x``.

    Args:
        x: ``(n_rows, n_features)`` floats of about unit size.
        targets: ``(n_rows, n_classes)`` probabilities.
        start: Goes on from here instead of from new weights.
    """
    x, targets = np.asarray(x, np.float32), np.asarray(targets, np.float32)
    weights = _fresh(x.shape[1], targets.shape[1], recipe, rng) if start is None else _copied(start)
    state = _Adam(weights=weights, recipe=recipe)
    for _ in range(recipe.epochs):
        order = rng.permutation(len(x))
        for first in range(0, len(x), recipe.batch):
            rows = order[first : first + recipe.batch]
            state.step(_gradients(weights, x[rows], targets[rows]))
    w1, b1, w2, b2 = weights
    return Network(w1=w1, b1=b1, w2=w2, b2=b2)


def _fresh(n_features: int, n_classes: int, recipe: Recipe, rng: np.random.Generator) -> list[Any]:
    shapes = ((n_features, recipe.hidden), (recipe.hidden, n_classes))
    first, last = (
        rng.normal(0, np.sqrt(2 / shape[0]), shape).astype(np.float32) for shape in shapes
    )
    zeros = [np.zeros(shape[1], np.float32) for shape in shapes]
    return [first, zeros[0], last, zeros[1]]


def _copied(network: Network) -> list[Any]:
    return [part.copy() for part in (network.w1, network.b1, network.w2, network.b2)]


def _gradients(weights: list[Any], x: Any, targets: Any) -> list[Any]:
    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    error = (softmax(hidden @ w2 + b2) - targets) / len(x)
    back = (error @ w2.T) * (hidden > 0)
    return [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


@dataclass(slots=True)
class _Adam:
    weights: list[Any]
    recipe: Recipe
    steps: int = 0
    means: list[Any] = field(default_factory=list)
    squares: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.means = [np.zeros_like(part) for part in self.weights]
        self.squares = [np.zeros_like(part) for part in self.weights]

    def step(self, gradients: list[Any]) -> None:
        self.steps += 1
        first, second = _DECAY
        rate = self.recipe.rate * np.sqrt(1 - second**self.steps) / (1 - first**self.steps)
        for place, weight in enumerate(self.weights):
            gradient = gradients[place] + self.recipe.decay * weight
            mean = first * self.means[place] + (1 - first) * gradient
            square = second * self.squares[place] + (1 - second) * gradient * gradient
            self.means[place], self.squares[place] = mean, square
            weight[...] = weight - np.float32(rate) * mean / (np.sqrt(square) + _TINY)
