"""What words mean, as far as it tells who takes a language model over: one small lexicon.

A writer has many verbs for setting rules aside, in many languages, and few ideas. Words are read as
the ideas that they can stand for, so that what is learnt from one wording holds for another.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias

_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff])"
"""Letters, and the marks that stand above, below and between them."""

_WORD = re.compile(
    rf"https?://\S*|[\w.+-]{{1,64}}@[\w-]{{1,64}}\.\w+|{_LETTER}+(?:'{_LETTER}+)?|\d+|[<>\[\]|#:={{}}*-]{{2,}}"
)
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts whose words run together, or carry endings that no list can hold."""

MIN_STEM: Final = 3


@cache
def _table() -> Mapping[str, str]:
    table: Mapping[str, str] = tomllib.loads(
        files("hauberk.methods").joinpath("concepts.toml").read_text("utf-8")
    )
    return table


@cache
def names() -> tuple[str, ...]:
    """The ideas, in the order in which weights over them are kept."""
    return tuple(_table())


_Ideas: TypeAlias = Mapping[str, tuple[str, ...]]


@cache
def _lexicon() -> tuple[_Ideas, _Ideas, re.Pattern[str]]:
    """Whole words, stems, and a pattern of what stands within runs of letters."""
    whole: dict[str, tuple[str, ...]] = {}
    stems: dict[str, tuple[str, ...]] = {}
    within: dict[str, tuple[str, ...]] = {}
    for name, told in _table().items():
        for form in dict.fromkeys(told.split()):
            held = stems if form.endswith("-") else within if _UNSPACED.search(form) else whole
            word = form.removesuffix("-")
            held[word] = (*held.get(word, ()), name)
    longest = sorted(within, key=len, reverse=True)
    return {**whole, **within}, stems, re.compile("|".join(map(re.escape, longest)))


def concepts(word: str) -> tuple[str, ...]:
    """Ideas that ``word``, in lower case, can stand for."""
    whole, stems, _ = _lexicon()
    found = whole.get(word)
    if found is not None:
        return found
    for end in range(len(word), MIN_STEM - 1, -1):
        found = stems.get(word[:end])
        if found is not None:
            return found
    return ()


def words(text: str) -> Iterator[str]:
    """Words of ``text`` in lower case; addresses and numbers stand for their kind."""
    within = _lexicon()[2]
    for match in _WORD.finditer(text.lower().replace("\u2019", "'")):
        word = match[0]
        if word.startswith("http") and "://" in word:
            yield "URL"
        elif "@" in word:
            yield "MAIL"
        elif word[0].isdigit():
            yield "0"
        elif _UNSPACED.match(word):
            yield from within.findall(word) or (word[:4],)
        else:
            yield word
