"""The linear part of the instruction scorer: small weights over hashed words and pairs of words.

The weights were trained on families of wordings and on ordinary texts by
``scripts/train_instruction_model.py``; a text is read as a set of features, so that length alone
says nothing. Reading them needs no library.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import chain
from typing import Any, Final

WIDTH: Final = 4096
"""Places of features; some share one, which costs little accuracy and bounds the size."""

WINDOW: Final = 40
"""Words that are judged together; an instruction within a long text must not be diluted."""

MAX_WINDOWS: Final = 400

_WORD = re.compile(r"https?://|[\w.+-]+@[\w-]+\.\w+|[^\W\d_]+(?:'[a-z]+)?|\d+|[<>\[\]|#:=-]{2,}")


_MAX_KEPT = 24
"""Letters of a word up to which what was read in it is kept for the next text."""

_KEPT = 1 << 14
"""Words, and pairs of words, that are kept; the oldest are forgotten."""


def _words(text: str) -> list[str]:
    """Words in lower case; addresses and numbers stand for their kind."""
    pieces = text.split()  # no word holds a blank
    is_kept = max(map(len, pieces), default=0) <= _MAX_KEPT
    return list(chain.from_iterable(map(_kept_words_in if is_kept else _words_in, pieces)))


def _words_in(piece: str) -> list[str]:
    found = []
    for match in _WORD.finditer(piece.lower()):
        word = match[0]
        if word.startswith("http") and "://" in word:
            word = "URL"
        elif "@" in word:
            word = "MAIL"
        elif word[0].isdigit():
            word = "0"
        found.append(word)
    return found


_kept_words_in = lru_cache(_KEPT)(_words_in)


def places(text: str) -> list[int]:
    """Places of the features of ``text``, each once."""
    return sorted(set().union(*_features(_words(text))))


def _features(words: Sequence[str]) -> tuple[list[int], list[int], list[int]]:
    """Places of the words, of the pairs that begin with each, and of those that skip one."""
    is_kept = max(map(len, words), default=0) <= _MAX_KEPT
    single, pair, skip = _KEPT_PLACES if is_kept else _PLACES
    return (
        list(map(single, words)),
        list(map(pair, words, words[1:])),
        list(map(skip, words, words[2:])),
    )


def _single(word: str) -> int:
    return zlib.crc32(word.encode()) % WIDTH


def _pair(first: str, second: str) -> int:
    return _single(f"{first} {second}")


def _skip(first: str, second: str) -> int:
    return _single(f"{first} _ {second}")


_PLACES: Final = (_single, _pair, _skip)
_KEPT_PLACES: Final = tuple(lru_cache(_KEPT)(place) for place in _PLACES)


def score(text: str, weights: Mapping[str, Any] | None = None) -> float:
    """How much the most telling window of ``text`` is like an instruction, 0 to 1."""
    value = weights or _weights()
    words = _words(text)
    step = WINDOW // 2
    starts = range(0, max(1, len(words) - step), step)[:MAX_WINDOWS]
    single, pairs, skips = _features(words)
    return max(
        _scored(
            {
                *single[start : start + WINDOW],
                *pairs[start : start + WINDOW - 1],
                *skips[start : start + WINDOW - 2],
            },
            value,
        )
        for start in starts
    )


def _scored(found: set[int], value: Mapping[str, Any]) -> float:
    weights: Sequence[int] = value["weights"]
    total = sum(map(weights.__getitem__, found)) / float(value["scale"])
    margin = total / max(1.0, len(found)) ** 0.5 + float(value["bias"])
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin))))


@cache
def _weights() -> Mapping[str, Any]:
    text = files("hauberk.methods").joinpath("instruction_model.json").read_text("utf-8")
    value: Mapping[str, Any] = json.loads(text)
    return value
