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

from hauberk.methods.embed import Codes, Rows
from hauberk.methods.patterns import Pattern

MIN_KIN = 5
"""Fewer rows say nothing."""

ALIKE = 0.5
"""Share of the pattern's contradictions that its kin must show to explain it."""

ALIKE_BY_LABEL = 0.75
"""The same for kin by the label alone: of a rare class many are contradicted anyhow."""

PURE_KIN = 0.85
"""Share of the pattern's label among its kin that makes it a part of an honest region."""

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
        believed = believe(kin, np.union1d(pattern.rows, kin))
        own = labels[kin] == pattern.label
        if float(np.mean(own & (believed != labels[kin]))) >= alike * share:
            return True
    return False


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
