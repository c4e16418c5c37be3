"""Cheap looks at a text that rule out costly ones.

A pattern that needs certain signs or words cannot match where they are missing. `Hinted` holds
a pattern with what it needs; whoever has many patterns and many texts reads each text once,
as `Looked`, and searches with those patterns alone that could match. What is found is the same
as without the look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_DOTTED: Final = str.maketrans("\u0130\u0131", "ii")
"""Letters that patterns take for an i where case does not count, and lower case does not."""

_WORD: Final = re.compile(r"\w+")


class Looked:
    """A text, and its letters in lower case, as patterns compare them."""

    __slots__ = ("_runs", "_words", "lower", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lower = text.lower() if text.isascii() else _lower(text)
        self._runs: list[str] | None = None
        self._words: frozenset[str] | None = None

    @property
    def runs(self) -> list[str]:
        """Runs of letters, digits and underscores, between which patterns see borders."""
        if self._runs is None:
            self._runs = _WORD.findall(self.lower)
        return self._runs

    @property
    def words(self) -> frozenset[str]:
        """The runs, each once."""
        if self._words is None:
            self._words = frozenset(self.runs)
        return self._words


def _lower(text: str) -> str:
    return text.translate(_DOTTED).lower().replace("\u017f", "s")


@dataclass(frozen=True, slots=True)
class Hinted:
    """A pattern, and what a text must have before it can match.

    Attributes:
        pattern: Without regard to case, or in lower case for `is_in`.
        words: Of each group, one must stand in the text as a whole word.
        signs: Of each group, one must stand in the text, in lower case.
    """

    pattern: re.Pattern[str]
    words: Sequence[frozenset[str]] = ()
    signs: Sequence[Sequence[str]] = ()

    def may_match(self, looked: Looked) -> bool:
        """Whether the text has what the pattern needs."""
        lower = looked.lower
        for group in self.signs:
            for sign in group:
                if sign in lower:
                    break
            else:
                return False
        if self.words:
            words = looked.words
            for choice in self.words:
                if choice.isdisjoint(words):
                    return False
        return True

    def search(self, looked: Looked) -> re.Match[str] | None:
        """The first match, as the pattern finds it."""
        return self.pattern.search(looked.text) if self.may_match(looked) else None

    def is_in(self, looked: Looked) -> bool:
        """Whether the pattern, where it is one in lower case, matches whatever the case."""
        return self.may_match(looked) and self.pattern.search(looked.lower) is not None


def hinted(form: str, *, words: Iterable[str] = (), signs: Iterable[str] = ()) -> Hinted:
    """A pattern whose needs are written as groups of words with blanks between them."""
    return Hinted(
        pattern=re.compile(form, re.IGNORECASE),
        words=tuple(frozenset(group.split()) for group in words),
        signs=tuple(tuple(group.split()) for group in signs),
    )
