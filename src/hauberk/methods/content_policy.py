"""What a model may not say, as data: categories with examples, and a small classifier of them.

A content policy names categories. Each has examples of what it forbids, a threshold, and what is
told to the client in place of such an answer; ordinary texts beside them say what is allowed,
however near. A ridge classifier over hashed words, pairs of words and pieces of words learns the
categories when the policy is read, so that the policy file is all there is to edit.

Whoever has a better classifier puts it beside (`Classifier`); what both say is held against the
same thresholds. One that fails, or says something that is no score, has not said that a text is
allowed.

References:
    Hoerl and Kennard (1970), Ridge regression. Weinberger et al. (2009), Feature hashing.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, Final, NoReturn, Protocol

import numpy as np

from hauberk.errors import UnavailableError, UsageError
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.methods.encoding import normalised, unwrapped

WIDTH: Final = 8192
MAX_CATEGORIES: Final = 32
MAX_EXAMPLES: Final = 2_000
WINDOW: Final = 30
"""Words that are judged together; what is forbidden within a long answer must not be diluted."""

MAX_WINDOWS: Final = 200
REFUSAL: Final = "withheld: the answer is not one that this service gives"
_RIDGE = 1.0
_GRAM = 4
_PIECE = 0.5
_REACH: Final = 4
"""Words behind a negation that it denies."""

_DENYING: Final = frozenset(
    (
        *("no", "not", "never", "nobody", "none", "without", "cannot", "can't", "don't", "doesn't"),
        *("isn't", "won't", "nothing", "neither", "nor", "nicht", "kein", "keine", "keinen", "nie"),
        *("niemand", "ohne", "ne", "pas", "jamais", "sans", "aucun", "nunca", "nadie", "sin"),
        *("nessuno", "mai", "senza", "geen", "niet", "nooit"),
    )
)
_LIMITS = JsonLimits(max_bytes=4 << 20, max_values=50_000)
_WORD = re.compile(r"[^\W_]+(?:'[a-z]+)?")
_LEET = str.maketrans("0134578@$!|", "oieastbasil")
_DOTTED = re.compile(r"(?:(?<!\w)\w[.\-_*]){3,}\w(?!\w)")
_SPACED = re.compile(r"(?:(?<!\w)\w ){3,}\w(?!\w)")
_GAPS = re.compile(r"[ .\-_*]")
_END = re.compile(r"(?<=[.!?;:])\s+|\n+")
_NAME = re.compile(r"[a-z0-9-]{1,64}")


class Classifier(Protocol):
    """Somebody else's opinion of a text."""

    def scores(self, text: str) -> Mapping[str, float]:
        """Categories, each with how surely the text belongs to it, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One kind of content that is not allowed.

    Attributes:
        examples: Texts that belong to it.
        threshold: Score from which on a text does, 0 to 1.
        refusal: What a client is told in place of the answer.
    """

    name: str
    examples: tuple[str, ...]
    threshold: float = 0.5
    refusal: str = REFUSAL


@dataclass(frozen=True, kw_only=True)
class ContentPolicy:
    """Categories, and what is ordinary.

    Attributes:
        ordinary: Texts that are allowed.
    """

    categories: tuple[Category, ...]
    ordinary: tuple[str, ...] = field(default=())

    @cached_property
    def _weights(self) -> Any:
        """``(WIDTH + 1, n_categories)``; the last row is the constant."""
        texts = [
            (text, number) for number, one in enumerate(self.categories) for text in one.examples
        ]
        texts += [(text, -1) for text in self.ordinary]
        x = np.array([features(text) for text, _ in texts])
        kinds = np.array([number for _, number in texts])
        wanted = (kinds[:, None] == np.arange(len(self.categories))).astype(float)
        middle = wanted.mean(axis=0)
        kernel = x @ x.T + _RIDGE * np.eye(len(x))
        return x.T @ np.linalg.solve(kernel, wanted - middle), middle

    def scores(self, text: str) -> Mapping[str, float]:
        """What the policy's own classifier says of a text, under its disguises, 0 to 1."""
        weights, middle = self._weights
        rows = [features(window) for view in views(text) for window in _windows(view)]
        found = (np.array(rows[:MAX_WINDOWS]) @ weights + middle).max(axis=0)
        return {
            one.name: float(min(1.0, max(0.0, score)))
            for one, score in zip(self.categories, found, strict=True)
        }


def views(text: str) -> Iterator[str]:
    """The text as a reader may take it: under encodings, with letters for digits, without gaps."""
    seen = set()
    for layer in unwrapped(normalised(text)):
        plain = layer.text.casefold()
        gaps = _DOTTED if _DOTTED.search(plain) else _SPACED
        joined = gaps.sub(lambda match: _GAPS.sub("", match[0]), plain)
        for view in (plain, joined, plain.translate(_LEET), joined.translate(_LEET)):
            if view and view not in seen:
                seen.add(view)
                yield view


