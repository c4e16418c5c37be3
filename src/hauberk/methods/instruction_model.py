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
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

WIDTH: Final = 4096
"""Places of features; some share one, which costs little accuracy and bounds the size."""

WINDOW: Final = 40
"""Words that are judged together; an instruction within a long text must not be diluted."""

MAX_WINDOWS: Final = 400

_WORD = re.compile(r"https?://|[\w.+-]+@[\w-]+\.\w+|[^\W\d_]+(?:'[a-z]+)?|\d+|[<>\[\]|#:=-]{2,}")


def _words(text: str) -> list[str]:
    """Words in lower case; addresses and numbers stand for their kind."""
    found = []
    for match in _WORD.finditer(text.lower()):
        word = match[0]
        if word.startswith("http") and "://" in word:
            word = "URL"
        elif "@" in word:
            word = "MAIL"
        elif word[0].isdigit():
            word = "0"
        found.append(word)
    return found


def places(text: str) -> list[int]:
    """Places of the features of ``text``, each once."""
    return _places(_words(text))


def _places(words: Sequence[str]) -> list[int]:
    pairs = (f"{a} {b}" for a, b in pairwise(words))
    skips = (f"{a} _ {b}" for a, b in zip(words, words[2:], strict=False))
    return sorted({zlib.crc32(item.encode()) % WIDTH for item in (*words, *pairs, *skips)})


def score(text: str, weights: Mapping[str, Any] | None = None) -> float:
    """How much the most telling window of ``text`` is like an instruction, 0 to 1."""
    value = weights or _weights()
    words = _words(text)
    step = WINDOW // 2
    starts = range(0, max(1, len(words) - step), step)[:MAX_WINDOWS]
    return max(_scored(_places(words[start : start + WINDOW]), value) for start in starts)


def _scored(found: Sequence[int], value: Mapping[str, Any]) -> float:
    weights: Sequence[int] = value["weights"]
    total = sum(weights[place] for place in found) / float(value["scale"])
    margin = total / max(1.0, len(found)) ** 0.5 + float(value["bias"])
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin))))


@cache
def _weights() -> Mapping[str, Any]:
    text = files("hauberk.methods").joinpath("instruction_model.json").read_text("utf-8")
    value: Mapping[str, Any] = json.loads(text)
    return value
