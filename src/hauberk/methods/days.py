"""A table with a time column, counted by the day over the bins of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.errors import ArtifactError
from hauberk.methods.seasons import DAY_S
from hauberk.sketches.grid import Grid
from hauberk.sketches.numbers import Int64s

MAX_DAYS = 4_000
"""Days that are counted; a column with more different ones is no time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Days:
    """Counts by the day.

    Attributes:
        days: Days since the epoch, increasing.
        counts: ``(n_days, grid.width)``.
        rows: Rows of each day.
    """

    days: Int64s
    counts: Int64s
    rows: Int64s


def time_column(table: Dataset, name: str = "") -> str | None:
    """The column of times: the one named, or the only one there is."""
    if name:
        return name if any(column.name == name for column in table.columns) else None
    found = [column.name for column in table.columns if column.kind is ColumnKind.TIME]
    return found[0] if len(found) == 1 else None


def days_of(table: Dataset, grid: Grid, time: str) -> Days:
    """Count every row of ``table`` under its day; rows without a time are left out."""
    counts: dict[int, Int64s] = {}
    rows: dict[int, int] = {}
    for batch in table.read():
        days = day_numbers(batch.column(time))
        for day, places in _by_day(days):
            part = grid.count(batch.take(places))  # type: ignore[attr-defined]  # Arrow's
            counts[day] = counts.get(day, 0) + part
            rows[day] = rows.get(day, 0) + int(places.size)
    order = sorted(counts)
    return Days(
        days=np.array(order, np.int64),
        counts=np.array([counts[day] for day in order], np.int64).reshape(len(order), grid.width),
        rows=np.array([rows[day] for day in order], np.int64),
    )


def _by_day(days: Any) -> Iterator[tuple[int, Any]]:
    """Each day with the places of its rows."""
    known = np.flatnonzero(~np.isnan(days))
    order = known[np.argsort(days[known], kind="stable")]
    if not order.size:
        return
    starts = np.flatnonzero(np.diff(days[order], prepend=np.nan) != 0)
    parts = np.split(order, starts[1:])
    for places in parts[:MAX_DAYS]:
        yield int(days[places[0]]), places


def day_numbers(cells: Any) -> Any:
    """Days since the epoch, NaN where there is no time; numbers are seconds."""
    return np.floor(seconds(cells) / DAY_S)


def seconds(cells: Any) -> Any:
    """Seconds since the epoch of a column of times, dates, texts of them, or numbers."""
    import pyarrow as pa

    try:
        return _seconds(cells)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ArtifactError(
            "a column of times cannot be read",
            subject="the column of times",
            rule="times are timestamps, dates, ISO 8601 texts or seconds since the epoch",
            expected="2024-05-01T12:00:00",
            found=str(error)[:80],
        ) from error


def _seconds(cells: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        cells = cells.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
        missing = np.asarray(cells.is_null())
        micros = cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        found = micros.fill_null(0).to_numpy(zero_copy_only=False) / 1e6
        return np.where(missing, np.nan, found)
    return cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
