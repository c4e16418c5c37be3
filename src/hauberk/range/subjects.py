"""Clean subjects for scenarios, from data that packages carry or that a seed makes.

Each function gives another draw for another seed; one seed always gives the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of


def digits(seed: int, n_rows: int = 1200) -> Dataset:
    """Handwritten digits, 8 x 8 pixels of 0 to 255, label ``digit``: a draw without repeats."""
    images, labels = _digits()
    chosen = _draw(seed, len(labels), n_rows)
    return images_with_labels(f"digits-{seed}", images[chosen], labels[chosen], label="digit")


def tumours(seed: int, n_rows: int = 400) -> Dataset:
    """Measurements of tumours, 30 numbers each, label ``diagnosis``: a draw without repeats."""
    import pyarrow as pa

    names, values, labels = _tumours()
    chosen = _draw(seed, len(labels), n_rows)
    columns = {name: values[chosen, i] for i, name in enumerate(names)}
    batch = pa.record_batch(columns | {"diagnosis": labels[chosen]})
    return table_of(f"tumours-{seed}", [batch], label="diagnosis")


def generated(seed: int, n_rows: int = 400) -> Dataset:
    """Two to five classes of numbers around centres of their own, label ``class``.

    Unlike a draw from a pool, another seed gives data that share nothing with the first.
    """
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng([seed, 7])
    n_classes, n_columns = int(rng.integers(2, 6)), int(rng.integers(4, 16))
    labels = rng.integers(0, n_classes, n_rows)
    centres = rng.normal(0, rng.uniform(1.5, 3.0), (n_classes, n_columns))
    shape = rng.normal(0, 1, (n_columns, n_columns)) / np.sqrt(n_columns)
    values = centres[labels] + rng.normal(0, 1, (n_rows, n_columns)) @ shape
    columns = {f"x{i}": values[:, i] for i in range(n_columns)}
    batch = pa.record_batch(columns | {"class": labels.astype(str)})
    return table_of(f"generated-{seed}", [batch], label="class")


def images_with_labels(name: str, images: Any, labels: Any, *, label: str) -> Dataset:
    """A data set of pictures.

    Args:
        images: ``(n_rows, height, width)``, uint8.
        labels: ``(n_rows,)``, texts.
    """
    import pyarrow as pa

    n_rows, *shape = images.shape
    flat = pa.array(images.reshape(-1))
    kind = pa.fixed_shape_tensor(pa.uint8(), shape)
    storage = pa.FixedSizeListArray.from_arrays(flat, len(flat) // n_rows)
    cells = pa.ExtensionArray.from_storage(kind, storage)
    batch = pa.record_batch([cells, pa.array(labels)], names=["image", label])
    return table_of(name, [batch], label=label)


def _draw(seed: int, n_known: int, n_rows: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).permutation(n_known)[:n_rows]


@cache
def _digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = (loaded.images * (255 / 16)).round().astype("uint8")
    return images, loaded.target.astype(str)


@cache
def _tumours() -> tuple[list[str], Any, Any]:
    from sklearn.datasets import load_breast_cancer

    loaded = load_breast_cancer()
    names = [name.replace(" ", "_") for name in loaded.feature_names]
    return names, loaded.data, loaded.target_names[loaded.target].astype(str)
