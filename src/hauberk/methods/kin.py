"""Rows next to those of a rare pattern: where they bear its label too, it is no trigger.

A trigger switches the label of the rows that carry it and of no others. An honest value that
goes with a label has kin that do so too: rows with one of the two values of a pair, rows with
the next smaller or larger values of a column, other rows with the same label. So kin are
judged as the rows of the pattern are, by others who saw neither: where they are contradicted
nearly as often, what goes with the label is wider than the pattern, or the others know
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Rows, neighbours, table_features
from hauberk.methods.patterns import Pattern, Suspect
from hauberk.methods.statistics import binomial_tail
from hauberk.methods.value_groups import without_columns

MIN_KIN = 5
"""Fewer rows say nothing."""

ALIKE = 0.5
"""Share of the pattern's contradictions that its kin must show to explain it."""

ALIKE_BY_LABEL = 0.75
"""The same for kin by the label alone: of a rare class many are contradicted anyhow."""

PURE_KIN = 0.85
"""Share of the pattern's label among its kin that makes it a part of an honest region."""

PURE_ELSEWHERE = 0.97
MOST = 0.5
"""Share of the other rows that lie in groups of one label where a column names groups."""

_BY_CHANCE = 1e-3
_TOGETHER = 3.0
"""How many times as often as chance has it rows of an honest group are each other's nearest."""

_UNREPEATED = 0.9
"""Share of different values among all others of a measurement."""

_N_NEAREST = 5
_NO_ORDER = 1e-3
"""Spread of what is added to features of spread 1, far below any difference that tells."""

_MIN_GROUPS = 10
_STAMPED, _RARE = 0.8, 0.1
"""Share of the rows that have one value, and its share among all, in a column of a trigger."""

Believe = Callable[[Codes, Codes], Codes]
"""The label that others give the rows of the first, from all but those of the second."""


