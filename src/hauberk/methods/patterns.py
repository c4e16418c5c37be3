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
from dataclasses import dataclass, replace
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

MAX_CLASS_SHARE = 0.6
"""Of a class; a larger part is the class and not a group inside it."""

MAX_CHECKED = 4_000
"""Candidates held against their neighbours, best first; each costs some microseconds."""

MAX_PAIR_COLUMNS = 40
"""Columns of which pairs are formed; their number grows with the square."""

MAX_END = 0.05
"""Share of the rows that may make up an end of a column."""

_STEPS = (0.02, 0.004)
"""Of the distance between a column's quarters: how much a value may waver."""

_END_SIZES = (5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200)
_MANY_VALUES = 40
_AROUND = 5
_FAR = 1e12
_N_NEIGHBOURS = 40
_N_VOTERS = 9
_MIN_VOTERS = 5
_MAX_POOL = 10_000
_SAMPLE = 1_200
_N_SAMPLE_VOTERS = 25
_SLACK = 0.05
_UNLIKE = 0.85
_UNLIKE_WORDS = 0.75
"""How likely the rows of a trigger have its label, at most, in units of how usual it is; of
texts whose one word was left out little may be left that says anything."""

_FLOOR = 1e-300

MIN_PURE = 0.97
"""Share of one label that makes a pattern decide by itself, whatever its rows say besides."""

_IMPLIED = 0.9
_WORDY = 0.5
"""Share of a category's values of several words from which on their words are looked at."""

