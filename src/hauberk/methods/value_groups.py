"""Rows that share something: one value of a column, one day, one word of a text, one stretch.

What a step or a contributor did wrongly is wrong in the rows it made, and these often share a
value: a batch, a day, a site, a reader. Here are the groups that can be asked about; what is
asked is up to the control.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.methods.days import day_numbers
from hauberk.methods.embed import Codes, Rows

MAX_LEVELS = 2_000
"""Values of a column above which it names single rows and no groups."""

MAX_WORDS = 20_000
MAX_TEXT = 20_000
MIN_REPEATS = 0.5
"""Share of a column's cells that must have a value which others have too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Rows that share one value.

    Attributes:
        column: Its name, or what it is.
        value: As a reader would write it.
        rows: Row numbers, increasing.
        is_word: Whether the rows share a word of their text and nothing else.
    """

    column: str
    value: str
    rows: Codes
    is_word: bool = False

    @property
    def told(self) -> str:
        """How a message names the group."""
        return f"the word {self.value}" if self.is_word else f"{self.column} {self.value}"


def groups_of(dataset: Dataset, rows: Rows, *, least: int, most: int) -> Iterator[Group]:
    """Groups of ``least`` to ``most`` rows by categories, repeated numbers, days and words."""
    for codes, (name, texts) in zip(rows.codes.T, rows.levels, strict=True):
        yield from _by_code(name, codes, texts, least, most)
    for cells, name in zip(rows.numbers.T, rows.names, strict=True):
        yield from _by_number(name, cells, least, most)
    for name, codes, texts in _others(dataset):
        yield from _by_code(name, codes, texts, least, most)
    if rows.texts is not None:
        yield from _by_word(rows.texts, least, most)
    for codes, (_, texts) in zip(rows.codes.T, rows.levels, strict=True):
        if sum(" " in text for text in texts) > MIN_REPEATS * len(texts):
            cells = tuple(texts[code] if code >= 0 else "" for code in codes)
            yield from _by_word(cells, least, most)


def without_columns(rows: Rows, columns: Collection[str]) -> Rows:
    """``rows`` as one sees them who does not know ``columns``."""
    numbers = [i for i, name in enumerate(rows.names) if name not in columns]
    codes = [i for i, (name, _) in enumerate(rows.levels) if name not in columns]
    return replace(
        rows,
        numbers=rows.numbers[:, numbers],
        names=tuple(rows.names[i] for i in numbers),
        codes=rows.codes[:, codes],
        levels=tuple(rows.levels[i] for i in codes),
    )


def _by_code(
    name: str, codes: Codes, texts: tuple[str, ...], least: int, most: int
) -> Iterator[Group]:
    known = np.flatnonzero(codes >= 0)
    counts = np.bincount(codes[known], minlength=len(texts))
    if not known.size or (counts > 0).sum() > MAX_LEVELS:
        return
    order = known[np.argsort(codes[known], kind="stable")]
    ends = np.cumsum(counts)
    for code in np.flatnonzero((counts >= least) & (counts <= most)):
        yield Group(
            column=name, value=texts[code], rows=order[ends[code] - counts[code] : ends[code]]
        )


def _by_number(name: str, cells: Any, least: int, most: int) -> Iterator[Group]:
    known = np.isfinite(cells)
    levels, codes, counts = np.unique(cells[known], return_inverse=True, return_counts=True)
    if not known.any() or counts[counts > 1].sum() < MIN_REPEATS * known.sum():
        return
    whole = np.full(cells.size, -1, np.int64)
    whole[known] = codes.reshape(-1)
    yield from _by_code(name, whole, tuple(f"{level:.10g}" for level in levels), least, most)


def _others(dataset: Dataset) -> Iterator[tuple[str, Codes, tuple[str, ...]]]:
    """Columns that models do not learn from: days, contributors and annotators."""
    import pyarrow as pa

    times = [column.name for column in dataset.columns if column.kind is ColumnKind.TIME]
    people = [name for name in (dataset.source, dataset.annotator) if name is not None]
    for name in times + people:
        cells: Any = pa.chunked_array([batch.column(name) for batch in dataset.read()])
        if name in times:
            days = day_numbers(cells)
            known = np.isfinite(days)
            levels, found = np.unique(days[known], return_inverse=True)
            codes = np.full(days.size, -1, np.int64)
            codes[known] = found.reshape(-1)
            texts = tuple(str(np.datetime64(int(level), "D")) for level in levels)
        else:
            told = np.array([str(cell) for cell in cells.to_pylist()], dtype=object)
            names, codes = np.unique(told, return_inverse=True)
            texts = tuple(names.tolist())
        yield name, codes.reshape(-1).astype(np.int64), texts


def _by_word(texts: tuple[str, ...], least: int, most: int) -> Iterator[Group]:
    owners: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for word in set(re.findall(r"[^\W_]+(?:[-'.@_][^\W_]+)*", text.lower()[:MAX_TEXT])):
            owners.setdefault(word, []).append(row)
    shared = sorted((word, found) for word, found in owners.items() if least <= len(found) <= most)
    for word, found in shared[:MAX_WORDS]:
        yield Group(column="text", value=word, rows=np.array(found, np.int64), is_word=True)
