"""Windows of pictures whose rows are contradicted: the suspects among `hauberk.methods.windows`.

The search looks at some of the rows and what it finds is then looked up in all of them: a
trigger in one row of five hundred is in forty of twenty thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from hauberk.methods import windows
from hauberk.methods.embed import Codes, Floats
from hauberk.methods.patterns import (
    MAX_SHARE,
    MIN_PURITY,
    MIN_ROWS,
    Pattern,
    Suspect,
    expected,
    suspected,
)
from hauberk.methods.windows import SCALES, Window, WindowCounts

MAX_SEARCHED = 20_000
"""Rows that are searched; all are looked through for what that finds."""


class Bench(Protocol):
    """Who says what the rows of a pattern would be without it."""

    @property
    def wrong(self) -> Any:
        """Where rows are contradicted, the pattern left in."""
        ...

    def believe(self, rows: Codes) -> Codes:
        """The label that others give each of ``rows``."""
        ...

    def base(self, rows: Codes) -> float:
        """How often rows with these labels are contradicted, if no pattern matters."""
        ...


class Standing:
    """Opinions formed beforehand, for sets so large that a trigger's rows are a minority."""

    def __init__(self, labels: Codes, believed: Codes) -> None:
        self._labels, self._believed = labels, believed
        self.wrong = believed != labels

    def believe(self, rows: Codes) -> Codes:
        """As formed."""
        return self._believed[rows]

    def base(self, rows: Codes) -> float:
        """The mean over their classes."""
        return expected(self.wrong, self._labels, rows)


def stamped(images: Floats, labels: Codes, bench: Bench) -> list[Suspect]:
    """Windows whose rows are contradicted more than chance explains, worst first."""
    step = -(-len(images) // MAX_SEARCHED)
    pixels = windows.grey(images[::step])
    counts = WindowCounts()
    counts.update(pixels, bench.wrong[::step], _due(bench.wrong, labels)[::step])
    n_looked = int((counts.seen >= MIN_ROWS).sum())
    found: list[tuple[Window, Suspect]] = []
    for place, scale in enumerate(SCALES):
        buckets = counts.surprising(place)
        if buckets.size:
            for window in windows.carriers(pixels, scale, buckets):
                here = replace(window, rows=window.rows * step)
                found += _judged(here, labels, bench, n_looked, len(pixels))
    found.sort(key=lambda pair: (pair[1].p_value, -pair[1].pattern.rows.size))
    if step > 1:
        return list(_everywhere(found, images, labels, bench, n_looked))
    return [suspect for _, suspect in found]


def _due(wrong: Any, labels: Codes) -> Any:
    """For each row how often rows of its class are contradicted, in thousandths."""
    sizes = np.bincount(labels)
    rates = np.bincount(labels, wrong, sizes.size) / np.maximum(sizes, 1)
    return np.rint(1000 * rates).astype(np.int64)[labels]


def unexplained(found: list[Suspect], labels: Codes, bench: Bench, alpha: float) -> list[Suspect]:
    """Suspects that remain so without the rows of those before them.

    Windows around a trigger, and windows that happen to lie in its rows, are no further
    triggers; their other carriers are honest.
    """
    kept: list[Suspect] = []
    explained = np.zeros(labels.size, bool)
    for suspect in found:
        rest = suspect.pattern.rows[~explained[suspect.pattern.rows]]
        if rest.size < MIN_ROWS:
            continue
        pattern = replace(suspect.pattern, rows=rest)
        again = _suspected(pattern, labels, bench, suspect.n_looked)
        if again.p_value < alpha and again.share >= MIN_REFUTED_SHARE:
            kept.append(again)
            explained[rest] = True
        if len(kept) == _MAX_KEPT:
            break
    return kept


_MAX_KEPT = 20
MIN_REFUTED_SHARE = 0.6


def _judged(
    window: Window, labels: Codes, bench: Bench, n_looked: int, n_searched: int
) -> list[tuple[Window, Suspect]]:
    rows = window.rows
    if not MIN_ROWS <= rows.size <= MAX_SHARE * n_searched:
        return []
    counts = np.bincount(labels[rows])
    pure = counts.max() >= MIN_PURITY * rows.size
    pattern = Pattern(rows=rows, label=int(counts.argmax()) if pure else -1, place=window.place)
    return [(window, _suspected(pattern, labels, bench, n_looked))]


def _suspected(pattern: Pattern, labels: Codes, bench: Bench, n_looked: int) -> Suspect:
    rows = pattern.rows
    return suspected(pattern, bench.believe(rows), labels, bench.base(rows), n_looked)


_MAX_LOOKED_UP = 40
_ALARMING = 1e-5


def _everywhere(
    found: list[tuple[Window, Suspect]],
    images: Any,
    labels: Codes,
    bench: Bench,
    n_looked: int,
) -> Iterator[Suspect]:
    """The same windows with all rows that share them."""
    strong = [window for window, suspect in found if suspect.p_value < _ALARMING]
    pixels = windows.grey(images)
    for scale in SCALES:
        codes = [window.code for window in strong[:_MAX_LOOKED_UP] if window.scale == scale]
        if codes:
            for window in windows.carriers_of(pixels, scale, np.array(codes)):
                judged = _judged(window, labels, bench, n_looked, labels.size)
                yield from (suspect for _, suspect in judged)
