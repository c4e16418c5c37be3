"""Slices of a table whose labels are other than everything else lets expect.

A slice is the rows with two values in two columns (an occupation and a sex). What its labels
should be is told by a model in which each column adds its part, fitted to the other rows: it
cannot learn that two values together mean something else. Honest tables have such interactions
too, but in degree: a slice that lost a class nearly altogether, though both values keep it
elsewhere, and that lies beyond all slices which share nothing with it, was turned, or follows a
rule of its own.

References:
    Jagielski, Severi, Pousette Harger and Oprea (2021), Subpopulation data poisoning attacks.
    McCullagh and Nelder (1989), Generalized linear models, section 4.4, for the fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import log
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Rows

MAX_COLUMNS = 24
MAX_CLASSES = 12
MAX_FITTED = 20_000
"""Rows that the model is fitted to; it says what it expects of all."""

_FIFTHS = 5
_FEW_LEVELS = 8
_MAX_LEVELS = 40
_RARE = 5
_STEPS = 15
_PENALTY = 1.0
_LEAST_WEIGHT = 1e-5
_STEEPEST = 30.0
_CONVERGED = 1e-6
_OVERLAP = 0.1
_TINY = 1e-9
_TRIED = 4
_RULED = 0.5
_PURE = 0.25
_LEFT = 0.15
"""Of the rows that are expected of a class in a slice: how many it may still have."""

_WORTH_A_LOOK = -5.0
_LARGEST = 0.2
"""Share of all rows that a slice has at most; what is expected of a larger one is a guess."""

_REST = 0.25
"""Rows with one of the values outside of the slice, as a part of those inside."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """A column as few values: codes from 0, and what each of them stands for.

    Attributes:
        is_measured: Whether the values are fifths of numbers: these enter what is expected, but
            no slice is made of them, for numbers have honest bends where two of them meet.
    """

    name: str
    codes: Codes
    values: tuple[str, ...]
    is_measured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turned:
    """A slice that has far fewer, or more, rows of a class than expected.

    Attributes:
        where: Column and value of both columns.
        label: Name of the class.
        rows: Row numbers of the slice.
        chances: What the model gives each of its rows for this class, 0 to 1.
        found: Rows of the class in it,
        expected: and how many were expected.
        log_p: Natural logarithm of the chance of so few or so many, corrected for all slices.
        beyond: How many times as far it lies as any slice that shares no rows with it.
    """

    where: tuple[tuple[str, str], tuple[str, str]]
    label: str
    rows: Codes
    chances: Any
    found: int
    expected: float
    log_p: float
    beyond: float

    @property
    def suspicion(self) -> Any:
        """How likely each row of the slice was turned, if the slice was."""
        return self.chances if self.found < self.expected else 1 - self.chances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slices:
    """All slices of two columns; arrays of one length.

    Attributes:
        pair: Places of the columns.
        value: Codes of the values.
        away: Found less expected rows of the class, in spreads.
        log_p: Logarithm of the chance of so few or so many, 0 where no such chance is told.
        is_pure: Whether the class, or all others, are rarer than a quarter of what is usual.
    """

    pair: Any
    value: Any
    n_rows: Any
    found: Any
    expected: Any
    away: Any
    log_p: Any
    is_pure: Any

    def rows(self, columns: list[Column], place: int) -> Any:
        """Whether each row lies in the slice at ``place``."""
        first, second = self.pair[place]
        inside = columns[first].codes == self.value[place, 0]
        return inside & (columns[second].codes == self.value[place, 1])


def turned(rows: Rows, *, min_expected: float, log_alpha: float, beyond: float) -> Iterator[Turned]:
    """For each class the slice that lies farthest from what is expected, where it was turned.

    Args:
        min_expected: Rows of a class that must be missing, or too many.
        log_alpha: Largest logarithm of the chance, after correction.
        beyond: How many times as far it must lie as slices without its values and rows.
    """
    columns = columns_of(rows)
    known = np.flatnonzero(rows.labels >= 0)
    n_classes = len(rows.classes)
    if len(list(_pairs(columns))) < 1 or not 2 <= n_classes <= MAX_CLASSES:  # noqa: PLR2004 - classes
        return
    design = _design(columns)
    for code, label in enumerate(rows.classes):
        if n_classes == 2 and code == 0:  # noqa: PLR2004 - the other class says the same
            continue
        own = np.asarray(rows.labels == code, float)
        if not min_expected <= own[known].sum() <= known.size - min_expected:
            continue
        asked = _Asked(
            columns=columns,
            design=design,
            own=own,
            known=known,
            min_expected=min_expected,
            log_alpha=log_alpha,
            beyond=beyond,
        )
        yield from _turned(asked, label)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """What is asked of one class, as `turned` is."""

    columns: list[Column]
    design: Any
    own: Any
    known: Codes
    min_expected: float
    log_alpha: float
    beyond: float


def _turned(asked: _Asked, label: str) -> Iterator[Turned]:
    """The first suspect that stays one for a model that never saw it."""
    columns, known = asked.columns, asked.known
    first = _slices(asked, additive(asked.design, asked.own, known))
    for suspect in _suspects(first):
        inside = first.rows(columns, suspect)
        if _is_rule(first, suspect) or not _is_joint(asked, first, suspect):
            continue
        chance = additive(asked.design, asked.own, known[~inside[known]])
        slices = _slices(asked, chance)
        log_p = float(slices.log_p[suspect]) + log(len(slices.log_p))
        moved = abs(float(slices.expected[suspect] - slices.found[suspect]))
        others = _unrelated(columns, slices, suspect, known)
        farthest = float(np.abs(slices.away[others]).max()) if others.any() else 0.0
        times = abs(float(slices.away[suspect])) / max(farthest, 1.0)
        is_enough = moved >= asked.min_expected and log_p < asked.log_alpha
        is_enough = is_enough and _is_gone(slices, suspect)
        if is_enough and times >= asked.beyond:
            rows = np.flatnonzero(inside)
            rows = rows[np.isin(rows, known)]
            (a, b), (x, y) = slices.pair[suspect], slices.value[suspect]
            yield Turned(
                where=(
                    (columns[a].name, columns[a].values[x]),
                    (columns[b].name, columns[b].values[y]),
                ),
                label=label,
                rows=rows,
                chances=chance[rows],
                found=int(slices.found[suspect]),
                expected=float(slices.expected[suspect]),
                log_p=log_p,
                beyond=times,
            )
            return


def _suspects(slices: _Slices) -> list[int]:
    """Places of the slices worth a model of their own: the least likely first."""
    pure = np.flatnonzero(slices.is_pure & (slices.log_p < _WORTH_A_LOOK))
    return [int(place) for place in pure[np.argsort(slices.log_p[pure], kind="stable")][:_TRIED]]


def _is_gone(slices: _Slices, place: int) -> bool:
    """Whether hardly any of the expected rows of the class, or of the others, are there."""
    found, expected = float(slices.found[place]), float(slices.expected[place])
    n = int(slices.n_rows[place])
    return found <= _LEFT * expected or n - found <= _LEFT * (n - expected)


def _is_rule(slices: _Slices, place: int) -> bool:
    """Whether most rows of slices with one of the two values are in pure slices too.

    Then the two columns decide the label everywhere, as columns do from which it was made.
    """
    same = (slices.pair == slices.pair[place]).all(axis=1)
    beside = same & ((slices.value == slices.value[place]).sum(axis=1) == 1)
    beside &= slices.n_rows >= _RARE
    rows = slices.n_rows[beside]
    return bool((rows * slices.is_pure[beside]).sum() > _RULED * rows.sum())


def _is_joint(asked: _Asked, slices: _Slices, place: int) -> bool:
    """Whether it takes both values: the rest with either of them is not as the slice is.

    The rest must be large enough to say so, and at its own rate the slice would hold
    ``min_expected`` rows of the class (or, where it holds nothing else, of the others).
    """
    own, known = asked.own[asked.known], asked.known
    inside = slices.rows(asked.columns, place)[known]
    n = int(inside.sum())
    if n > _LARGEST * known.size:
        return False
    is_missing = own[inside].mean() < own.mean()
    for column, code in zip(slices.pair[place], slices.value[place], strict=True):
        rest = (asked.columns[column].codes[known] == code) & ~inside
        if rest.sum() < _REST * n:
            return False
        rate = own[rest].mean() if is_missing else 1 - own[rest].mean()
        if rate * n < asked.min_expected:
            return False
    return True


def columns_of(rows: Rows) -> list[Column]:
    """Columns of few values, and of numbers by fifths; without those that say nothing."""
    found = []
    for codes, (name, texts) in zip(rows.codes.T, rows.levels, strict=True):
        counts = np.bincount(codes + 1, minlength=len(texts) + 1)
        order = np.argsort(-counts, kind="stable")[: _MAX_LEVELS - 1]
        place = np.full(counts.size, len(order))
        place[order] = np.arange(len(order))
        names = [*((("missing", *texts)[code]) for code in order), "any other"]
        found.append(Column(name=name, codes=place[codes + 1], values=tuple(names)))
    for x, name in zip(rows.numbers.T, rows.names, strict=True):
        known = np.isfinite(x)
        levels = np.unique(x[known])
        is_measured = levels.size > _FEW_LEVELS
        if is_measured:
            levels = np.unique(np.quantile(x[known], np.arange(1, _FIFTHS) / _FIFTHS))
            codes, n_levels = np.searchsorted(levels, x, side="right"), levels.size + 1
        else:
            codes, n_levels = np.searchsorted(levels, x), levels.size
        names = [f"{level:.6g}" for level in levels] + ["missing"] * (n_levels + 1 - levels.size)
        codes = np.where(known, codes, n_levels)
        found.append(Column(name=name, codes=codes, values=tuple(names), is_measured=is_measured))
    varied = [column for column in found if np.unique(column.codes).size > 1]
    return varied[:MAX_COLUMNS]


def _design(columns: list[Column]) -> Any:
    parts = []
    for column in columns:
        counts = np.bincount(column.codes)
        kept = np.flatnonzero(counts >= _RARE)
        kept = kept[kept != counts.argmax()]
        parts.append(np.asarray(column.codes[:, None] == kept[None, :], np.float32))
    return np.concatenate([np.ones((columns[0].codes.size, 1), np.float32), *parts], axis=1)


def additive(design: Any, own: Any, known: Codes) -> Any:
    """Chances of a class by logistic regression, for every row."""
    step = -(-known.size // MAX_FITTED)
    x, y = np.asarray(design[known[::step]], float), own[known[::step]]
    penalty = _PENALTY * np.eye(x.shape[1])
    penalty[0, 0] = 1e-3
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        chance = _logistic(x @ weights)
        spread = np.maximum(chance * (1 - chance), _LEAST_WEIGHT)
        slope = x.T @ (y - chance) - penalty @ weights
        change = np.linalg.solve((x * spread[:, None]).T @ x + penalty, slope)
        weights += change
        if np.abs(change).max() < _CONVERGED:
            break
    return _logistic(design @ weights)


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(x, -_STEEPEST, _STEEPEST)))


def _pairs(columns: list[Column]) -> Iterator[tuple[int, int]]:
    yield from combinations((i for i, one in enumerate(columns) if not one.is_measured), 2)


def _slices(asked: _Asked, chance: Any) -> _Slices:
    columns, own, known = asked.columns, asked.own, asked.known
    parts: list[list[Any]] = []
    y = own[known]
    p = np.clip(chance[known], _TINY, 1 - _TINY)
    weights = (y, p, p * (1 - p), np.log1p(-p), np.log(p))
    for first, second in _pairs(columns):
        width = len(columns[second].values)
        key = columns[first].codes[known] * width + columns[second].codes[known]
        n_rows = np.bincount(key)
        used = np.flatnonzero(n_rows >= _RARE)
        sums = [np.bincount(key, weight)[used] for weight in weights]
        parts.append(
            [
                np.tile([first, second], (used.size, 1)),
                np.stack([used // width, used % width], axis=1),
                n_rows[used],
                *sums,
            ]
        )
    pair, value, n, found, expected, variance, none, every = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    away = (found - expected) / np.sqrt(variance + 1.0)
    rate = y.mean()
    is_pure = (found <= _PURE * rate * n) | (n - found <= _PURE * (1 - rate) * n)
    usual = np.minimum(np.log(2.0) - away**2 / 2, 0.0)
    log_p = np.where(found == 0, none, np.where(found == n, every, usual))
    return _Slices(
        pair=pair,
        value=value,
        n_rows=n,
        found=found,
        expected=expected,
        away=away,
        log_p=log_p,
        is_pure=is_pure,
    )


def _unrelated(columns: list[Column], slices: _Slices, place: int, known: Codes) -> Any:
    """Slices with neither of the two values and hardly any of the rows of the one at ``place``."""
    apart = np.ones(len(slices.away), bool)
    for column, code in zip(slices.pair[place], slices.value[place], strict=True):
        apart &= ~((slices.pair == column) & (slices.value == code)).any(axis=1)
    inside = slices.rows(columns, place)[known]
    start = 0
    for first, second in _pairs(columns):
        own = slice(start, start + int((slices.pair[start:] == [first, second]).all(1).sum()))
        width = len(columns[second].values)
        key = columns[first].codes[known] * width + columns[second].codes[known]
        shared = np.bincount(key, inside)[slices.value[own, 0] * width + slices.value[own, 1]]
        apart[own] &= shared <= _OVERLAP * slices.n_rows[own]
        start = own.stop
    return apart
