"""How many rows share what outsiders know of them: k-anonymity and what follows from it.

References:
    Sweeney (2002), k-anonymity: a model for protecting privacy. Machanavajjhala et al.
    (2007), l-diversity. Li, Li and Venkatasubramanian (2007), t-closeness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.core.artifact import ROW_COLUMN, ColumnKind, Dataset
from hauberk.formats.rows import cell_texts

USUAL_GROUP = 5
"""Rows per combination that releases of tables are usually held to."""

MAX_VALUES = 100_000
"""Different values of one column; more is an identifier and no quasi-identifier."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Rows put together by the values of some columns.

    Attributes:
        codes: Group of each row.
        sizes: Rows of each group.
        keys: Values of each group, in the order of the columns.
        diversity: Different values of the confidential column in each group, at least.
        distance: Largest distance between its distribution in a group and in all rows, as
            half the sum of the differences; 0 to 1.
    """

    columns: tuple[str, ...]
    codes: Any
    sizes: Any
    keys: tuple[tuple[str, ...], ...]
    diversity: Any
    distance: float

    @property
    def smallest(self) -> int:
        """Rows of the smallest group; the k of k-anonymity."""
        return int(self.sizes.min()) if self.sizes.size else 0

    def rows_below(self, k: int) -> Any:
        """Numbers of the rows in groups of fewer than ``k``."""
        return np.flatnonzero(self.sizes[self.codes] < k)

    def by_key(self) -> Mapping[tuple[str, ...], int]:
        """Values to rows of the group."""
        return dict(zip(self.keys, self.sizes.tolist(), strict=True))


def groups(
    dataset: Dataset, columns: Sequence[str], *, confidential: str | None = None
) -> Groups | None:
    """The groups of ``dataset`` by ``columns``, or ``None`` where a column names every row."""
    read = _columns(dataset, [*columns, *([confidential] if confidential else [])])
    coded = [_coded(read[name]) for name in columns]
    if any(len(values) > MAX_VALUES for _, values in coded):
        return None
    codes, places = _combined([part for part, _ in coded])
    keys = tuple(tuple(values[part[place]] for part, values in coded) for place in places.tolist())
    sizes = np.bincount(codes, minlength=len(keys))
    diversity, distance = _spread(codes, sizes, read.get(confidential) if confidential else None)
    return Groups(
        columns=tuple(columns),
        codes=codes,
        sizes=sizes,
        keys=keys,
        diversity=diversity,
        distance=distance,
    )


def quasi_columns(dataset: Dataset, without: Sequence[str] = ()) -> tuple[str, ...]:
    """Columns that outsiders may know: all that hold categories, numbers or times."""
    roles = {dataset.label, dataset.source, dataset.annotator, ROW_COLUMN, *without}
    known = (ColumnKind.CATEGORY, ColumnKind.NUMBER, ColumnKind.TIME)
    return tuple(c.name for c in dataset.columns if c.kind in known and c.name not in roles)


def _columns(dataset: Dataset, names: Sequence[str]) -> dict[str, list[str]]:
    read: dict[str, list[str]] = {name: [] for name in names}
    for batch in dataset.read():
        for name in read:
            texts = cell_texts(batch.column(name)).to_pylist()
            read[name] += ["" if text is None else str(text) for text in texts]
    return read


def _coded(texts: list[str]) -> tuple[Any, list[str]]:
    places: dict[str, int] = {}
    codes = np.array([places.setdefault(text, len(places)) for text in texts], np.int64)
    return codes, list(places)


def _combined(parts: list[Any]) -> tuple[Any, Any]:
    """One code for each combination, and the first row of each."""
    codes = parts[0]
    for part in parts[1:]:
        width = int(part.max()) + 1 if part.size else 1
        codes = np.unique(codes * width + part, return_inverse=True)[1]
    _, places, codes = np.unique(codes, return_index=True, return_inverse=True)
    return codes, places


def _spread(codes: Any, sizes: Any, confidential: list[str] | None) -> tuple[Any, float]:
    if confidential is None:
        return np.full(sizes.size, 2), 0.0
    values, names = _coded(confidential)
    pairs, counts = np.unique(codes * len(names) + values, return_counts=True)
    owner = pairs // len(names)
    diversity = np.bincount(owner, minlength=sizes.size)
    whole = np.bincount(values, minlength=len(names)) / max(values.size, 1)
    share = whole[pairs % len(names)]
    own = counts / sizes[owner]
    # Half of sum |own - whole|: what a group has too much of, summed.
    excess = np.bincount(owner, np.maximum(own - share, 0), minlength=sizes.size)
    large = sizes >= 30  # noqa: PLR2004 - smaller groups differ by chance
    return diversity, float(excess[large].max()) if large.any() else 0.0
