"""Ask a model for the share of a group in its training rows; see `InferShare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.methods.property_inference import SHARES, answers, guesser


@dataclass(slots=True, kw_only=True)
class Released:
    """Served models, and rows of the same kind that the attacker has.

    Attributes:
        rows: ``(n, d)`` of the attacker.
        labels: ``(n,)``.
        group: ``(n,)`` bool: who belongs to the group.
        probes: ``(m, d)`` rows that the attacker asks about.
        train: Rows, labels and a seed to a model: rows to scores.
        served: The models under attack, as their clients reach them.
    """

    rows: Any
    labels: Any
    group: Any
    probes: Any
    train: Callable[[Any, Any, int], Callable[[Any], Any]]
    served: Sequence[Callable[[Any], Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class InferShare(Play[Released]):
    """Train shadows with few and with many rows of the group, and learn how their answers differ.

    Args:
        n_shadows: Models that the attacker trains.
        n_rows: Rows that each is trained on.

    References:
        Ateniese and others (2015), Hacking smart machines with smarter ones. Melis and others
        (2019), Exploiting unintended feature leakage in collaborative learning.
    """

    title: ClassVar[str] = "Infer the share of a group"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-5"),)
    subject: ClassVar[type] = Released

    n_shadows: int = 60
    n_rows: int = 300

    def play(self, target: Released, rng: Random) -> Transcript:
        """Guess for every served model; ``facts["guesses"]`` are larger for the larger share."""
        draws = np.random.default_rng(rng.getrandbits(64))

        def fit(places: Any, seed: int) -> Callable[[Any], Any]:
            model = target.train(target.rows[places], target.labels[places], seed)
            return lambda _: model(target.probes)

        nothing = np.arange(len(target.probes))
        given, is_large = answers(
            fit,
            target.group,
            nothing,
            draws,
            n_shadows=self.n_shadows,
            n_rows=self.n_rows,
            shares=SHARES,
        )
        heard = np.stack([np.asarray(ask(target.probes)).reshape(-1) for ask in target.served])
        guesses = guesser(given, is_large)(heard)
        return Transcript(
            succeeded=True,
            queries=len(target.probes) * len(target.served),
            facts={"guesses": guesses.tolist()},
        )
