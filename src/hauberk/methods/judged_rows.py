"""The rows of an evaluation as the numbers that a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset, Evaluation
from hauberk.formats.tables import features_of
from hauberk.methods.network_reading import width_of
from hauberk.methods.networks import Network
from hauberk.methods.scoring import class_name


def matrix(subject: Evaluation, network: Network) -> tuple[Any, Any] | None:
    """Rows ``(n, d)`` and the places of their classes; ``None`` where they do not fit.

    Rows of classes that the network does not have, and rows with gaps, are left out.
    """
    if subject.data.label is None:
        return None
    names = [column.name for column in features_of(subject.data)]
    place = {name: index for index, name in enumerate(subject.predictor.classes)}
    blocks: list[Any] = []
    labels: list[int] = []
    for batch in subject.data.read():
        columns = [_numbers(batch.column(name)) for name in names]
        if any(column is None for column in columns):
            return None
        blocks.append(np.hstack(columns))
        truth = batch.column(subject.data.label).to_pylist()
        labels.extend(place.get(class_name(value), -1) for value in truth)
    rows, known = np.concatenate(blocks), np.array(labels, np.int64)
    if rows.shape[1] != width_of(network):
        return None
    kept = (known >= 0) & np.isfinite(rows).all(axis=1)
    return rows[kept], known[kept]


def plain(data: Dataset) -> tuple[list[str], Any] | None:
    """Names of the features and all rows as numbers ``(n, d)``; ``None`` where some are none."""
    names = [column.name for column in features_of(data)]
    blocks: list[Any] = []
    for batch in data.read():
        columns = [_numbers(batch.column(name)) for name in names]
        if any(column is None or column.shape[1] != 1 for column in columns):
            return None
        blocks.append(np.hstack(columns))
    return (names, np.concatenate(blocks)) if blocks and names else None


def batch_of(names: Sequence[str], rows: Any) -> Any:
    """Rows of numbers as a batch, for a predictor."""
    import pyarrow as pa

    return pa.record_batch({name: rows[:, at] for at, name in enumerate(names)})


def _numbers(cells: Any) -> Any:
    """A column as ``(n, k)`` numbers; ``None`` where it holds none."""
    import pyarrow as pa

    if isinstance(cells.type, pa.FixedShapeTensorType):
        return cells.to_numpy_ndarray().reshape(len(cells), -1).astype(np.float64)
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        return None
    values = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64)[:, None]
