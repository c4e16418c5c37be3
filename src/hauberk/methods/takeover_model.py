"""How much a text is like one that takes a language model over: small weights over ideas.

Words are read as the ideas they stand for (`hauberk.methods.concepts`), in any of some languages;
features are the ideas, their order within a few words, and hashed words and pairs of words. Two
heads were trained by ``scripts/train_takeover_model.py`` on texts that it composes itself: one for
what users write, who may say what to do, and one for documents and results of tools, which have no
reason to speak to a model. Reading them needs no library.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice, pairwise
from typing import Final

from hauberk.methods.concepts import concepts, names, words

WIDTH: Final = 1 << 13
"""Places of hashed words; some share one, which costs little accuracy and bounds the size."""

WINDOW: Final = 40
"""Words that are judged together; an instruction within a long text must not be diluted."""

NEAR: Final = 8
"""Words within which the order of two ideas tells something; two more for three ideas."""

MAX_WINDOWS: Final = 800
MAX_IDEAS_AHEAD: Final = 3

N_IDEAS: Final = 26
"""Ideas that there are places for; the lexicon has a few less."""

_N = N_IDEAS
_ONE = WIDTH
_TWO = _ONE + _N
_THREE = _TWO + _N * _N
N_PLACES: Final = _THREE + _N * _N * _N

_KEPT = 1 << 14
_MAX_KEPT = 24
_SENTENCE = re.compile(r"[.!?;|\n]+(?:\s|$)|\n|\|")
_MIN_SENTENCE = 3


class Head(StrEnum):
    """Who wrote a text."""

    USER = "user"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One head.

    Attributes:
        places: One weight for each place, -127 to 127.
        scale: What they are divided by.
    """

    places: Sequence[int]
    scale: float
    bias: float

    def of(self, found: set[int]) -> float:
        """The margin of one window; above zero is more like a takeover than not."""
        total = sum(map(self.places.__getitem__, found)) / self.scale
        return total / math.sqrt(max(1, len(found))) + self.bias


def margin(text: str, head: Head, weights: Weights | None = None) -> float:
    """The margin of the most telling window of ``text``."""
    value = weights or _weights()[head]
    return max(value.of(features(window)) for window in windows(text, head))


def windows(text: str, head: Head) -> Iterator[list[str]]:
    """Words that are judged together: stretches of a message, sentences of a document."""
    cut = _sentences(text) if head is Head.DOCUMENT else _stretches(list(words(text)))
    return islice(cut, MAX_WINDOWS)


def _stretches(found: list[str]) -> Iterator[list[str]]:
    step = WINDOW // 2
    for start in range(0, max(1, len(found) - step), step):
        yield found[start : start + WINDOW]


def _sentences(text: str) -> Iterator[list[str]]:
    """Sentences and lines, each alone and with the next; a long one in stretches."""
    cut = (list(words(part)) for part in _SENTENCE.split(text))
    kept = [part for part in cut if len(part) >= _MIN_SENTENCE] or [list(words(text))]
    for one in kept:
        yield from _stretches(one)
    for one, after in pairwise(kept):
        if len(one) + len(after) <= WINDOW:
            yield one + after


def features(found: Sequence[str]) -> set[int]:
    """Places of what stands in some words: hashed words and pairs, and ideas."""
    return word_places(found) | idea_places(found)


def word_places(found: Sequence[str]) -> set[int]:
    """Places of the words and of pairs of neighbours."""
    is_kept = max(map(len, found), default=0) <= _MAX_KEPT
    single, pair = (_kept_single, _kept_pair) if is_kept else (_single, _pair)
    return {*map(single, found), *map(pair, found, found[1:])}


def idea_places(found: Sequence[str]) -> set[int]:
    """Places of ideas, and of two and three of them in their order."""
    told = [(at, ideas) for at, word in enumerate(found) if (ideas := _ideas(word))]
    places: set[int] = set()
    for number, (at, ideas) in enumerate(told):
        places.update(_ONE + idea for idea in ideas)
        ahead = told[number + 1 : number + 1 + MAX_IDEAS_AHEAD]
        for after, others in ahead:
            if after - at <= NEAR:
                places.update(_TWO + one * _N + two for one in ideas for two in others)
        if len(ahead) > 1 and ahead[1][0] - at <= NEAR + 2:
            places.update(
                _THREE + (one * _N + two) * _N + three
                for one in ideas
                for two in ahead[0][1]
                for three in ahead[1][1]
            )
    return places


def _ideas(word: str) -> tuple[int, ...]:
    return _kept_ideas(word) if len(word) <= _MAX_KEPT else ()


@lru_cache(_KEPT)
def _kept_ideas(word: str) -> tuple[int, ...]:
    return tuple(names().index(name) for name in concepts(word))


def _single(word: str) -> int:
    return zlib.crc32(word.encode()) % WIDTH


def _pair(first: str, second: str) -> int:
    return _single(f"{first} {second}")


_kept_single = lru_cache(_KEPT)(_single)
_kept_pair = lru_cache(_KEPT)(_pair)


@cache
def _weights() -> Mapping[Head, Weights]:
    """What the script has written; it was trained on these ideas, in this order."""
    told = json.loads(files("hauberk.methods").joinpath("takeover_model.json").read_text("utf-8"))
    return {
        head: Weights(
            places=memoryview(base64.b64decode(told[head]["weights"])).cast("b"),
            scale=float(told[head]["scale"]),
            bias=float(told[head]["bias"]),
        )
        for head in Head
    }
