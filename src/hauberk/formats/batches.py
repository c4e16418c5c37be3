"""Record batches of bounded size, and what their columns hold.

Every table format hands its batches through `bounded`, so that whoever reads a data set
never holds more than `MAX_BATCH_BYTES` of it at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hauberk.core.artifact import Batch, Column, ColumnKind
from hauberk.errors import ArtifactError

MAX_BATCH_ROWS = 65_536
"""Enough to make the cost per batch vanish, few enough for row-wise work to stay in cache."""

MAX_BATCH_BYTES = 32 << 20
"""Ten of these fit into any machine that trains models."""

MAX_COLUMNS = 16_384
"""Above any table that people train on; each column costs a sketch and a decoder."""

MAX_NAME_BYTES = 1_024
"""Column names appear in messages, reports and keys."""

TEXT_CHARACTERS = 40
"""A string column whose mean length exceeds this holds text rather than categories."""

SAMPLE_ROWS = 1_000
"""Rows looked at to tell text from categories."""


def bounded(batches: Iterable[Any]) -> Iterator[Batch]:
    """Cut ``batches`` so that each holds few rows and few bytes, and drop empty ones."""
    for batch in batches:
        step = rows_per_batch(batch.nbytes // max(batch.num_rows, 1))
        for start in range(0, batch.num_rows, step):
            yield batch.slice(start, step)


def rows_per_batch(row_bytes: int) -> int:
    """Rows of about ``row_bytes`` bytes that fit into one batch, at least 1."""
    return max(1, min(MAX_BATCH_ROWS, MAX_BATCH_BYTES // max(row_bytes, 1)))


def check_names(names: Iterable[str], subject: str) -> tuple[str, ...]:
    """The column names with blanks filled in by position.

    Raises:
        ArtifactError: There are none, too many, too long ones or the same name twice.
    """
    filled = tuple(name or f"column_{position}" for position, name in enumerate(names))
    if not 0 < len(filled) <= MAX_COLUMNS:
        raise ArtifactError(
            "The table has an impossible number of columns",
            subject=subject,
            rule="a table has between 1 and MAX_COLUMNS columns",
            expected=f"1 to {MAX_COLUMNS}",
            found=str(len(filled)),
            hint="Store wide numeric data as an npz array instead of one column per value.",
        )
    _check_long(filled, subject)
    _check_twice(filled, subject)
    return filled


def _check_long(names: tuple[str, ...], subject: str) -> None:
    for position, name in enumerate(names):
        if len(name.encode(errors="replace")) > MAX_NAME_BYTES:
            raise ArtifactError(
                f"The name of column {position} is too long",
                subject=subject,
                rule="column names are short",
                expected=f"at most {MAX_NAME_BYTES} bytes",
                found=f"{len(name)} characters",
                hint="Is the first row really a header?",
            )


def _check_twice(names: tuple[str, ...], subject: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ArtifactError(
                f"Two columns have the name {name!r}",
                subject=subject,
                rule="column names are unique",
                expected="each name once",
                found=f"{name!r} more than once",
                hint="Rename one of them: readers disagree on which of the two counts.",
            )
        seen.add(name)


def columns_of(schema: Any, sample: Any = None) -> tuple[Column, ...]:
    """The columns of an Arrow schema; ``sample`` helps to tell text from categories."""
    return tuple(
        _column(field, None if sample is None else sample.column(position))
        for position, field in enumerate(schema)
    )


def _column(field: Any, cells: Any) -> Column:
    shape = tuple(getattr(field.type, "shape", ()) or ())
    if shape:
        kind = ColumnKind.IMAGE if len(shape) > 1 else ColumnKind.OTHER
        return Column(name=field.name, kind=kind, shape=shape)
    return Column(name=field.name, kind=_kind(field.type, cells))


def _kind(kind: Any, cells: Any) -> ColumnKind:
    import pyarrow.types as t

    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return ColumnKind.NUMBER
    if t.is_temporal(kind):
        return ColumnKind.TIME
    if t.is_boolean(kind) or t.is_dictionary(kind):
        return ColumnKind.CATEGORY
    if t.is_string(kind) or t.is_large_string(kind):
        return ColumnKind.TEXT if _is_text(cells) else ColumnKind.CATEGORY
    return ColumnKind.OTHER


def _is_text(cells: Any) -> bool:
    import pyarrow.compute as pc

    if cells is None:
        return False
    length = pc.mean(pc.utf8_length(cells.slice(0, SAMPLE_ROWS))).as_py()
    return length is not None and length > TEXT_CHARACTERS
