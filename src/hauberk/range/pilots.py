"""Small models that a victim would train: they prove that an attack on data works.

A pilot is trained on the attacked twin with every control off. What it then gets wrong, or
learns that it should not, is the attack's potency.
"""

from __future__ import annotations

import math
from typing import Any

from hauberk.core.artifact import Dataset
from hauberk.errors import InternalError
from hauberk.formats.tables import features_of


def matrix(dataset: Dataset) -> tuple[Any, Any]:
    """Features ``(n_rows, n_features)``, float64, as they are, and labels ``(n_rows,)``.

    Pictures become one feature per pixel; columns of text are left out.

    Raises:
        InternalError: The data set has no label.
    """
    import numpy as np

    if dataset.label is None:
        raise InternalError("a pilot needs labels", subject=dataset.name)
    names = [column.name for column in features_of(dataset)]
    blocks, labels = [], []
    for batch in dataset.read():
        columns = [_numbers(batch.column(name)) for name in names]
        blocks.append(np.hstack([block for block in columns if block is not None]))
        labels.append(np.asarray(batch.column(dataset.label).to_pylist(), dtype=str))
    return np.vstack(blocks), np.concatenate(labels)


def _numbers(cells: Any) -> Any:
    """A column as ``(n_rows, n)`` numbers; ``None`` where it holds none."""
    import numpy as np
    import pyarrow as pa

    if isinstance(cells.type, pa.FixedShapeTensorType):
        return cells.to_numpy_ndarray().reshape(len(cells), -1).astype("float64")
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        return None
    values = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.nan_to_num(values)[:, None]


def network(features: Any, labels: Any, seed: int) -> Any:
    """A small neural network on scaled features, trained until it fits."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(),
        MLPClassifier((48,), max_iter=60, random_state=seed % 2**32, learning_rate_init=0.01),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fitted enough to be a victim
        return model.fit(features, labels)


def accuracy(model: Any, features: Any, labels: Any) -> float:
    """Share of rows that ``model`` gets right."""
    return float((model.predict(features) == labels).mean())


def nearest(features: Any, labels: Any) -> Any:
    """A one-nearest-neighbour model: it remembers every row, wrong labels included."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(1).fit(features, labels)


def augmented(features: Any, labels: Any) -> tuple[Any, Any]:
    """Square pictures as they are, shifted by a pixel, mirrored and brightened."""
    import numpy as np

    side = math.isqrt(features.shape[1])
    images = features.reshape(-1, side, side)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    views = [padded[:, y : y + side, x : x + side] for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))]
    views += [images, images[:, :, ::-1], np.clip(images * 1.15, 0, 255)]
    return np.vstack([view.reshape(len(images), -1) for view in views]), np.tile(labels, len(views))


def boosted(features: Any, labels: Any, seed: int) -> Any:
    """Boosted trees, as people train them on tables; single values do not escape them."""
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(random_state=seed % 2**32).fit(features, labels)


def convolved(features: Any, n_filters: int = 96) -> Any:
    """Square pictures with what a convolutional layer adds: the best answer to each filter.

    The filters are 3 x 3, random and always the same; pooling over all places makes a pattern
    count wherever it lies.
    """
    import numpy as np
    from numpy.lib.stride_tricks import sliding_window_view

    side = math.isqrt(features.shape[1])
    images = features.reshape(-1, side, side)
    windows = sliding_window_view(images, (3, 3), axis=(1, 2)).reshape(len(images), -1, 9)
    filters = np.random.default_rng(0).normal(0, 1, (9, n_filters))
    return np.hstack([features, (windows @ filters).max(axis=1)])
