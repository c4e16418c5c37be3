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
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Floats, Rows, neighbours, principal

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

MAX_CLASS_SHARE = 0.6
"""Of a class; a larger part is the class and not a group inside it."""

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
_SAMPLE = 1_200
_N_SAMPLE_VOTERS = 25
_FINE_COMPONENTS = 60
_N_DIRECTIONS = 3
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
        is_diffuse: Whether its rows are alike in the whole rather than equal in a part.
    """

    rows: Codes
    label: int
    place: str
    columns: tuple[str, ...] = ()
    is_diffuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspect:
    """A pattern that the other rows contradict.

    Attributes:
        believed: Code of the label that the nearest rows without the pattern give each row.
        contradicted: Where that is not its own.
        p_value: Chance of so many, corrected for all patterns looked at.
    """

    pattern: Pattern
    believed: Codes
    contradicted: Any
    p_value: float

    @property
    def share(self) -> float:
        """Share of its rows that are contradicted."""
        return float(np.mean(self.contradicted))

    @property
    def n_origins(self) -> float:
        """How many labels the contradicted rows seem to come from, as an effective number."""
        counts = np.bincount(self.believed[self.contradicted]).astype(float)
        return float(counts.sum() ** 2 / max((counts**2).sum(), 1))


# Candidates --------------------------------------------------------------------------


class Search:
    """Looks through patterns and counts how many it looked at, for the correction.

    A pattern is kept when its rows go with one label, or when most of them are contradicted
    already with the pattern left in (a trigger that gives each class another one).
    """

    def __init__(self, labels: Codes, wrong: Any) -> None:
        self._labels, self._wrong = labels, wrong
        self._class_sizes = np.bincount(labels)
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

    def directions(self, images: Floats) -> Iterator[Pattern]:
        """Groups inside a class that fine structure sets apart, as no other class has it.

        Fine structure is what a picture has beyond its smooth part. In each class it is
        scaled by its spread over the other classes; along the directions of largest
        remaining spread the class is cut in two where that explains most.
        """
        fine = principal(_fine_structure(images), _FINE_COMPONENTS)
        for code in np.unique(self._labels):
            own = np.flatnonzero(self._labels == code)
            others = fine[self._labels != code]
            if own.size < 4 * MIN_ROWS or len(others) < fine.shape[1]:
                continue
            along = _set_apart(fine[own], others)
            for axis in range(along.shape[1]):
                for part in _halves(along[:, axis]):
                    self.n_looked += 1
                    if MIN_ROWS <= part.size <= MAX_CLASS_SHARE * own.size:
                        place = "a fine structure all over the picture"
                        yield Pattern(rows=own[part], label=int(code), place=place, is_diffuse=True)

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
        # Without most of a class there is nobody left to speak for its honest rows.
        rare &= (table <= MAX_CLASS_SHARE * self._class_sizes).all(axis=1)
        refuted = np.bincount(inverse, wrong, counts.size) >= MIN_REFUTED * counts
        for group in _groups(inverse, rare & (pure | refuted)):
            code = inverse[group[0]]
            yield np.sort(group), int(table[code].argmax()) if pure[code] else -1


def _fine_structure(images: Floats) -> Floats:
    """Each picture minus the mean of the 3x3 pixels around each place, flat."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    smooth = sum(
        padded[:, y : y + height, x : x + width] for y, x in np.ndindex(3, 3)
    ) / np.float32(9)
    return np.asarray((images - smooth).reshape(len(images), -1), np.float32)


def _set_apart(own: Floats, others: Floats) -> Any:
    """Rows of ``own`` along the directions in which they spread most compared to ``others``."""
    centre = others.mean(axis=0)
    spread = np.cov(others - centre, rowvar=False) + 1e-6 * np.eye(others.shape[1])
    weights, axes = np.linalg.eigh(spread)
    floor = np.maximum(weights, 0.02 * weights.mean())
    scaled = (own - own.mean(axis=0)) @ (axes / np.sqrt(floor))
    _, _, directions = np.linalg.svd(scaled, full_matrices=False)
    return scaled @ directions[:_N_DIRECTIONS].T


