"""Evidence that adds up over days until chance no longer explains it.

For each watched number there is an e-detector: the Shiryaev-Roberts sum of likelihood ratios
of a shifted mean against none, started anew every day, mixed over sizes and both directions.
If distances have mean zero and variance at most one, the expected time until it first
exceeds ``1 / alpha`` is at least ``1 / alpha`` days, however the days hang together in time.
With many numbers the bound is multiplied by their count, so that ``days`` holds for all.

References:
    Shin, Ramdas and Rinaldo (2023), E-detectors: a nonparametric framework for sequential
    change detection, definition 2.2 and proposition 2.4. Page (1954) for the CUSUM, which is
    the maximum where this is the sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hauberk.sketches.numbers import Floats, broken

SIZES = (0.5, 1.0, 2.0)
"""Shifts of the mean, in units of scatter, that the mixture looks for."""

DAYS = 10_000.0
"""Expected honest days until the first false alarm of all numbers together."""


@dataclass(slots=True, eq=False)
class Detectors:
    """The running sums, as logarithms: ``(2 * sizes, n)``."""

    n: int
    days: float = DAYS
    sums: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        if not self.sums.size:
            self.sums = np.full((2 * len(SIZES), self.n), -np.inf)

    @property
    def threshold(self) -> float:
        """Logarithm of the evidence from which on it is an alarm."""
        return math.log(self.days * max(self.n, 1))

    def update(self, z: Floats) -> Floats:
        """Take in a day's distances; the logarithm of the evidence of each number."""
        steps = np.array([*SIZES, *(-size for size in SIZES)])[:, None]
        self.sums = np.logaddexp(self.sums, 0.0) + steps * z[None, :] - steps**2 / 2
        return self.evidence()

    def evidence(self) -> Floats:
        """Logarithm of the mixture for each number."""
        return np.asarray(np.logaddexp.reduce(self.sums, axis=0) - math.log(2 * len(SIZES)))

    def alarms(self) -> list[int]:
        """Which numbers are beyond the threshold."""
        return np.flatnonzero(self.evidence() >= self.threshold).tolist()

    def restart(self, places: list[int]) -> None:
        """Begin anew for these, once somebody was told."""
        self.sums[:, places] = -np.inf

    def to_json(self) -> Any:
        """Plain numbers."""
        return {"n": self.n, "days": self.days, "sums": np.maximum(self.sums, -1e9).tolist()}

    @classmethod
    def from_json(cls, value: Any) -> Detectors:
        """What `to_json` gave.

        Raises:
            ArtifactError: It is something else.
        """
        try:
            found = cls(
                n=int(value["n"]),
                days=float(value["days"]),
                sums=np.array(value["sums"], np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise broken(f"{type(error).__name__} in running sums") from None
        if found.sums.shape != (2 * len(SIZES), found.n):
            raise broken("running sums of another shape")
        return found
