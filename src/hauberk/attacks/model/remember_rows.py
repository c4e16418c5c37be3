"""Train a model until it knows its rows by heart; see `RememberRows`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId

BY_HEART = 0.99
"""Share of its rows that a model gets right when it knows them."""


@dataclass(slots=True)
class Pupil:
    """Rows to learn, and what was learnt.

    Attributes:
        rows: ``(n, d)``.
        labels: ``(n,)`` classes.
        model: The fitted model.
    """

    rows: Any
    labels: Any
    model: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberRows(Play[Pupil]):
    """Fit a wide network without any brake, so that its confidence tells who was in the rows.

    Nobody has to mean it: this is what training for too long does. Whoever then asks for a
    record and sees how sure the model is learns whether it was trained on.

    Args:
        width: Hidden units.
        rounds: Passes over the rows.

    References:
        Yeom, Giacomelli, Fredrikson and Jha (2018), Privacy risk in machine learning: analysing
        the connection to overfitting. Shokri and others (2017), Membership inference attacks.
    """

    title: ClassVar[str] = "Train until the rows are known by heart"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-4"),)
    subject: ClassVar[type] = Pupil

    width: int = 128
    rounds: int = 80

    def play(self, target: Pupil, rng: Random) -> Transcript:
        """Fit."""
        target.model = self.fitted(target.rows, target.labels, rng.getrandbits(31))
        score = float(target.model.score(target.rows, target.labels))
        return Transcript(
            succeeded=score > BY_HEART, queries=0, facts={"accuracy on its rows": score}
        )

    def fitted(self, rows: Any, labels: Any, seed: int) -> Any:
        """A network that fits these rows to the last one."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(
            (self.width,),
            max_iter=self.rounds,
            random_state=seed,
            learning_rate_init=0.005,
            alpha=0.0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it knows its rows by then
            return model.fit(rows, labels)
