"""A federation on handwritten digits: clients with a two-layer network, in plain numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from hauberk.methods.federated import protected

N_CLASSES = 10
_BATCH = 256


@cache
def pictures() -> tuple[Any, Any]:
    """1,797 digits of 8 x 8 pixels from 0 to 1, and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.data / 16.0, found.target


def softmax(scores: Any) -> Any:
    """Chances ``(n_rows, n_classes)``."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedClient:
    """One client with one batch.

    Attributes:
        rows: ``(n_rows, 64)``.
        noise: Standard deviation of the noise in units of the clip; 0 sends plain gradients.
    """

    rows: Any
    labels: Any
    seed: int
    noise: float = 0.0
    clip: float = 1.0

    def update(self, weights: Any, biases: Any) -> Mapping[str, Any]:
        """The gradient of a network whose first layer the server chose."""
        draws = np.random.default_rng(self.seed)
        second = draws.normal(0, 0.3, (N_CLASSES, len(weights)))
        single = [
            self._gradient(row[None], label, weights, biases, second)
            for row, label in zip(self.rows, self.labels, strict=True)
        ]
        if self.noise:
            return protected(single, clip=self.clip, noise=self.noise, rng=draws)
        return {name: sum(part[name] for part in single) / len(single) for name in single[0]}

    @staticmethod
    def _gradient(row: Any, label: Any, weights: Any, biases: Any, second: Any) -> dict[str, Any]:
        inner = row @ weights.T + biases
        hidden = np.maximum(inner, 0)
        error = softmax(hidden @ second.T)
        error[0, label] -= 1
        back = (error @ second) * (inner > 0)
        return {
            "first.weight": back.T @ row,
            "first.bias": back[0],
            "second.weight": error.T @ hidden,
            "second.bias": error[0],
        }


def client(seed: int, n_rows: int, *, noise: float = 0.0) -> FederatedClient:
    """A client with rows drawn by the seed."""
    data, labels = pictures()
    chosen = np.random.default_rng(seed).choice(len(data), n_rows, replace=False)
    return FederatedClient(rows=data[chosen], labels=labels[chosen], seed=seed, noise=noise)


def trained_accuracy(seed: int, *, noise: float, steps: int = 200, rate: float = 1.0) -> float:
    """Held-out accuracy of a linear classifier trained on such updates."""
    data, labels = pictures()
    draws = np.random.default_rng(seed)
    order = draws.permutation(len(data))
    train, held = order[:1347], order[1347:]
    x = np.hstack([data, np.ones((len(data), 1))])
    weights = np.zeros((N_CLASSES, x.shape[1]))
    for _ in range(steps):
        rows = train[draws.random(len(train)) < _BATCH / len(train)]
        error = softmax(x[rows] @ weights.T)
        error[np.arange(len(rows)), labels[rows]] -= 1
        size = np.sqrt((error**2).sum(axis=1) * (x[rows] ** 2).sum(axis=1))
        scale = np.minimum(1.0, 1.0 / np.maximum(size, 1e-12)) if noise else np.ones(len(rows))
        total = (error * scale[:, None]).T @ x[rows]
        total += draws.normal(0, 1, total.shape) * noise
        weights -= rate * total / _BATCH
    return float(((x[held] @ weights.T).argmax(axis=1) == labels[held]).mean())
