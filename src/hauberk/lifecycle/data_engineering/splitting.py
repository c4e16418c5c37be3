"""Cut one table into train, validation and test, the same way for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hauberk.core.artifact import SplitReplay, Splits
from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.lifecycle.data_engineering.preparation import SplitTable

Indices = NDArray[np.int64]


def write_parts(
    dataset: Dataset,
    split: SplitTable,
    paths: Mapping[str, str],
    folder: Path,
    *,
    group: str | None = None,
    time: str | None = None,
) -> dict[str, int]:
    """Write the parts below ``folder`` in the formats that their endings name.

    Args:
        group: Column whose values stand in one part only.
        time: Column by which training rows come before validation and test rows.

    Returns:
        Role to number of rows.

    Raises:
        UsageError: A named column is not there or has missing cells, the ways of splitting
            do not go together, or a part would be empty.
    """
    import pyarrow as pa

    from hauberk.formats.tables import write_table

    table = pa.Table.from_batches(list(dataset.read()))
    parts = _parts(table, split, dataset.name, group=group, time=time)
    _refuse_empty({role: parts[role] for role in paths}, table.num_rows, dataset.name)
    for role, path in paths.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_table(table.take(pa.array(parts[role])).combine_chunks().to_batches(), folder / path)
    return {role: len(parts[role]) for role in paths}


def drawn_again(
    dataset: Dataset,
    split: SplitTable,
    parts: Splits,
    *,
    group: str | None = None,
    time: str | None = None,
) -> SplitReplay:
    """The parts that ``split.by`` gives of ``dataset``, beside ``parts`` that a step made of it.

    Raises:
        UsageError: ``split.by`` is unknown, or does not go together with the rest.
    """
    import pyarrow as pa

    from hauberk.formats.tables import table_of

    table = pa.Table.from_batches(list(dataset.read()))
    if split.by == "sklearn":
        rows = _parts_of_sklearn(table, split, dataset.name, by_column=group or time)
    elif split.by == "hauberk":
        rows = _parts(table, split, dataset.name, group=group, time=time)
    else:
        raise UsageError(
            "there is no such way of splitting",
            subject=dataset.name,
            rule="[preparation.split] by",
            expected="sklearn or hauberk",
            found=str(split.by),
        )

    def part(role: str) -> Dataset:
        batches = table.take(pa.array(rows[role])).combine_chunks().to_batches()
        empty = [pa.RecordBatch.from_pylist([], schema=table.schema)]
        return table_of(f"{role} again", batches or empty, label=dataset.label)

    again = Splits(
        train=part("train"),
        test=part("test"),
        validation=part("validation") if parts.validation is not None else None,
    )
    return SplitReplay(parts=parts, again=again, recipe=_recipe(split, group, time))


def _recipe(split: SplitTable, group: str | None, time: str | None) -> str:
    told = {"stratify": split.stratify, "group": group, "time": time}
    more = "".join(f", {key} {value}" for key, value in told.items() if value)
    shares = f"test {split.test:g}, validation {split.validation:g}"
    return f"{split.by}, {shares}, seed {split.seed}{more}"


def _parts_of_sklearn(
    table: Any, split: SplitTable, name: str, *, by_column: str | None
) -> dict[str, Indices]:
    """As ``train_test_split`` draws them: first the test, then the validation of what is left."""
    from sklearn.model_selection import train_test_split

    if by_column is not None:
        raise UsageError(
            "train_test_split knows no groups and no time",
            subject=name,
            expected="stratify alone",
            found=by_column,
            hint="leave [preparation.split] by out: the split is judged, and not done again",
        )
    strata = None
    if split.stratify is not None:  # as they are: the order of the classes decides what is drawn
        strata = np.array(_column(table, split.stratify, name).to_pylist())
    train, test = np.arange(table.num_rows), np.arange(0)
    validation = test
    try:
        train, test = train_test_split(
            train, test_size=split.test, random_state=split.seed, stratify=strata
        )
        if split.validation:
            train, validation = train_test_split(
                train,
                test_size=split.validation / (1 - split.test),
                random_state=split.seed,
                stratify=None if strata is None else strata[train],
            )
    except ValueError as error:
        raise UsageError(
            "train_test_split cannot split so", subject=name, found=str(error)[:200]
        ) from error
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def _parts(
    table: Any, split: SplitTable, name: str, *, group: str | None, time: str | None
) -> dict[str, Indices]:
    if time is not None:
        if group is not None or split.stratify is not None:
            raise UsageError(
                "a split by time is neither by group nor stratified",
                subject=name,
                expected="time alone",
                found=", ".join(filter(None, (group, split.stratify))),
                hint="write a split step of your own: [preparation] run = ...",
            )
        return parts_by_time(_ordered(table, time, name), split)
    strata = _strata(table, split.stratify, name)
    if group is None:
        return parts_of(strata, split)
    return parts_by_group(_complete(table, group, name), strata, split)


def parts_by_group(groups: Indices, strata: Indices, split: SplitTable) -> dict[str, Indices]:
    """Whole groups per role; each stratum's groups are cut by the same shares of rows.

    A group belongs to the stratum that most of its rows have.

    Args:
        groups: Number of the group of each row, ``(n_rows,)``, from 0.
    """
    counts = np.zeros((int(groups.max()) + 1, int(strata.max() - strata.min()) + 1), np.int64)
    np.add.at(counts, (groups, strata - strata.min()), 1)
    home, sizes = counts.argmax(axis=1), counts.sum(axis=1)
    rng = np.random.default_rng(split.seed)
    role_of = np.zeros(len(sizes), np.int64)
    for stratum in np.unique(home):
        own = rng.permutation(np.flatnonzero(home == stratum))
        # A group goes where its middle row lies among the rows of its stratum.
        middle = (np.cumsum(sizes[own]) - sizes[own] / 2) / max(int(sizes[own].sum()), 1)
        role_of[own] = np.where(
            middle < split.test, 2, np.where(middle < split.test + split.validation, 1, 0)
        )
    return {
        role: np.flatnonzero(role_of[groups] == place)
        for place, role in enumerate(("train", "validation", "test"))
    }


def parts_by_time(ranks: Indices, split: SplitTable) -> dict[str, Indices]:
    """The newest rows as test, those before them as validation; equal times stay together.

    Args:
        ranks: Rank of each row's time, ``(n_rows,)``; equal times have equal ranks.
    """
    order = np.sort(ranks)
    n_test, n_both = (
        round(len(ranks) * share) for share in (split.test, split.test + split.validation)
    )
    test_from = order[len(order) - n_test] if n_test else order[-1] + 1
    validation_from = order[len(order) - n_both] if n_both else test_from
    return {
        "train": np.flatnonzero(ranks < min(validation_from, test_from)),
        "validation": np.flatnonzero((ranks >= validation_from) & (ranks < test_from)),
        "test": np.flatnonzero(ranks >= test_from),
    }


def _column(table: Any, column: str, name: str) -> Any:
    cells = table.column(column).combine_chunks() if column in table.column_names else None
    if cells is None or cells.null_count:
        raise UsageError(
            "the column to split by is not complete",
            subject=name,
            expected=f"a value of {column} in every row",
            found="no such column" if cells is None else f"{cells.null_count} missing cells",
            hint="fill them in, or leave these rows out before the split",
        )
    return cells


def _complete(table: Any, column: str, name: str) -> Indices:
    codes = _column(table, column, name).dictionary_encode().indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)


def _ordered(table: Any, column: str, name: str) -> Indices:
    values = _column(table, column, name).to_numpy(zero_copy_only=False)
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


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
