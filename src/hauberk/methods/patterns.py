"""Sets of rows that share a rare pattern, and whether their labels fit the rest of them.

A backdoor needs rows that carry its trigger and the label of its target. So each pattern
that a few rows share (a window of pixels at its place or anywhere, a value, a pair of
values, a word) and that goes with one label is a candidate. What tells a trigger from an
honest feature is what the *other* rows say: without the rows that carry the pattern, the
nearest rows of a stamped one have another label, those of an honest one have its own.

References:
    Gu, Dolan-Gavitt and Garg (2017), BadNets. Tran, Li and Madry (2018), Spectral signatures
    in backdoor attacks. The test against the other rows is our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Floats, Rows, neighbours

MIN_SHARE = 0.0015
MIN_ROWS = 5
"""Fewer equal rows prove nothing after correction for the number of patterns."""

MAX_SHARE = 0.25
"""A pattern of a quarter of all rows is no rare one."""

MIN_PURITY = 0.8
"""Share of one label among the rows of a pattern."""

MIN_REFUTED = 0.7
"""Share of contradicted rows that makes a pattern with several labels a candidate."""

MAX_TEXT_CHARACTERS = 20_000
"""Of one text; a trigger has to be where a model reads it."""

MAX_CHECKED = 4_000
"""Candidates held against their neighbours, best first; each costs some microseconds."""

MAX_PAIR_COLUMNS = 40
"""Columns of which pairs are formed; their number grows with the square."""

MAX_PAIRS_HELD = 24_000_000
"""Window codes held at once when they may lie anywhere."""

_LEVELS = (8, 4, 3)
"""Bits per pixel at which windows are compared; fewer bits forgive jitter."""

_SIDES = (1, 3)
_N_NEIGHBOURS = 40
_N_VOTERS = 9
_MIN_VOTERS = 5
_MAX_POOL = 20_000
_SLACK = 0.05
_FLOOR = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """A pattern with the rows that carry it.

    Attributes:
        rows: Row numbers, increasing.
        label: Code of the label that goes with it, or -1 where several do.
        place: Where it is, in words.
        columns: Columns that it lies in; empty for images and texts.
    """

    rows: Codes
    label: int
    place: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspect:
    """A pattern that the other rows contradict.

    Attributes:
        contradicted: Which of its rows the nearest rows without the pattern contradict.
        p_value: Chance of so many, corrected for all patterns looked at.
    """

    pattern: Pattern
    contradicted: Any
    p_value: float

    @property
    def share(self) -> float:
        """Share of its rows that are contradicted."""
        return float(np.mean(self.contradicted))


# Candidates --------------------------------------------------------------------------


class Search:
    """Looks through patterns and counts how many it looked at, for the correction.

    A pattern is kept when its rows go with one label, or when most of them are contradicted
    already with the pattern left in (a trigger that gives each class another one).
    """

    def __init__(self, labels: Codes, wrong: Any) -> None:
        self._labels, self._wrong = labels, wrong
        self.n_looked = 0

    def images(self, images: Floats) -> Iterator[Pattern]:
        """Windows that some rows share, at their place and anywhere, at several depths."""
        pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
        for bits in _LEVELS:
            for side in _SIDES:
                if side > min(pixels.shape[1:3]):
                    continue
                codes = _window_codes(pixels >> (8 - bits), side)
                name = f"{side}x{side} pixels at {bits} bits"
                yield from self._fixed(codes, name)
                if side > 1:
                    yield from self._moving(codes, name)

    def _fixed(self, codes: Any, name: str) -> Iterator[Pattern]:
        for y, x in np.ndindex(codes.shape[1:]):
            for rows, label in self._shared(codes[:, y, x]):
                yield Pattern(rows=rows, label=label, place=f"{name}, row {y}, column {x}")

    def _moving(self, codes: Any, name: str) -> Iterator[Pattern]:
        """Codes counted once per row, wherever they lie; in parts by hash, to bound memory."""
        flat = codes.reshape(len(codes), -1)
        n_parts = np.uint64(-(-flat.size // MAX_PAIRS_HELD))
        owner_of = np.broadcast_to(np.arange(len(flat))[:, None], flat.shape)
        for part in range(int(n_parts)):
            chosen = flat % n_parts == part
            order = np.lexsort((owner_of[chosen], flat[chosen]))
            found, owners = flat[chosen][order], owner_of[chosen][order]
            first = np.ones(found.size, bool)
            first[1:] = (found[1:] != found[:-1]) | (owners[1:] != owners[:-1])
            found, owners = found[first], owners[first]
            for picked, label in self._shared(found, owners):
                yield Pattern(rows=np.sort(owners[picked]), label=label, place=f"{name}, anywhere")

    def table(self, rows: Rows) -> Iterator[Pattern]:
        """Values, and pairs of values, that some rows share."""
        columns = [(name, rows.numbers[:, i]) for i, name in enumerate(rows.names)]
        columns += [(name, rows.codes[:, i]) for i, (name, _) in enumerate(rows.levels)]
        coded = [
            (name, np.unique(cells, return_inverse=True)[1].reshape(-1)) for name, cells in columns
        ]
        for name, codes in coded:
            for places, label in self._shared(codes):
                yield Pattern(
                    rows=places, label=label, place=f"one value of {name}", columns=(name,)
                )
        for (first, a), (second, b) in combinations(coded[:MAX_PAIR_COLUMNS], 2):
            for places, label in self._shared(a * (int(b.max()) + 1) + b):
                place = f"one pair of values of {first} and {second}"
                yield Pattern(rows=places, label=label, place=place, columns=(first, second))

    def texts(self, texts: tuple[str, ...]) -> Iterator[Pattern]:
        """Words that some rows share."""
        places: dict[str, int] = {}
        codes, owners = [], []
        for row, text in enumerate(texts):
            for word in set(re.findall(r"\w+", text.lower()[:MAX_TEXT_CHARACTERS])):
                codes.append(places.setdefault(word, len(places)))
                owners.append(row)
        rows_of = np.array(owners, np.int64)
        for picked, label in self._shared(np.array(codes, np.int64), rows_of):
            yield Pattern(rows=np.sort(rows_of[picked]), label=label, place="one word")

    def _shared(self, codes: Any, owners: Codes | None = None) -> Iterator[tuple[Codes, int]]:
        """Positions of each code that is rare but shared, with the label it goes with or -1."""
        if not codes.size:
            return
        labels, wrong = self._labels, self._wrong
        low, high = max(MIN_ROWS, int(MIN_SHARE * labels.size)), int(MAX_SHARE * labels.size)
        if owners is not None:
            labels, wrong = labels[owners], wrong[owners]
        _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
        inverse = inverse.reshape(-1)
        rare = (counts >= low) & (counts <= high)
        self.n_looked += int(rare.sum())
        n_classes = int(self._labels.max()) + 1
        table = np.bincount(inverse * n_classes + labels, minlength=counts.size * n_classes)
        table = table.reshape(counts.size, n_classes)
        pure = table.max(axis=1) >= MIN_PURITY * counts
        refuted = np.bincount(inverse, wrong, counts.size) >= MIN_REFUTED * counts
        for group in _groups(inverse, rare & (pure | refuted)):
            code = inverse[group[0]]
            yield np.sort(group), int(table[code].argmax()) if pure[code] else -1


def _groups(inverse: Codes, wanted: Any) -> list[Codes]:
    """Positions of each wanted code."""
    kept = np.flatnonzero(wanted[inverse])
    order = kept[np.argsort(inverse[kept], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1) if order.size else []


def _window_codes(pixels: Any, side: int) -> Any:
    """A 64-bit hash of each window, ``(n_rows, height, width)``."""
    weights = np.random.default_rng(side).integers(
        1, 2**63, (side, side, pixels.shape[3]), np.uint64
    ) | np.uint64(1)
    height, width = pixels.shape[1] - side + 1, pixels.shape[2] - side + 1
    codes = np.zeros((len(pixels), height, width), np.uint64)
    for y, x, channel in np.ndindex(weights.shape):
        part = pixels[:, y : y + height, x : x + width, channel].astype(np.uint64)
        codes += (part + np.uint64(1)) * weights[y, x, channel]
    return codes


# Contradiction -----------------------------------------------------------------------


class Witnesses:
    """What the nearest rows say of a row's label once the rows of a pattern are left out."""

    def __init__(self, x: Floats, labels: Codes) -> None:
        self._x, self._labels = x, labels
        self._n_classes = int(labels.max()) + 1
        step = -(-len(x) // _MAX_POOL)
        self._pool = np.arange(0, len(x), step)
        places, _ = neighbours(x, x[self._pool], _N_NEIGHBOURS + 1)
        near = self._pool[places]
        self._near = np.where(near == np.arange(len(x))[:, None], -1, near)
        self.wrong = self._verdict(np.arange(len(x)), self._near)

    def base(self, label: int) -> float:
        """Share of contradicted rows with this label (-1: with any), with some slack."""
        own = self.wrong[self._labels == label] if label >= 0 else self.wrong
        return max(float(own.mean()), _SLACK)

    def contradict(self, rows: Codes) -> Any:
        """Whether the voters among the other rows give each of ``rows`` another label."""
        carries = np.zeros(len(self._x) + 1, bool)
        carries[rows] = True
        near = self._near[rows]
        outside = (near >= 0) & ~carries[near]
        if (outside.sum(axis=1) >= _MIN_VOTERS).mean() > 0.5:  # noqa: PLR2004 - most rows
            return self._verdict(rows, np.where(outside, near, -1))
        pool = self._pool[~carries[self._pool]]
        places, _ = neighbours(self._x[rows], self._x[pool], _N_VOTERS)
        return self._verdict(rows, pool[places])

    def _verdict(self, rows: Codes, near: Codes) -> Any:
        """Majority of the first `_N_VOTERS` known neighbours against the label."""
        order = np.argsort(near < 0, axis=1, kind="stable")[:, :_N_VOTERS]
        voters = np.take_along_axis(near, order, axis=1)
        votes = np.zeros((len(rows), self._n_classes))
        weights = (voters >= 0).astype(float)
        np.add.at(votes, (np.arange(len(rows))[:, None], self._labels[voters]), weights)
        own = votes[np.arange(len(rows)), self._labels[rows]]
        return votes.max(axis=1) > own


def suspects(patterns: Iterator[Pattern], search: Search, witnesses: Witnesses) -> list[Suspect]:
    """The patterns by how much the other rows contradict them, most suspicious first."""
    from hauberk.methods.statistics import binomial_tail

    by_rows = {pattern.rows.tobytes(): pattern for pattern in patterns}  # one for equal rows
    largest = sorted(by_rows.values(), key=lambda pattern: -pattern.rows.size)[:MAX_CHECKED]
    results = []
    for pattern in largest:
        wrong = witnesses.contradict(pattern.rows)
        chance = witnesses.base(pattern.label)
        p_value = float(binomial_tail(int(wrong.sum()), wrong.size, chance))
        corrected = min(1.0, max(p_value, _FLOOR) * search.n_looked)
        results.append(Suspect(pattern=pattern, contradicted=wrong, p_value=corrected))
    return sorted(results, key=lambda suspect: (suspect.p_value, -suspect.pattern.rows.size))
