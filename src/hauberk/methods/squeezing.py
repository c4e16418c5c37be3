"""Feature squeezing: fewer levels of each feature, so that small moves are lost in rounding.

Gradients of a squeezed network are taken as if rounding were not there, which is what an attacker
who knows of it does.

References:
    Xu, Evans and Qi (2018), Feature squeezing: detecting adversarial examples in deep neural
    networks. Athalye, Carlini and Wagner (2018), Obfuscated gradients give a false sense of
    security, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hauberk.methods.networks import Array, Network

Squeeze = Callable[[Array], Array]


def squeezer(rows: Array, levels: int) -> Squeeze:
    """Rounds each feature to so many levels between its smallest and largest value in ``rows``.

    >>> squeezer(np.array([[0.0], [1.0]]), 3)(np.array([[0.2], [0.3], [7.0]])).ravel().tolist()
    [0.0, 0.5, 1.0]
    """
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    span = np.where(high > low, high - low, 1.0)
    steps = max(levels - 1, 1)

    def squeeze(values: Array) -> Array:
        share = np.clip((values - low) / span, 0.0, 1.0)
        return low + np.round(share * steps) / steps * span

    return squeeze


@dataclass(frozen=True, slots=True, kw_only=True)
class SqueezedNetwork(Network):
    """A network behind a squeeze."""

    inner: Network
    squeeze: Squeeze

    def scores(self, rows: Array) -> Array:
        """Scores of the squeezed rows."""
        return self.inner.scores(self.squeeze(rows))

    def gradient(self, rows: Array, pull: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Scores, and gradients at the squeezed rows."""
        return self.inner.gradient(self.squeeze(rows), pull)


def squeezed(network: Network, squeeze: Squeeze) -> SqueezedNetwork:
    """``network`` behind ``squeeze``, without steps of its own."""
    return SqueezedNetwork(
        steps=(),
        constants={},
        source="",
        result="",
        is_probability=network.is_probability,
        shape=network.shape,
        inner=network,
        squeeze=squeeze,
    )
