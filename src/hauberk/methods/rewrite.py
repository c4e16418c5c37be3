"""Twins of a data set with some cells or rows changed, in memory.

What attacks and replays of transforms need: the twin keeps names, types, order and roles of
the columns, and only what was asked for differs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from hauberk.core.artifact import Dataset
from hauberk.formats.batches import bounded


def table(dataset: Dataset) -> Any:
    """All rows as one Arrow record batch."""
    import pyarrow as pa

    batches = list(dataset.read())
    whole = pa.Table.from_batches(batches).combine_chunks()
    arrays = [_one_chunk(whole.column(place)) for place in range(whole.num_columns)]
    return pa.RecordBatch.from_arrays(arrays, schema=whole.schema)


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def twin(dataset: Dataset, rows: Any) -> Dataset:
    """``dataset`` with the rows of the record batch ``rows`` in place of its own."""
    batches = tuple(bounded([rows]))
    return dataclasses.replace(dataset, read=lambda: iter(batches), digest=None, path=None)


def with_cells(dataset: Dataset, column: str, places: Sequence[int], values: Any) -> Dataset:
    """A twin with the cells of ``column`` at the row numbers ``places`` replaced.

    Args:
        values: A sequence, or an array of images, as long as ``places``.
    """
    import pyarrow as pa

    rows = table(dataset)
    old = rows.column(column)
    new = _array(values, old.type)
    taken = list(range(len(old)))
    for position, place in enumerate(places):
        taken[place] = len(old) + position
    changed = pa.concat_arrays([old, new]).take(pa.array(taken, pa.int64()))
    position = rows.schema.get_field_index(column)
    return twin(dataset, rows.set_column(position, rows.schema.field(position), changed))


def with_rows(dataset: Dataset, places: Sequence[int], rows: Any) -> Dataset:
    """A twin in which the rows of the batch ``rows`` stand at ``places``."""
    import pyarrow as pa

    old = table(dataset)
    taken = list(range(old.num_rows))
    for position, place in enumerate(places):
        taken[place] = old.num_rows + position
    both = [
        pa.concat_arrays([a, b.cast(a.type) if a.type != b.type else b]).take(pa.array(taken))
        for a, b in zip(old.columns, rows.columns, strict=True)
    ]
    return twin(dataset, pa.RecordBatch.from_arrays(both, schema=old.schema))


def _array(values: Any, kind: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if isinstance(kind, pa.FixedShapeTensorType):
        images = np.ascontiguousarray(values, kind.value_type.to_pandas_dtype())
        return pa.FixedShapeTensorArray.from_numpy_ndarray(images)
    return pa.array([_plain(value) for value in values], kind)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
