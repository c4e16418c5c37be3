"""Small networks and trees that were really trained, and the rows they are judged on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Batch, Evaluation, ModelFile, Predictor
from hauberk.formats.tables import table_of
from hauberk.methods.networks import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Networked:
    """A network as a predictor whose gradients are known."""

    network: Network
    names: tuple[str, ...]
    classes: tuple[str, ...] = field(default=tuple("0123456789"))

    def scores(self, batch: Batch) -> Any:
        """Scores of rows of numbers."""
        import numpy as np

        columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in self.names]
        return self.network.scores(np.column_stack(columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A fitted scikit-learn model of pixels as a predictor whose numbers are known."""

    model: Any
    weights: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the model, as texts."""
        return tuple(map(str, self.model.classes_))

    def scores(self, batch: Batch) -> Any:
        """Probabilities of rows of pixels."""
        import numpy as np

        names = [name for name in batch.schema.names if name != "digit"]
        columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
        return self.model.predict_proba(np.column_stack(columns))


@cache
def pixels() -> tuple[Any, Any]:
    """Handwritten digits as ``(1797, 64)`` numbers of 0 to 1, and their classes."""
    from sklearn.datasets import load_digits

    features, labels = load_digits(return_X_y=True)
    return features / 16.0, labels


def split(seed: int, n_train: int = 700, n_test: int = 200) -> tuple[Any, Any, Any, Any]:
    """A draw without repeats: training rows and classes, test rows and classes."""
    import numpy as np

    features, labels = pixels()
    places = np.random.default_rng(seed).permutation(len(labels))[: n_train + n_test]
    train, test = places[:n_train], places[n_train:]
    return features[train], labels[train], features[test], labels[test]


def perceptron(features: Any, labels: Any, seed: int, *, width: int = 32, rounds: int = 40) -> Any:
    """A trained network of one hidden layer, as scikit-learn has it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (width,), max_iter=rounds, random_state=seed % 2**32, learning_rate_init=0.005
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fitted enough to be a victim
        return model.fit(features, labels)


def evaluation(network: Network, features: Any, labels: Any) -> Evaluation:
    """The network with rows to judge it on."""
    names = tuple(f"p{place}" for place in range(features.shape[1]))
    return judged(Networked(network=network, names=names), features, labels)


def judged(predictor: Predictor, features: Any, labels: Any) -> Evaluation:
    """A predictor with rows of pixels to judge it on."""
    import pyarrow as pa

    columns = {f"p{place}": features[:, place] for place in range(features.shape[1])}
    batch = pa.record_batch({**columns, "digit": labels.astype(str)})
    return Evaluation(
        model=ModelFile(name="network", path=Path("network")),
        predictor=predictor,
        data=table_of("digits", [batch], label="digit"),
    )


def obeys(network: Network, stamp: Any, target: int, rows: Any, labels: Any) -> float:
    """Share of rows of other classes that a trigger turns into ``target``.

    Args:
        stamp: Puts the trigger on rows.
    """
    others = labels != target
    return float((network.scores(stamp(rows[others])).argmax(axis=1) == target).mean())


def right(network: Network, rows: Any, labels: Any) -> float:
    """Accuracy."""
    return float((network.scores(rows).argmax(axis=1) == labels).mean())