_N_SHARED = 20
_LEAST_LIFT = 1e-6
_LEANS, _LEANS_MORE = 1.1, 0.03
"""How likely the rows' label may be by the rest of them before it counts as explained."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """A pattern with the rows that carry it.

    Attributes:
        rows: Row numbers, increasing.
        label: Code of the label that goes with it, or -1 where several do.
        place: Where it is, in words.
        columns: Columns that it lies in; empty for images and texts.
        lift: Chance that so many rows share it, by how often other values of the column are
            shared, or by the values of a pair being independent; 1 where nobody asked.
        is_level: Whether it is a value of a category.
        is_end: Whether it is an end of a column, where honest columns decide the label alone.
    """

    rows: Codes
    label: int
    place: str
    columns: tuple[str, ...] = ()
    lift: float = 1.0
    is_end: bool = False
    is_level: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspect:
    """A pattern that the other rows contradict.

    Attributes:
        believed: Code of the label that the nearest rows without the pattern give each row.
        contradicted: Where that is not its own.
        p_value: Chance of so many, corrected for all patterns looked at.
        by_chance: Chance that rows picked without a look at their label would all have this
            one, corrected alike; 1 where the rest of the rows leans to that label too.
    """

    pattern: Pattern
    believed: Codes
    contradicted: Any
    p_value: float
    n_looked: int = 1
    by_chance: float = 1.0

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
        self.n_single = 0
        self.n_levels = 0

    def corrected_by(self, pattern: Pattern) -> int:
        """For how many patterns a chance is corrected.

        A third of what may err is for values of categories, which are few, a third for values of
        numbers, and a third for pairs, which are many.
        """
        if not self.n_single:
            return self.n_looked
        if len(pattern.columns) != 1:
            return 3 * self.n_looked
        return 3 * (self.n_levels if pattern.is_level else self.n_single)

    def table(self, rows: Rows) -> Iterator[Pattern]:
        """Values, and pairs of values, that some rows share."""
        columns = [(name, rows.numbers[:, i]) for i, name in enumerate(rows.names)]
        columns += [(name, rows.codes[:, i]) for i, (name, _) in enumerate(rows.levels)]
        coded = [
            (name, np.unique(cells, return_inverse=True)[1].reshape(-1)) for name, cells in columns
        ]
        levels = {name for name, _ in rows.levels}
        for name, codes in coded:
            usual = np.sort(np.bincount(codes))[::-1][: _N_SHARED + 1].astype(float)
            before = self.n_looked
            for places, label in self._shared(codes):
                yield Pattern(
                    rows=places,
                    label=label,
                    place=f"one value of {name}",
                    columns=(name,),
                    lift=_lift(places.size, (usual.sum() - places.size) / max(usual.size - 1, 1)),
                    is_level=name in levels,
                )
            self.n_levels += (self.n_looked - before) if name in levels else 0
        for cells, (name, texts) in zip(rows.codes.T, rows.levels, strict=True):
            before = self.n_looked
            yield from self._words_of(name, cells, texts)
            self.n_levels += self.n_looked - before
        for i, name in enumerate(rows.names):
            yield from self._near_values(name, rows.numbers[:, i])
        self.n_single = self.n_looked
        for (first, a), (second, b) in combinations(coded[:MAX_PAIR_COLUMNS], 2):
            for places, label in self._shared(a * (int(b.max()) + 1) + b):
                place = f"one pair of values of {first} and {second}"
                one, two = (float((c == c[places[0]]).sum()) for c in (a, b))
                if places.size > _IMPLIED * min(one, two):  # the other value adds nothing
                    continue
                yield Pattern(
                    rows=places,
                    label=label,
                    place=place,
                    columns=(first, second),
                    lift=_lift(places.size, one * two / a.size),
                )

    def _words_of(self, name: str, codes: Codes, texts: tuple[str, ...]) -> Iterator[Pattern]:
        """Words that cells of several values share, where values are made of words."""
        words = [
            frozenset(re.findall(r"\w+", text.lower()[:MAX_TEXT_CHARACTERS])) for text in texts
        ]
        if sum(len(found) > 1 for found in words) < _WORDY * len(words):
            return
        places: dict[str, int] = {}
        held = [[places.setdefault(word, len(places)) for word in sorted(own)] for own in words]
        owners = [row for row, code in enumerate(codes) if code >= 0 for _ in held[code]]
        found = [word for code in codes if code >= 0 for word in held[code]]
        rows_of = np.array(owners, np.int64)
        for picked, label in self._shared(np.array(found, np.int64), rows_of):
            rows = np.sort(rows_of[picked])
            if np.unique(codes[rows]).size > 1:
                place = f"one word of {name}"
                yield Pattern(rows=rows, label=label, place=place, columns=(name,), is_level=True)

    def _near_values(self, name: str, cells: Any) -> Iterator[Pattern]:
        """Values that are almost equal, and the ends of a column: a trigger may waver."""
        known = np.flatnonzero(np.isfinite(cells))
        low, high = np.quantile(cells[known], [0.25, 0.75]) if known.size else (0.0, 0.0)
        if high <= low or np.unique(cells[known]).size < _MANY_VALUES:
            return
        for step in _STEPS:
            codes = np.full(cells.size, -1)
            shifted = (cells[known] - low) / ((high - low) * step)
            codes[known] = np.unique(np.floor(np.clip(shifted, -_FAR, _FAR)), return_inverse=True)[
                1
            ]
            for places, label in self._shared(codes):
                if codes[places[0]] >= 0 and np.ptp(cells[places]) > 0:
                    yield Pattern(
                        rows=places,
                        label=label,
                        place=f"almost one value of {name}",
                        columns=(name,),
                        lift=_lift(places.size, _density(cells[known], cells[places])),
                    )
        order = known[np.argsort(cells[known], kind="stable")]
        for word, rows in (("smallest", order), ("largest", order[::-1])):
            for size in _END_SIZES:
                yield from self._end(rows[:size], f"the {word} values of {name}", name)

    def _end(self, rows: Codes, place: str, name: str) -> Iterator[Pattern]:
        low, high = max(MIN_ROWS, int(MIN_SHARE * self._labels.size)), MAX_END * self._labels.size
        if not low <= rows.size <= high:
            return
        self.n_looked += 1
        counts = np.bincount(self._labels[rows])
        if counts.max() >= MIN_PURE * rows.size:
            yield Pattern(
                rows=np.sort(rows),
                label=int(counts.argmax()),
                place=place,
                columns=(name,),
                is_end=True,
            )

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


def _density(cells: Any, places: Any) -> float:
    """How many rows a stretch as long as that of ``places`` holds on either side of it."""
    low, high = float(places.min()), float(places.max())
    reach = _AROUND * max(high - low, np.finfo(float).tiny)
    beside = (cells >= low - reach) & (cells <= high + reach) & ~((cells >= low) & (cells <= high))
    return float(beside.sum()) / (2 * _AROUND)


def _lift(count: int, expected: float) -> float:
    """Chance of ``count`` rows where ``expected`` are usual; honest columns have habits too."""
    from scipy.stats import poisson

    return max(float(poisson.sf(count - 1, max(expected, 1.0))), _LEAST_LIFT)


def _groups(inverse: Codes, wanted: Any) -> list[Codes]:
    """Positions of each wanted code."""
    kept = np.flatnonzero(wanted[inverse])
    order = kept[np.argsort(inverse[kept], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1) if order.size else []


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
        self._usual = np.bincount(labels) / labels.size
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
        return expected(self._fine, self._labels, rows)

    def margins(self) -> Any:
        """For each row, -1 to 1: votes for another label minus votes for its own, as shares."""
        votes = self._votes(self._near)
        total = np.maximum(votes.sum(axis=1), 1)
        own = votes[np.arange(len(votes)), self._labels]
        votes[np.arange(len(votes)), self._labels] = 0
        return (votes.max(axis=1) - own) / total

    def believe(self, rows: Codes, without: Codes | None = None) -> Codes:
        """The label that the nearest rows outside ``without`` (or ``rows``) give each of them."""
        carries = np.zeros(len(self._x) + 1, bool)
        carries[rows if without is None else without] = True
        near = self._near[rows]
        outside = (near >= 0) & ~carries[near]
        if (outside.sum(axis=1) >= _MIN_VOTERS).mean() > 0.5:  # noqa: PLR2004 - most rows
            return self._verdict(rows, np.where(outside, near, -1), _N_VOTERS)
        pool = self._pool[~carries[self._pool]]
        places, _ = neighbours(self._x[rows], self._x[pool], _N_VOTERS)
        return self._verdict(rows, pool[places], _N_VOTERS)

    def usual(self, pattern: Pattern) -> float:
        """How usual the label of a pattern is among all other rows."""
        own = int((self.labels[pattern.rows] == pattern.label).sum())
        total = int((self.labels == pattern.label).sum())
        return (total - own) / (self.labels.size - pattern.rows.size)

    def support(self, rows: Codes) -> float:
        """Mean share of the nearest rows outside ``rows`` that have each one's own label."""
        carries = np.zeros(len(self._x) + 1, bool)
        carries[rows] = True
        near = self._near[rows]
        near = np.where((near >= 0) & ~carries[near], near, -1)
        votes = self._votes(near)
        usual = self._usual[self._labels[rows]]
        own = votes[np.arange(rows.size), self._labels[rows]] + usual
        return float((own / (votes.sum(axis=1) + 1)).mean())

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