def _halves(values: Any) -> list[Codes]:
    """The two parts of a cut that leaves the least spread inside them (Otsu)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    n = ordered.size
    sums, left = np.cumsum(ordered)[:-1], np.arange(1, n)
    between = (sums / left - (ordered.sum() - sums) / (n - left)) ** 2 * left * (n - left)
    cut = int(between.argmax()) + 1
    return [np.sort(order[:cut]), np.sort(order[cut:])]


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
    """What the nearest rows say of a row's label once the rows of a pattern are left out.

    Attributes:
        wrong: Rows contradicted by their nearest rows, or by many rows of a small sample,
            in which the carriers of a rare pattern are too few to outvote the others.
    """

    def __init__(self, x: Floats, labels: Codes) -> None:
        self._x, self._labels = x, labels
        self._n_classes = int(labels.max()) + 1
        self.labels = labels
        self._pool = _every(len(x), _MAX_POOL)
        self._near = self._without_itself(self._pool, _N_NEIGHBOURS)
        everyone = np.arange(len(x))
        self._fine = self._verdict(everyone, self._near, _N_VOTERS) != labels
        sample = self._without_itself(_every(len(x), _SAMPLE), _N_SAMPLE_VOTERS)
        coarse = self._verdict(everyone, sample, _N_SAMPLE_VOTERS) != labels
        self.wrong = self._fine | coarse

    def _without_itself(self, pool: Codes, k: int) -> Codes:
        places, _ = neighbours(self._x, self._x[pool], k + 1)
        near = pool[places]
        return np.where(near == np.arange(len(self._x))[:, None], -1, near)

    def base(self, rows: Codes) -> float:
        """Share of contradicted rows to expect of rows with these labels, with some slack."""
        return _expected(self._fine, self._labels, rows)

    def margins(self) -> Any:
        """For each row, -1 to 1: votes for another label minus votes for its own, as shares."""
        votes = self._votes(self._near)
        total = np.maximum(votes.sum(axis=1), 1)
        own = votes[np.arange(len(votes)), self._labels]
        votes[np.arange(len(votes)), self._labels] = 0
        return (votes.max(axis=1) - own) / total

    def believe(self, rows: Codes) -> Codes:
        """The label that the nearest rows outside ``rows`` give each of them."""
        carries = np.zeros(len(self._x) + 1, bool)
        carries[rows] = True
        near = self._near[rows]
        outside = (near >= 0) & ~carries[near]
        if (outside.sum(axis=1) >= _MIN_VOTERS).mean() > 0.5:  # noqa: PLR2004 - most rows
            return self._verdict(rows, np.where(outside, near, -1), _N_VOTERS)
        pool = self._pool[~carries[self._pool]]
        places, _ = neighbours(self._x[rows], self._x[pool], _N_VOTERS)
        return self._verdict(rows, pool[places], _N_VOTERS)

    def _verdict(self, rows: Codes, near: Codes, n_voters: int) -> Codes:
        """Majority of the first ``n_voters`` known neighbours; a tie is for the row's label."""
        order = np.argsort(near < 0, axis=1, kind="stable")[:, :n_voters]
        votes = self._votes(np.take_along_axis(near, order, axis=1))
        votes[np.arange(len(rows)), self._labels[rows]] += 0.5
        return np.asarray(votes.argmax(axis=1), np.int64)

    def _votes(self, voters: Codes) -> Any:
        votes = np.zeros((len(voters), self._n_classes))
        weights = (voters >= 0).astype(float)
        np.add.at(votes, (np.arange(len(voters))[:, None], self._labels[voters]), weights)
        return votes


def _every(n: int, most: int) -> Codes:
    """At most ``most`` evenly spaced row numbers."""
    return np.arange(0, n, -(-n // most))


def _expected(wrong: Any, labels: Codes, rows: Codes) -> float:
    """Mean over ``rows`` of how often *other* rows with their label are contradicted."""
    size = int(labels.max()) + 1
    own, inside = labels[rows], wrong[rows]
    totals = np.bincount(labels, minlength=size) - np.bincount(own, minlength=size)
    hits = np.bincount(labels, wrong, size) - np.bincount(own, inside, size)
    shares = np.maximum(hits / np.maximum(totals, 1), _SLACK)
    return float(shares[own].mean())


class Jury:
    """Trees as a second opinion on the few patterns that the nearest rows contradict.

    In tables one column may decide the label while the others say nothing; neighbours do
    not see that, trees do.
    """

    def __init__(self, x: Floats, labels: Codes) -> None:
        self._x, self._labels = x, labels
        out_of_bag = self._forest(np.arange(len(x))).oob_decision_function_
        self._wrong = np.unique(labels)[out_of_bag.argmax(axis=1)] != labels

    def confirm(self, suspect: Suspect, n_looked: int) -> Suspect:
        """``suspect`` as trees see it that were grown without its rows."""
        rows = suspect.pattern.rows
        outside = np.setdiff1d(np.arange(len(self._x)), rows)
        believed = np.asarray(self._forest(outside).predict(self._x[rows]), np.int64)
        chance = _expected(self._wrong, self._labels, rows)
        return _suspect(suspect.pattern, believed, self._labels, chance, n_looked)

    def _forest(self, rows: Codes) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            60, min_samples_leaf=2, bootstrap=True, oob_score=True, random_state=0, n_jobs=1
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a row may be in every bag: it counts as right
            return forest.fit(self._x[rows], self._labels[rows])


def _suspect(
    pattern: Pattern, believed: Codes, labels: Codes, chance: float, n_looked: int
) -> Suspect:
    from hauberk.methods.statistics import binomial_tail

    wrong = believed != labels[pattern.rows]
    p_value = float(binomial_tail(int(wrong.sum()), wrong.size, chance))
    corrected = min(1.0, max(p_value, _FLOOR) * n_looked)
    return Suspect(pattern=pattern, believed=believed, contradicted=wrong, p_value=corrected)


def suspects(patterns: Iterator[Pattern], search: Search, witnesses: Witnesses) -> list[Suspect]:
    """The patterns by how much the other rows contradict them, most suspicious first."""
    by_rows = {pattern.rows.tobytes(): pattern for pattern in patterns}  # one for equal rows
    largest = sorted(by_rows.values(), key=lambda pattern: -pattern.rows.size)[:MAX_CHECKED]
    results = [
        _suspect(
            pattern,
            witnesses.believe(pattern.rows),
            witnesses.labels,
            witnesses.base(pattern.rows),
            search.n_looked,
        )
        for pattern in largest
    ]
    return sorted(results, key=lambda suspect: (suspect.p_value, -suspect.pattern.rows.size))
