"""Rows of a table that a text shows: many of their values near each other, and long passages.

A window of the text matches a cell where one of its numbers rounds from it or its words are
the cell's. How likely a row would be matched in a column by the numbers of the window that
are as precise says how much a match tells; the sum over columns is the evidence in bits, from
which every number between them that the row does not explain takes some. It must
outweigh the number of rows and windows.

Limits:
    Columns are taken as independent; what this overstates is caught by `_ambiguous`, the share
    of training rows that others agree with in the same columns at the same digits. Tables of few
    and coarse columns therefore show nothing. Times and pictures are not compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.errors import ArtifactError
from hauberk.formats.rows import cell_texts
from hauberk.methods.shown_numbers import ShownNumber, shown_numbers

MAX_CELLS = 20_000_000
MAX_WORK = 20_000_000_000
"""Cells times windows."""

SURPLUS_BITS = 17.0
"""Beyond the number of rows and windows: one honest report in 100,000, were columns independent."""

STRAY_BITS = 2.0
"""Against a row for each number amid its values that it does not explain."""

MIN_COLUMNS = 3
MAX_AMBIGUOUS = 0.002
PASSAGE_WORDS = 12
_LONG_WORDS = 6
_AROUND = 8
_FEW = 2
_MAX_BITS = 24
_CHANCE_BITS = 2.0
"""Less for each sign, as among many columns some agree by chance."""

_SUMMARY_BITS = 3.0
"""Most that a column's extreme, quartile or median tells: summaries print it for every column,
and one row may hold several of them."""
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row of the table that the text shows.

    Attributes:
        start: Character of the text at which it begins.
        n_values: Its values that were found there; for a passage its words.
        bits: Evidence; for a passage 0.
    """

    row: int
    start: int
    n_values: int
    bits: float = 0.0


@dataclass(frozen=True, slots=True)
class _Numbers:
    values: Any
    order: Any
    ordered: Any
    n_known: int
    grain: float


@dataclass(frozen=True, slots=True, eq=False)
class _Sign:
    """A place of the text that speaks for some rows in one column."""

    start: int
    reach: float
    bits: float
    rows: Any


@dataclass(frozen=True, slots=True)
class _Words:
    codes: Any
    vocabulary: dict[tuple[str, ...], int]


def shown_rows(text: str, table: Dataset) -> tuple[tuple[ShownRow, ...], bool]:
    """The rows that ``text`` shows, by number; whether there was anything to compare.

    Raises:
        ArtifactError: The table, or the text beside it, is too large to be compared.
    """
    columns, passages, n_rows = _load(table)
    words = [(match.start(), match.group().casefold()) for match in _WORD.finditer(text)]
    found: dict[int, ShownRow] = {item.row: item for item in _passages(words, passages)}
    if columns and n_rows:
        for item in _Search(columns, n_rows, text, words).rows():
            found.setdefault(item.row, item)
    return tuple(found[row] for row in sorted(found)), bool((columns or passages) and n_rows)