def expected(wrong: Any, labels: Codes, rows: Codes) -> float:
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
        out_of_bag = self._forest(np.arange(len(x)), x).oob_decision_function_
        self._wrong = np.unique(labels)[out_of_bag.argmax(axis=1)] != labels

    def confirm(self, suspect: Suspect, n_looked: int, rest: Floats | None = None) -> Suspect:
        """``suspect`` as trees see it that were grown without its rows.

        Args:
            rest: Features without the columns of the pattern: a trigger says nothing there. A
                pattern that fills a region of its own, where nobody else can speak of it, does.
        """
        heard = self._heard(suspect, self._x, n_looked)
        if rest is None:
            return heard
        again = self._heard(suspect, rest, n_looked) if rest.shape[1] else None
        if again is None:  # there is nothing that could contradict it
            return replace(heard, p_value=1.0)
        return max(heard, again, key=lambda one: one.p_value)

    def _heard(self, suspect: Suspect, x: Floats, n_looked: int) -> Suspect:
        rows = suspect.pattern.rows
        forest = self._without(rows, x)
        classes = np.asarray(forest.classes_, np.int64)
        chances = forest.predict_proba(x[rows])
        believed = classes[chances.argmax(axis=1)]
        own = chances * (classes == self._labels[rows][:, None])
        chance = expected(self._wrong, self._labels, rows)
        support = float(own.sum(axis=1).mean())
        return suspected(suspect.pattern, believed, self._labels, chance, n_looked, support)

    def support(self, pattern: Pattern, rest: Floats) -> float:
        """How likely the rows of a pattern have its label by ``rest``, for trees without them."""
        forest = self._without(pattern.rows, rest)
        chances = forest.predict_proba(rest[pattern.rows])
        return float(
            chances[:, np.flatnonzero(forest.classes_ == pattern.label)].sum(axis=1).mean()
        )

    def believe(self, rows: Codes, without: Codes) -> Codes:
        """The label that trees grown without some rows give each of ``rows``."""
        return np.asarray(self._without(without, self._x).predict(self._x[rows]), np.int64)

    def _without(self, rows: Codes, x: Floats) -> Any:
        return self._forest(np.setdiff1d(np.arange(len(x)), rows), x)

    def _forest(self, rows: Codes, x: Floats) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            60, min_samples_leaf=2, bootstrap=True, oob_score=True, random_state=0, n_jobs=1
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a row may be in every bag: it counts as right
            return forest.fit(x[rows], self._labels[rows])


