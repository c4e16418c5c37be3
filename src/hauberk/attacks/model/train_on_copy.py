"""Train a model of one's own on a copied set; see `TrainOnCopy`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId

KINDS = ("forest", "linear", "network", "small network")
USEFUL = 0.8
"""Accuracy on rows of the same source from which on the copy was worth taking."""


@dataclass(slots=True)
class Rival:
    """What somebody copied, and what came of it.

    Attributes:
        rows: ``(n, d)`` copied rows.
        labels: ``(n,)`` their classes.
        others: Rows of the same source and their classes, to see whether the model is good.
        model: The fitted model.
    """

    rows: Any
    labels: Any
    others: tuple[Any, Any]
    model: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOnCopy(Play[Rival]):
    """Fit a model of the thief's choice on the copy, as one would on rows of one's own.

    Args:
        kind: One of `KINDS`; empty takes one at random.

    References:
        MITRE ATLAS AML.T0048.004; Maini, Yaghini and Papernot (2021), Dataset inference.
    """

    title: ClassVar[str] = "Train on a copied data set"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-6"),)
    subject: ClassVar[type] = Rival

    kind: str = ""

    def play(self, target: Rival, rng: Random) -> Transcript:
        """Fit, and see whether it was worth it."""
        target.model = self.fitted(target.rows, target.labels, rng)
        score = float(target.model.score(*target.others))
        return Transcript(
            succeeded=score >= USEFUL, queries=0, facts={"accuracy on other rows": score}
        )

    def fitted(self, rows: Any, labels: Any, rng: Random) -> Any:
        """A model of these rows."""
        kind = self.kind or rng.choice(KINDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one that has not converged is a model too
            return _model(kind, rng.getrandbits(31)).fit(rows, labels)


def _model(kind: str, seed: int) -> Any:
    if kind == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(50, random_state=seed, n_jobs=1)
    if kind == "linear":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=300)
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((64,) if kind == "network" else (32,), max_iter=200, random_state=seed)
