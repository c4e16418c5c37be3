"""The cells of a step's input and output side by side, as far as its contract covers them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.core.artifact import (
    ROW_COLUMN,
    ColumnChange,
    ColumnKind,
    Dataset,
    Transformation,
)
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.methods import rewrite

MAX_ROWS = 2_000_000
"""Rows that are held in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairing:
    """Both tables in memory, with the rows that belong together.

    Attributes:
        old: Arrow record batch.
        new: Arrow record batch.
        before: Row number in ``old`` of each row of ``new`` that was drawn.
        after: The row numbers in ``new``, ascending.
    """

    old: Any
    new: Any
    before: Any
    after: Any


def paired(subject: Transformation, max_rows: int) -> Pairing:
    """Rows side by side: by the ids that they carry, else by their place.

    Args:
        max_rows: Rows drawn at random where there are more; which ones follows from all of
            the output, so that nobody can change only those that are not drawn.

    Raises:
        ArtifactError: Rows were dropped or added and carry no ids.
        UnavailableError: There are more than `MAX_ROWS`.
    """
    old, new = _held(subject.old), _held(subject.new)
    before, after = _matched(old, new, subject)
    if after.size > max_rows:
        rng = np.random.default_rng(_seed(new))
        draw = rng.choice(after.size, max_rows, replace=False)
        draw.sort()
        before, after = before[draw], after[draw]
    return Pairing(old=old, new=new, before=before, after=after)


def _seed(rows: Any) -> int:
    return int.from_bytes(hashlib.sha256(rows.serialize()).digest()[:8], "big")


def _held(part: Dataset) -> Any:
    rows = 0
    for batch in part.read():
        rows += batch.num_rows
        if rows > MAX_ROWS:
            raise UnavailableError(
                "the table is too large to be replayed at once",
                subject=part.name,
                expected=f"at most {MAX_ROWS} rows",
                hint="replay it in parts",
            )
    return rewrite.table(part)


def _matched(old: Any, new: Any, subject: Transformation) -> tuple[Any, Any]:
    carried = all(ROW_COLUMN in part.schema.names for part in (old, new))
    if carried:
        place = {key: row for row, key in enumerate(old.column(ROW_COLUMN).to_pylist())}
        keys = new.column(ROW_COLUMN).to_pylist()
        strange = [row for row, key in enumerate(keys) if key not in place]
        if strange:
            raise ArtifactError(
                "a step made rows that it did not take",
                subject=subject.new.name,
                rule="each row carries the id of one row of the input",
                found=f"{len(strange)} rows with other ids, the first at {strange[0]}",
            )
        return np.array([place[key] for key in keys], np.int64), np.arange(len(keys))
    if old.num_rows != new.num_rows:
        raise ArtifactError(
            "a declared step dropped or added rows that cannot be told apart",
            subject=subject.new.name,
            rule="rows keep their number and order, or carry their ids",
            expected=f"{old.num_rows} rows",
            found=f"{new.num_rows} rows",
            hint=f"carry the column {ROW_COLUMN} through the step",
        )
    return np.arange(old.num_rows), np.arange(new.num_rows)


def changes_by_column(subject: Transformation) -> dict[str, list[ColumnChange]]:
    """The declared changes of each column, in their order."""
    found: dict[str, list[ColumnChange]] = {}
    for change in subject.declared:
        found.setdefault(change.column, []).append(change)
    return found


def kinds(part: Dataset) -> dict[str, ColumnKind]:
    """Name to kind of each column but the row ids."""
    return {column.name: column.kind for column in part.columns if column.name != ROW_COLUMN}


def numbers(cells: Any) -> Any:
    """A column of numbers or pictures as an array, NaN where a cell is missing.

    Raises:
        ArtifactError: It holds something else.
    """
    import pyarrow as pa

    if isinstance(cells.type, pa.FixedShapeTensorType):
        return cells.to_numpy_ndarray()
    try:
        plain = cells.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ArtifactError(
            "a transform of numbers is declared for a column of other cells",
            expected="numbers or pictures",
            found=str(cells.type),
        ) from error
    return plain.to_numpy(zero_copy_only=False)


def texts(cells: Any) -> list[str | None]:
    """Canonical texts of any column."""
    from hauberk.formats.rows import cell_texts

    found: list[str | None] = cell_texts(cells).to_pylist()
    return found


def columns_of(part: Dataset, names: set[str]) -> Iterator[tuple[str, Any]]:
    """The columns of the training rows that parameters are fitted on."""
    rows = _held(part)
    for name in sorted(names & set(rows.schema.names)):
        yield name, rows.column(name)