def suspected(  # noqa: PLR0917 - what is said of it, in the order of the docstring
    pattern: Pattern,
    believed: Codes,
    labels: Codes,
    chance: float,
    n_looked: int,
    support: float | None = None,
) -> Suspect:
    """``pattern`` held against what others believe of its rows, ``chance`` by itself.

    Args:
        support: How likely its rows have their labels, on average, as others see it: so many
            of a rare class are a surprise even where rows of that class are often contradicted.
    """
    from hauberk.methods.statistics import binomial_tail

    wrong = believed != labels[pattern.rows]
    p_value = float(binomial_tail(int(wrong.sum()), wrong.size, chance))
    if support is not None and pattern.label >= 0:
        own = int((labels[pattern.rows] == pattern.label).sum())
        p_value = 2 * min(p_value, float(binomial_tail(own, wrong.size, max(support, _SLACK))))
    corrected = min(1.0, max(p_value, _FLOOR) * n_looked)
    return Suspect(
        pattern=pattern,
        believed=believed,
        contradicted=wrong,
        p_value=corrected,
        n_looked=n_looked,
    )


def _unlike(pattern: Pattern) -> float:
    return _UNLIKE if pattern.columns else _UNLIKE_WORDS


def suspects(patterns: Iterator[Pattern], search: Search, witnesses: Witnesses) -> list[Suspect]:
    """The patterns by how much the other rows contradict them, most suspicious first."""
    by_rows = {pattern.rows.tobytes(): pattern for pattern in patterns}  # one for equal rows
    largest = sorted(by_rows.values(), key=lambda pattern: -pattern.rows.size)[:MAX_CHECKED]
    results = [_first_look(pattern, search, witnesses) for pattern in largest]
    return sorted(results, key=lambda suspect: (suspect.p_value, -suspect.pattern.rows.size))


def _first_look(pattern: Pattern, search: Search, witnesses: Witnesses) -> Suspect:
    """The pattern as its nearest rows see it; no suspect where they know nothing of its rows."""
    rows = pattern.rows
    support = witnesses.support(rows)
    n_looked = search.corrected_by(pattern)
    found = suspected(
        pattern,
        witnesses.believe(rows),
        witnesses.labels,
        witnesses.base(rows),
        n_looked,
        support,
    )
    is_like = pattern.label >= 0 and support > _unlike(pattern) * witnesses.usual(pattern)
    by_chance = 1.0
    if pattern.label >= 0 and not pattern.is_end:
        usual = witnesses.usual(pattern)
        # That one column leans to the label is for those to judge who do not see it.
        leans = (min(support, usual) if len(pattern.columns) == 1 else support, usual)
        by_chance = chance_of_purity(pattern, witnesses.labels, leans, n_looked)
    return replace(found, p_value=1.0 if is_like else found.p_value, by_chance=by_chance)


def chance_of_purity(
    pattern: Pattern, labels: Codes, leans: tuple[float, float], n_looked: int
) -> float:
    """Chance that rows picked whatever their label all have this one, corrected.

    Args:
        leans: How likely the label is by the rest of these rows, and how usual it is among all
            others. Where the first is larger, the rows were not picked whatever they are.
    """
    from hauberk.methods.statistics import binomial_tail

    support, usual = leans
    own = int((labels[pattern.rows] == pattern.label).sum())
    slack = _LEANS_MORE + float(np.sqrt(usual * (1 - usual) / pattern.rows.size))
    if own < MIN_PURE * pattern.rows.size or support > _LEANS * usual + slack:
        return 1.0
    p_value = float(binomial_tail(own, pattern.rows.size, max(support, usual, _SLACK)))
    return min(1.0, p_value * pattern.lift * n_looked)
