"""Cut one table into train, validation and test, the same way for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.lifecycle.data_engineering.preparation import SplitTable

Indices = NDArray[np.int64]


def write_parts(
    dataset: Dataset, split: SplitTable, paths: Mapping[str, str], folder: Path
) -> dict[str, int]:
    """Write the parts below ``folder`` in the formats that their endings name.

    Returns:
        Role to number of rows.

    Raises:
        UsageError: The column to stratify by is not there, or a part would be empty.
    """
    import pyarrow as pa

    from hauberk.formats.tables import write_table

    table = pa.Table.from_batches(list(dataset.read()))
    strata = _strata(table, split.stratify, dataset.name)
    parts = parts_of(strata, split)
    _refuse_empty({role: parts[role] for role in paths}, table.num_rows, dataset.name)
    for role, path in paths.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_table(table.take(pa.array(parts[role])).combine_chunks().to_batches(), folder / path)
    return {role: len(parts[role]) for role in paths}


def parts_of(strata: Indices, split: SplitTable) -> dict[str, Indices]:
    """Row numbers per role, ascending; each stratum is cut by the same shares.

    Args:
        strata: Number of the stratum of each row, shape ``(n_rows,)``.
    """
    rng = np.random.default_rng(split.seed)
    parts: dict[str, list[Indices]] = {"train": [], "validation": [], "test": []}
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        n_test = round(len(rows) * split.test)
        n_validation = round(len(rows) * split.validation)
        parts["test"].append(rows[:n_test])
        parts["validation"].append(rows[n_test : n_test + n_validation])
        parts["train"].append(rows[n_test + n_validation :])
    return {role: np.sort(np.concatenate(rows)) for role, rows in parts.items()}


def _strata(table: Any, column: str | None, name: str) -> Indices:
    if column is None:
        return np.zeros(table.num_rows, dtype=np.int64)
    if column not in table.column_names:
        raise UsageError(
            "the column to stratify by is not in the table",
            subject=name,
            expected="one of " + ", ".join(table.column_names[:20]),
            found=column,
        )
    codes = table.column(column).combine_chunks().dictionary_encode().indices
    return np.asarray(codes.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _refuse_empty(parts: Mapping[str, Indices], n_rows: int, name: str) -> None:
    for role, rows in parts.items():
        if len(rows) == 0:
            raise UsageError(
                f"the {role} part would be empty",
                subject=name,
                expected="at least one row in every part",
                found=f"{n_rows} rows to split",
            )