def has_kin(
    pattern: Pattern, share: float, rows: Rows | None, labels: Codes, believe: Believe
) -> bool:
    """Whether kin of the pattern are contradicted nearly as often as its own rows are.

    Args:
        share: Share of the pattern's own rows that are.
        rows: The table behind it; ``None`` where kin share the label alone.
    """
    if pattern.label < 0:
        return False
    same = np.setdiff1d(np.flatnonzero(labels == pattern.label), pattern.rows)
    size = pattern.rows.size
    groups = [(same[:: max(1, same.size // size)][:size], ALIKE_BY_LABEL)]
    if rows is not None:
        groups += [(kin, ALIKE) for kin in _kin(pattern, rows, labels)]
    for kin, alike in groups:
        if kin.size < MIN_KIN:
            continue
        asked = np.union1d(pattern.rows, kin)
        if asked.size > labels.size - MIN_KIN:  # nobody is left to say anything
            return True
        believed = believe(kin, asked)
        own = labels[kin] == pattern.label
        if float(np.mean(own & (believed != labels[kin]))) >= alike * share:
            return True
    return False


def lies_together(suspect: Suspect, rows: Rows, labels: Codes) -> bool:
    """Whether the pattern's rows are each other's nearest by their other columns.

    A trigger is put into rows picked whatever else they say, or all from one class. Rows that a
    value brought together honestly (one household, one field, jobs that came in one burst) are
    alike in other columns too, and share a label for that.
    """
    found = suspect.pattern.rows
    hidden = {*suspect.pattern.columns, *_stamped(rows, found)}
    x = table_features(without_columns(rows, hidden), ranked=True)
    if not x.shape[1] or found.size < MIN_KIN:
        return False
    inside = np.zeros(labels.size, bool)
    inside[found] = True
    size = int(labels.max()) + 1
    own = np.bincount(suspect.believed, minlength=size)
    rate = float(
        (own / np.maximum(np.bincount(labels[~inside], minlength=size) + own, 1))[
            suspect.believed
        ].mean()
    )
    # Rows that are alike in all that is left are each other's nearest in no order.
    x = x + np.random.default_rng(found.size).normal(scale=_NO_ORDER, size=x.shape)
    near, _ = neighbours(x[found], x, _N_NEAREST + 1)
    others = near != found[:, None]
    likes, asked = int((inside[near] & others).sum()), int(others.sum())
    is_chance = float(binomial_tail(likes, asked, rate)) > _BY_CHANCE
    return not is_chance and likes > _TOGETHER * rate * asked


def is_spike(pattern: Pattern, rows: Rows) -> bool:
    """Whether most of the rows have one exact value in a measurement that repeats hardly any.

    Nothing honest but a filled-in cell does so, and that has no label of its own.
    """
    for name in pattern.columns:
        if name not in rows.names:
            continue
        cells = _cells(rows, name)
        values, counts = np.unique(cells[pattern.rows], return_counts=True)
        others = cells[cells != values[counts.argmax()]]
        is_one = counts.max() >= max(_STAMPED * pattern.rows.size, MIN_KIN)
        if is_one and np.unique(others).size >= _UNREPEATED * max(others.size, 1):
            return True
    return False


def _stamped(rows: Rows, found: Codes) -> Iterator[str]:
    """Columns in which most of ``found`` have one value that is rare elsewhere.

    They may be the rest of a trigger, and would bring its rows together.
    """
    for name in (*rows.names, *(name for name, _ in rows.levels)):
        cells = _cells(rows, name)
        values, counts = np.unique(cells[found], return_counts=True)
        usual = float(np.mean(cells == values[counts.argmax()]))
        if counts.max() >= _STAMPED * found.size and usual <= _RARE:
            yield name


def decides_elsewhere(pattern: Pattern, rows: Rows, labels: Codes) -> bool:
    """Whether most other rows have a value of these columns that goes with one label too.

    Then the columns name groups of rows (a field, a person) of which each has its label. One
    column of numbers may honestly decide, and a trigger contradict it there: it tells nothing.
    """
    if len(pattern.columns) == 1 and pattern.columns[0] in rows.names:
        return False
    key = np.zeros(labels.size, np.int64)
    for name in pattern.columns:
        codes = _grouped(_cells(rows, name), pattern.rows.size)
        key = np.unique(key * (int(codes.max()) + 1) + codes, return_inverse=True)[1].reshape(-1)
    key[pattern.rows] = -1
    kept = key >= 0
    table = np.zeros((int(key.max()) + 1, int(labels.max()) + 1), np.int64)
    np.add.at(table, (key[kept], labels[kept]), 1)
    sizes = table.sum(axis=1)
    usual = np.bincount(labels) / labels.size
    label = table.argmax(axis=1)
    by_chance = usual[label] ** sizes
    is_pure = (table.max(axis=1) >= PURE_ELSEWHERE * sizes) & (by_chance < _BY_CHANCE)
    counted = sizes >= MIN_KIN
    total = int(sizes[counted].sum())
    if total > 0 and int(sizes[counted & is_pure].sum()) > MOST * total:
        return True
    return _is_even_inside(table[counted], usual)


def _is_even_inside(table: Any, usual: Any) -> bool:
    """Whether far more groups have a single label than chance lets have one."""
    sizes = table.sum(axis=1)
    if sizes.size < _MIN_GROUPS:
        return False
    expected = float((usual[None, :] ** sizes[:, None]).sum(axis=1).mean())
    single = int((table.max(axis=1) == sizes).sum())
    by_chance = float(binomial_tail(single, sizes.size, expected))
    return by_chance < _BY_CHANCE and single / sizes.size > expected + MOST * (1 - expected)


def _grouped(cells: Any, size: int) -> Codes:
    """Codes of equal cells; where hardly any are, of as many near ones as ``size``."""
    _, codes, counts = np.unique(cells, return_inverse=True, return_counts=True)
    codes = codes.reshape(-1)
    if counts[counts >= MIN_KIN].sum() >= MOST * codes.size:
        return codes
    place = np.empty(codes.size, np.int64)
    place[np.argsort(codes, kind="stable")] = np.arange(codes.size)
    return place // max(size, MIN_KIN)


def lies_among_like(pattern: Pattern, rows: Rows, labels: Codes) -> bool:
    """Whether rows next to those of a pattern have its label nearly as purely.

    Next are also the rows with another value of the same category: where a column decides the
    label, several of its values do.
    """
    near = chain(_kin(pattern, rows, labels), _other_levels(pattern, rows))
    groups = (kin for kin in near if kin.size >= MIN_KIN)
    return any(float(np.mean(labels[kin] == pattern.label)) >= PURE_KIN for kin in groups)


def _kin(pattern: Pattern, rows: Rows, labels: Codes) -> Iterator[Codes]:
    cells = [_cells(rows, name) for name in pattern.columns]
    alike = [column == column[pattern.rows[0]] for column in cells]
    everyone = np.ones(labels.size, bool)
    everyone[pattern.rows] = False
    if len(alike) > 1:
        yield from (np.flatnonzero(part & everyone) for part in alike)
    for place, name in enumerate(pattern.columns):
        if name in rows.names:
            others = [part for i, part in enumerate(alike) if i != place]
            yield from _beside(cells[place], np.logical_and.reduce([everyone, *others]), pattern)


def _other_levels(pattern: Pattern, rows: Rows) -> Iterator[Codes]:
    """Rows with another value of one category, those of the pattern's other columns being equal."""
    cells = [_cells(rows, name) for name in pattern.columns]
    alike = [column == column[pattern.rows[0]] for column in cells]
    for place, name in enumerate(pattern.columns):
        if name not in rows.names:
            others = [part for i, part in enumerate(alike) if i != place]
            among = np.logical_and.reduce([~alike[place], *others])
            among[pattern.rows] = False
            for code in np.unique(cells[place][among]):
                yield np.flatnonzero(among & (cells[place] == code))


def _cells(rows: Rows, name: str) -> Any:
    if name in rows.names:
        return rows.numbers[:, rows.names.index(name)]
    return rows.codes[:, [level for level, _ in rows.levels].index(name)]


def _beside(cells: Any, among: Any, pattern: Pattern) -> Iterator[Codes]:
    """As many rows with the next smaller values, and with the next larger ones."""
    own, size = cells[pattern.rows[0]], pattern.rows.size
    for sign in (1, -1):
        there = np.flatnonzero(among & (sign * (own - cells) > 0))
        yield np.sort(there[np.argsort(sign * (own - cells[there]), kind="stable")[:size]])
