"""Marks of texts that a model has said, so that they are known when they come back.

A mark is a digest of the words and a sample of the digests of every three words in a row: the
smallest share of them (a half, a quarter ...) that leaves at most `KEPT`, chosen by the digests
themselves, so that two texts with the same three words choose alike. From it nobody reads the
text; whoever guesses a text can tell that it was said.

A text came from an output where the words are the same, or where so many of its runs of three
words are in the sample that chance and common phrases do not explain them: a fifth of the words
changed leaves half of the runs. Runs that stand in many marks are phrases and do not count.

References:
    Broder (1997), On the resemblance and containment of documents. Schleimer, Wilkerson and
    Aiken (2003), Winnowing: local algorithms for document fingerprinting.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hauberk.errors import ArtifactError
from hauberk.methods.encoding import normalised

KEPT: Final = 64
"""Digests in a mark at most; 272 bytes."""

MIN_WORDS: Final = 8
"""Shorter texts are said by everybody: names of classes, yes and no."""

MAX_MARKS: Final = 1_000_000
_RUN = 3
_MIN_HITS = 4
_LEAST = 0.2
"""Share of a mark that must be found again; see the figures of OU-3. Of 3,000 passages of other
pages none reached it while it was chosen, and 99 % of outputs with a fifth of the words changed."""

_OF_TEXT = 0.5
"""Share of a text that must come from one output, for a text that is a part of it."""

_COMMON = 0.005
"""Share of the marks above which a run of words is a phrase; with `_ALWAYS` marks at least."""

_ALWAYS = 5
_WORD = re.compile(r"\w+")
_HEAD = 9


def words_of(text: str) -> list[str]:
    """The words in one spelling; signs, spaces and invisible characters do not count."""
    return _WORD.findall(normalised(text).casefold())


def mark_of(text: str) -> bytes | None:
    """The mark of a text; ``None`` for one that is too short to be anybody's."""
    words = words_of(text)
    if len(words) < MIN_WORDS:
        return None
    runs = _runs(words)
    level = 0
    while len(runs) > KEPT:
        level += 1
        runs = runs[runs & ((1 << level) - 1) == 0]
    sampled: bytes = runs.astype("<u4").tobytes()
    return _exact(words) + bytes([level]) + sampled


def _exact(words: list[str]) -> bytes:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest()


def _runs(words: list[str]) -> Any:
    """Digests of every three words in a row, each once, in order: ``(n,)`` of uint32."""
    found = {
        hashlib.blake2b(" ".join(words[at : at + _RUN]).encode(), digest_size=4).digest()
        for at in range(len(words) - _RUN + 1)
    }
    return np.sort(np.frombuffer(b"".join(found), "<u4"))


@dataclass(frozen=True, slots=True)
class Match:
    """How a text was known.

    Attributes:
        share: Of the mark's runs, or of the text's, that were found again; 1 for the same words.
        is_exact: Whether the words are the same.
    """

    share: float
    is_exact: bool = False


class Marks:
    """Marks of what models said, ready to be asked.

    Raises:
        ArtifactError: One is no mark, or there are more than `MAX_MARKS`.
    """

    def __init__(self, marks: Iterable[bytes]) -> None:
        known = sorted(set(marks))
        if len(known) > MAX_MARKS or any(
            len(one) < _HEAD + 4 or len(one) % 4 != 1 for one in known
        ):
            raise ArtifactError(
                "these are no marks of outputs",
                rule="marks of outputs",
                expected=f"at most {MAX_MARKS}, each as the guard writes them",
                found=f"{len(known)}",
            )
        self._exact = frozenset(one[:8] for one in known)
        self._levels = np.array([one[8] for one in known], np.int64)
        runs = [np.frombuffer(one[_HEAD:], "<u4") for one in known]
        owners = np.repeat(np.arange(len(known)), [len(run) for run in runs])
        values = np.concatenate(runs) if runs else np.empty(0, np.uint32)
        order = np.argsort(values, kind="stable")
        self._values, self._owners = values[order], owners[order]
        self._drop_phrases(len(known))
        self._sizes = np.bincount(self._owners, minlength=len(known))

    def _drop_phrases(self, n_marks: int) -> None:
        _, places, counts = np.unique(self._values, return_inverse=True, return_counts=True)
        kept = counts[places] <= max(_ALWAYS, _COMMON * n_marks)
        self._values, self._owners = self._values[kept], self._owners[kept]

    def __len__(self) -> int:
        """Marks that are known."""
        return len(self._levels)

    def match(self, text: str) -> Match | None:
        """How the text is known; ``None`` for one that no model here has said."""
        words = words_of(text)
        if len(words) < MIN_WORDS:
            return None
        if _exact(words) in self._exact:
            return Match(1.0, is_exact=True)
        runs = _runs(words)
        begins = np.searchsorted(self._values, runs, "left")
        ends = np.searchsorted(self._values, runs, "right")
        places = [
            np.arange(begin, end) for begin, end in zip(begins, ends, strict=True) if end > begin
        ]
        if not places:
            return None
        owners, hits = np.unique(self._owners[np.concatenate(places)], return_counts=True)
        of_mark = hits / np.maximum(self._sizes[owners], _MIN_HITS)
        of_text = hits * 2.0 ** self._levels[owners] / max(len(runs), _MIN_HITS)
        of_text[of_text < _OF_TEXT] = 0.0
        shares = np.where(hits >= _MIN_HITS, np.maximum(of_mark, of_text), 0.0)
        best = float(min(1.0, shares.max()))
        return Match(best) if best >= _LEAST else None