def _load(table: Dataset) -> tuple[list[_Numbers | _Words], list[list[Any]], int]:
    import pyarrow as pa

    wanted = (ColumnKind.NUMBER, ColumnKind.CATEGORY, ColumnKind.TEXT)
    chosen = [column for column in table.columns if column.kind in wanted and not column.shape]
    cells: list[list[Any]] = [[] for _ in chosen]
    n_rows = 0
    for batch in table.read():
        n_rows += batch.num_rows
        if n_rows * max(1, len(chosen)) > MAX_CELLS:
            raise _too_much(table.name, f"at most {MAX_CELLS} cells of training rows")
        for kept, column in zip(cells, chosen, strict=True):
            part = batch.column(column.name)
            if column.kind is ColumnKind.NUMBER:
                kept.append(part.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
            else:
                kept.extend(cell_texts(part).to_pylist())
    columns: list[_Numbers | _Words] = []
    passages = []
    for kept, column in zip(cells, chosen, strict=True):
        if column.kind is ColumnKind.NUMBER:
            columns.append(_numbers(kept))
            continue
        split = [tuple(_WORD.findall(str(cell or "").casefold())) for cell in kept]
        passages.append([row if len(row) >= PASSAGE_WORDS else () for row in split])
        columns.append(_words(split))
    return columns, [part for part in passages if any(part)], n_rows


def _numbers(parts: list[Any]) -> _Numbers:
    values = np.concatenate(parts) if parts else np.zeros(0)
    values = np.where(np.isfinite(values), values, np.nan)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    n_known = int(np.count_nonzero(~np.isnan(ordered)))
    gaps = np.diff(ordered[:n_known])
    return _Numbers(values, order, ordered, n_known, float(gaps[gaps > 0].min(initial=np.inf)))


def _words(cells: list[tuple[str, ...]]) -> _Words:
    vocabulary: dict[tuple[str, ...], int] = {}
    codes = [
        vocabulary.setdefault(cell, len(vocabulary)) if 0 < len(cell) <= _LONG_WORDS else -1
        for cell in cells
    ]
    return _Words(np.array(codes, np.int64), vocabulary)


def _too_much(name: str, rule: str) -> ArtifactError:
    return ArtifactError(
        "the report cannot be held against so many rows",
        subject=name,
        rule=rule,
        hint="compare with a part of the rows at a time, or split the report",
    )


def _passages(words: list[tuple[int, str]], columns: list[list[Any]]) -> Iterator[ShownRow]:
    """Rows with a run of words in the text that stands in no other row."""
    size = PASSAGE_WORDS
    spoken = {
        hash(tuple(word for _, word in words[i : i + size])): words[i][0]
        for i in range(len(words) - size, -1, -1)
    }
    for column in columns if spoken else ():
        met: dict[int, set[int]] = {}
        for row, cell in enumerate(column):
            for i in range(len(cell) - size + 1):
                key = hash(cell[i : i + size])
                if key in spoken:
                    met.setdefault(key, set()).add(row)
        counts = Counter(row for rows in met.values() if len(rows) == 1 for row in rows)
        starts = {row: spoken[key] for key, rows in met.items() for row in rows}
        for row, count in counts.items():
            yield ShownRow(row=row, start=starts[row], n_values=count + size - 1)


class _Search:
    """One text against one table."""

    def __init__(
        self,
        columns: list[_Numbers | _Words],
        n_rows: int,
        text: str,
        words: list[tuple[int, str]],
    ) -> None:
        self._columns, self._n = columns, n_rows
        self._numbers = sorted(shown_numbers(text), key=lambda item: item.start)
        self._phrases = self._heard(words)
        self._places = sorted(
            {item.start for item in self._numbers} | {start for start, _, _ in self._phrases}
        )
        self._width = len(columns) + len(columns) // 2 + 8
        self._ambiguity: dict[Any, float] = {}

    def _heard(self, words: list[tuple[int, str]]) -> list[tuple[int, int, int]]:
        """Phrases that are cells, as (start, column, code)."""
        found = []
        texts = [(c, part) for c, part in enumerate(self._columns) if isinstance(part, _Words)]
        longest = {c: max((len(key) for key in part.vocabulary), default=0) for c, part in texts}
        plain = tuple(word for _, word in words)
        for i, (start, _) in enumerate(words):
            for c, part in texts:
                for size in range(longest[c], 0, -1):
                    code = part.vocabulary.get(plain[i : i + size])
                    if code is not None:
                        found.append((start, c, code))
                        break
        return found

    def rows(self) -> Iterator[ShownRow]:
        """The rows shown, each once a window."""
        width = self._width
        windows = range(0, max(1, len(self._places) - width), width)
        if len(windows) * self._n * len(self._columns) > MAX_WORK:
            raise _too_much("report", f"at most {MAX_WORK} comparisons")
        least = float(np.log2(self._n) + np.log2(len(windows)) + SURPLUS_BITS)
        starts = [item.start for item in self._numbers]
        spoken = [start for start, _, _ in self._phrases]
        for first in windows:
            places = self._places[first : first + 2 * width]
            if len(places) < MIN_COLUMNS:
                continue
            a, b = np.searchsorted(starts, [places[0], places[-1] + 1])
            c, d = np.searchsorted(spoken, [places[0], places[-1] + 1])
            yield from self._window(self._numbers[a:b], self._phrases[c:d], least)

    def _window(
        self, numbers: list[ShownNumber], phrases: list[tuple[int, int, int]], least: float
    ) -> Iterator[ShownRow]:
        bounds = np.array([(item.low, item.high) for item in numbers]).reshape(-1, 2)
        starts = [item.start for item in numbers]
        scores, told = np.zeros(self._n), []
        for c, column in enumerate(self._columns):
            if isinstance(column, _Numbers):
                signs = _signs_of_numbers(column, bounds, starts)
            else:
                heard = [(start, code) for start, at, code in phrases if at == c]
                signs = _signs_of_words(column, heard)
            best = np.zeros(self._n)
            for sign in signs:  # those that tell most come last
                best[sign.rows] = sign.bits
            told.append(signs)
            scores += best
        for row in np.flatnonzero(scores >= least).tolist():
            shown = self._explained(row, numbers, told, least)
            if shown is not None:
                yield shown

    def _explained(
        self, row: int, numbers: list[ShownNumber], told: list[list[_Sign]], least: float
    ) -> ShownRow | None:
        """The stretch of the window that speaks most for ``row``, where it speaks enough."""
        options = {
            c: found
            for c, signs in enumerate(told)
            if (found := [sign for sign in signs if (sign.rows == row).any()])
        }
        middle = np.median([found[-1].start for found in options.values()])
        taken: dict[int, tuple[int, _Sign]] = {}
        for c in sorted(options, key=lambda c: (-options[c][-1].bits, c)):
            free = [sign for sign in options[c] if sign.start not in taken]
            if free:
                sign = max(free, key=lambda item: (item.bits, -abs(item.start - middle)))
                taken[sign.start] = (c, sign)
        places = sorted({item.start for item in numbers} | set(taken))
        gains = [taken[at][1].bits if at in taken else -STRAY_BITS for at in places]
        bits, first, last = _best_stretch(gains)
        used = {taken[at] for at in places[first : last + 1] if at in taken}
        if bits < least or len(used) < MIN_COLUMNS:
            return None
        if self._ambiguous((c, sign.reach) for c, sign in used) > MAX_AMBIGUOUS:
            return None
        return ShownRow(row=row, start=places[first], n_values=len(used), bits=bits)

    def _ambiguous(self, used: Iterable[tuple[int, float]]) -> float:
        """Share of rows that another row agrees with in these columns at these digits."""
        key = tuple(sorted((c, float(f"{reach:.2g}")) for c, reach in used))
        if key not in self._ambiguity:
            cells = []
            for c, reach in key:
                column = self._columns[c]
                if isinstance(column, _Words):
                    cells.append(column.codes.astype(float))
                else:
                    cells.append(np.nan_to_num(np.round(column.values / (2 * reach)), nan=-1e300))
            _, counts = np.unique(np.stack(cells, axis=1), axis=0, return_counts=True)
            self._ambiguity[key] = float(counts[counts > 1].sum() / self._n)
        return self._ambiguity[key]


def _signs_of_numbers(column: _Numbers, bounds: Any, starts: list[int]) -> list[_Sign]:
    """The numbers that some rows have, by how much they tell."""
    n_known = column.n_known
    if not n_known or not len(bounds):
        return []
    ordered = column.ordered[:n_known]
    lows = np.searchsorted(ordered, bounds[:, 0], side="left")
    highs = np.searchsorted(ordered, bounds[:, 1], side="right")
    # Where hardly a row has it, the rows around tell how dense they lie there.
    first = np.clip(lows - _AROUND, 0, n_known - 1)
    last = np.clip(highs + _AROUND, 0, n_known - 1)
    span = ordered[last] - ordered[first]
    width = np.maximum(bounds[:, 1] - bounds[:, 0], column.grain)
    part = np.divide(width, span, out=np.ones_like(span), where=span > 0)
    around = (last - first + 1) / n_known * np.minimum(1.0, part)
    counts = highs - lows
    chances = np.where(counts > _FEW, counts / n_known, np.minimum(around, 1.0))
    signs = []
    for i, bits in _telling(chances, lows + 1j * highs):
        if counts[i]:
            reach = float(bounds[i, 1] - bounds[i, 0]) / 2
            if _in_summaries(n_known, int(lows[i]), int(highs[i])):
                bits = min(bits, _SUMMARY_BITS)  # noqa: PLW2901 - the same sign, worth less
            signs.append(_Sign(starts[i], reach, bits, column.order[lows[i] : highs[i]]))
    return sorted(signs, key=lambda sign: sign.bits)


def _in_summaries(n_known: int, low: int, high: int) -> bool:
    """Whether one of the ranks from ``low`` to before ``high`` is the end or a quarter of all."""
    quarters = {round(part * (n_known - 1), 6) for part in (0, 0.25, 0.5, 0.75, 1)}
    return any(low <= rank < high for rank in quarters if rank == int(rank))


def _signs_of_words(column: _Words, heard: list[tuple[int, int]]) -> list[_Sign]:
    rows = {code: np.flatnonzero(column.codes == code) for _, code in heard}
    chances = np.array([(rows[code].size + 1) / (column.codes.size + 1) for _, code in heard])
    codes = np.array([code for _, code in heard])
    told = _telling(chances, codes)
    return [_Sign(heard[i][0], 0.0, bits, rows[heard[i][1]]) for i, bits in told][::-1]


def _telling(chances: Any, same: Any) -> list[tuple[int, float]]:
    """Signs that tell something with their bits, the strongest first.

    A sign is worth the chance of it and all stronger ones; equal ones, by ``same``, are one.
    """
    order = np.argsort(chances, kind="stable")
    _, firsts = np.unique(same[order], return_index=True)
    is_first = np.zeros(order.size, bool)
    is_first[firsts] = True
    totals = np.cumsum(np.where(is_first, chances[order], 0.0))
    bits = -np.log2(np.clip(totals, 2.0**-_MAX_BITS, 1.0)) - _CHANCE_BITS
    n_telling = int(np.searchsorted(-bits, 0.0))
    return list(zip(order[:n_telling].tolist(), bits[:n_telling].tolist(), strict=True))


def _best_stretch(gains: list[float]) -> tuple[float, int, int]:
    """The largest sum of consecutive gains, with its first and last place."""
    best, begin, total = (0.0, 0, -1), 0, 0.0
    for i, gain in enumerate(gains):
        if total <= 0:
            begin, total = i, 0.0
        total += gain
        if total > best[0]:
            best = (total, begin, i)
    return best