def _windows(text: str) -> Iterator[str]:
    """Sentences, each two that follow each other, and pieces of long ones."""
    sentences = _END.split(text)
    for one in chain(sentences, (f"{a} {b}" for a, b in pairwise(sentences))):
        words = one.split()
        for start in range(0, max(1, len(words) - WINDOW // 2), WINDOW // 2):
            yield " ".join(words[start : start + WINDOW])


def features(text: str) -> Any:
    """Words, pairs and pieces of words, hashed to a row of length 1.

    Words behind one that denies are other words: "cures" and "is no cure" have little in common.
    """
    row = np.zeros(WIDTH)
    words = _WORD.findall(text.casefold())
    said = list(_denied(words))
    pairs = (f"{one} {other}" for one, other in pairwise(said))
    skips = (f"{one} _ {other}" for one, other in zip(said, said[2:], strict=False))
    for word in chain(said, pairs, skips):
        row[zlib.crc32(word.encode()) % WIDTH] = 1.0
    for word in words:
        marked = f"<{word}>"
        for start in range(max(0, len(marked) - _GRAM) + 1):
            row[zlib.crc32(b"#" + marked[start : start + _GRAM].encode()) % WIDTH] = _PIECE
    size = math.sqrt(float(row @ row))
    return row / size if size else row


def _denied(words: Sequence[str]) -> Iterator[str]:
    """The words, marked for some way behind a negation."""
    left = 0
    for word in words:
        yield f"~{word}" if left > 0 else word
        left = _REACH if word in _DENYING else left - 1


def external_scores(
    classifier: Classifier, text: str, categories: Sequence[Category]
) -> Mapping[str, float]:
    """What another classifier says, held against its contract.

    Raises:
        UnavailableError: It failed, names other categories, or gives what is no score.
    """
    try:
        said: dict[Any, Any] = dict(classifier.scores(text))
    except Exception as error:  # whatever a foreign classifier raises, it has judged nothing
        raise _broken(type(error).__name__) from error
    known = {one.name for one in categories}
    if not said or not set(said) <= known:
        raise _broken("other categories")
    for value in said.values():
        is_number = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:
            raise _broken("a value that is no score")
    return {name: float(value) for name, value in said.items()}


def _broken(found: str) -> UnavailableError:
    return UnavailableError(
        "the classifier of contents breaks its contract",
        rule="known categories, each with a score",
        expected="numbers from 0 to 1",
        found=found,
    )


def from_bytes(data: bytes) -> ContentPolicy:
    """The content policy in ``data``.

    Raises:
        ArtifactError: The bytes are not strict JSON.
        UsageError: They are no content policy.
    """
    value = decode(data, _LIMITS)
    if type(value) is not dict or value.get("schema") != 1:
        _refuse("schema", "an object with schema 1")
    for name in sorted(value.keys() - {"schema", "categories", "ordinary"}):
        _refuse(name, "schema, categories and ordinary")
    given = value.get("categories")
    if type(given) is not dict or not 0 < len(given) <= MAX_CATEGORIES:
        _refuse("categories", f"an object of 1 to {MAX_CATEGORIES} categories")
    categories = tuple(_category(name, item) for name, item in given.items())
    ordinary = _texts("ordinary", value.get("ordinary", []))
    if sum(len(one.examples) for one in categories) + len(ordinary) > MAX_EXAMPLES:
        _refuse("examples", f"at most {MAX_EXAMPLES} texts")
    return ContentPolicy(categories=categories, ordinary=ordinary)


def _category(name: str, item: Any) -> Category:
    where = f"categories.{name}"
    if not _NAME.fullmatch(name):
        _refuse("categories", "names of small letters, digits and hyphens")
    if type(item) is not dict or not item.keys() <= {"examples", "threshold", "refusal"}:
        _refuse(where, "examples, threshold and refusal")
    examples = _texts(f"{where}.examples", item.get("examples", []))
    if not examples:
        _refuse(f"{where}.examples", "at least one text")
    threshold = item.get("threshold", 0.5)
    if type(threshold) not in (int, float) or not 0 < threshold < 1:
        _refuse(f"{where}.threshold", "a number between 0 and 1")
    refusal = item.get("refusal", REFUSAL)
    if type(refusal) is not str or not refusal:
        _refuse(f"{where}.refusal", "a text")
    return Category(name=name, examples=examples, threshold=float(threshold), refusal=refusal)


def _texts(where: str, value: Any) -> tuple[str, ...]:
    if type(value) is not list or any(type(text) is not str or not text.strip() for text in value):
        _refuse(where, "an array of texts")
    return tuple(value)


def _refuse(name: str, expected: str) -> NoReturn:
    raise UsageError(
        "the content policy cannot be used",
        subject=name,
        rule="content policy of version 1",
        expected=expected,
        found="something else",
        hint="see the tutorial on guarding a language model",
    )
