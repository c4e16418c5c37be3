"""Read a client's rows off its update: see `InvertGradients`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.methods.federated import candidates, dense_layers, similarity


class Client(Protocol):
    """A client that answers a model with the update of one batch."""

    @property
    def rows(self) -> Any:
        """The batch, ``(n_rows, n)`` from 0 to 1: what the attacker is after."""
        ...

    def update(self, weights: Any, biases: Any) -> Mapping[str, Any]:
        """The update for a model whose first layer is the server's to choose."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertGradients(Play[Client]):
    """Send a model whose first layer is woken by few rows each, and divide the gradients.

    The server chooses weights at random and biases so that a neuron answers to about one row
    of a batch. Quotients that several neurons agree on are rows; without any, those of the
    loudest neurons are guessed.

    Args:
        neurons: Width of the first layer.

    References:
        Boenisch et al. (2023), When the curious abandon honesty: federated learning is not
        private (trap weights). Zhu, Liu and Han (2019), Deep leakage from gradients.
    """

    title: ClassVar[str] = "Invert gradients"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-6"),)
    subject: ClassVar[type] = Client

    neurons: int = 400

    def play(self, target: Client, rng: Random) -> Transcript:
        """Ask for one update; it succeeds when the first row of the batch is read off it."""
        import numpy as np

        draws = np.random.default_rng(rng.getrandbits(64))
        n_rows, size = np.shape(target.rows)
        weights = draws.normal(0, 1, (self.neurons, size)) / size
        usual = draws.uniform(0, 1, (200, size)) @ weights.T
        biases = -np.quantile(usual, 1 - 1 / max(n_rows, 2), axis=0)
        update = target.update(weights, biases)
        guesses = [
            guess
            for gradient, bias in dense_layers(update)
            if gradient.shape[1] == size
            for guess in candidates(gradient, bias, 2 * n_rows + 8)
        ]
        best = [max((similarity(row, g) for g in guesses), default=-1.0) for row in target.rows]
        return Transcript(
            succeeded=best[0] > 0.5,  # noqa: PLR2004 - the catalogue's similarity
            queries=1,
            facts={"read": sum(value > 0.5 for value in best), "rows": n_rows},  # noqa: PLR2004
        )
