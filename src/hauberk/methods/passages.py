"""Passages of a retrieval store: what was taken in, what stands out, and what may be retrieved.

A store holds texts, a vector for each, and where each came from. `seal` fixes what was taken in, so
that a vector that is edited later no longer fits; `oddities` looks for passages that were written
to be retrieved; `by_question` brings up what says most of what is asked, and `diverse` keeps one
source from filling an answer.

References:
    Zou et al. 2024, "PoisonedRAG". Radovanovic et al. 2010, "Hubs in space", for hubness.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hauberk.methods.instructions import THRESHOLD, instruction_in

N_PROBES: Final = 500
"""Passages that are taken for questions, to see what everything is near to."""

NEAREST: Final = 10
HUB_SHARE: Final = 0.1
"""Share of all probes to which one passage may be near; honest hubs stay below a third of it."""

LEAD: Final = 7
"""Words at the beginning that make passages alike."""

MIN_ALIKE: Final = 3
"""Passages that answer one question in the same words before somebody wanted them found."""

DEPTH: Final = 100
"""Hits that are held against the question; on stores of seeds below 10,000, 30 leave some accounts
out and 300 bring up no more."""

_STEP: Final = 0.1
"""Shares of a question that count as equal; the nearer passage goes first then."""

_ASKING: Final = frozenset(
    (
        *("who", "what", "which", "when", "where", "why", "how", "whose", "whom"),
        *("is", "was", "were", "are", "did", "does", "do", "has", "have", "had", "can", "could"),
    )
)

_QUESTION = re.compile(r"[^.!?\n]{12,300}\?")


def seal(text: str, source: str, vector: Any) -> str:
    """The digest of one passage with its vector, as it was taken in."""
    values = np.ascontiguousarray(vector, "<f4").tobytes()
    parts = (text.encode(), source.encode(), values)
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hashlib.sha256(framed).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """A passage that stands out.

    Attributes:
        why: In words.
    """

    row: int
    why: str


def oddities(texts: Sequence[str], vectors: Any) -> list[Oddity]:
    """Passages that look written, or placed, to be retrieved; one reason each.

    Args:
        vectors: (n_rows, width) floats, a row for each text.
    """
    found: dict[int, str] = {}
    for row in _hubs(vectors):
        found.setdefault(row, "near to everything")
    for row in _baited(texts):
        found.setdefault(row, "one of several that begin with the same question")
    for row, text in enumerate(texts):
        if row not in found and instruction_in(text).score >= THRESHOLD:
            found[row] = "an instruction to a model"
    return [Oddity(row=row, why=found[row]) for row in sorted(found)]


def _unit(vectors: Any) -> Any:
    rows = np.nan_to_num(np.asarray(vectors, np.float32))
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _hubs(vectors: Any) -> list[int]:
    unit = _unit(vectors)
    n = len(unit)
    if n <= 2 * NEAREST:
        return []
    probes = np.linspace(0, n - 1, min(N_PROBES, n)).astype(int)
    counts: Counter[int] = Counter()
    for start in range(0, len(probes), 100):
        part = probes[start : start + 100]
        near = unit[part] @ unit.T
        near[np.arange(len(part)), part] = -np.inf
        counts.update(np.argpartition(-near, NEAREST, axis=1)[:, :NEAREST].ravel().tolist())
    limit = max(HUB_SHARE, 3 * NEAREST / n) * len(probes)
    return sorted(row for row, count in counts.items() if count > limit)


def _baited(texts: Sequence[str]) -> list[int]:
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        match = _QUESTION.match(text.strip())
        rest = "" if match is None else text.strip()[match.end() :].strip()
        words = re.findall(r"\w+", match[0].lower())[:LEAD] if match else []
        if len(words) == LEAD and rest:
            groups[tuple(words)].append(row)
    return sorted(row for rows in groups.values() if len(rows) >= MIN_ALIKE for row in rows)


def rarity(texts: Sequence[str]) -> Mapping[str, float]:
    """How much each word of a store tells of a text that has it; rare words tell most."""
    counts = Counter(word for text in texts for word in _words(text))
    return {word: math.log((1 + len(texts)) / (1 + count)) for word, count in counts.items()}


def by_question(
    hits: Sequence[int],
    texts: Sequence[str],
    question: str,
    weights: Mapping[str, float],
    *,
    depth: int = DEPTH,
) -> list[int]:
    """The nearest passages, those first that hold most of the words of the question.

    Whoever plants a passage fits it to a question, and where accounts of others do not come up
    beside it, it has the only word. Words bring up accounts whose vectors lie further off.

    Args:
        hits: By how near they are.
        weights: Of the store's words; see `rarity`.
        depth: Hits that are looked at.

    >>> texts = ["Who built the mill? Ask Bo.", "Rain fell.", "The mill was built by Ana."]
    >>> by_question([0, 1, 2], texts, "Who built the mill?", rarity(texts))
    [0, 2, 1]
    """
    asked = {word: weights.get(word, 0.0) for word in _words(question) - _ASKING}
    whole = sum(asked.values()) or 1.0
    said = {row: sum(asked.get(word, 0.0) for word in _words(texts[row])) for row in hits[:depth]}
    return sorted(said, key=lambda row: -round(said[row] / whole / _STEP))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def diverse(
    hits: Sequence[int], sources: Sequence[str], *, k: int, per_source: int = 1
) -> list[int]:
    """The first ``k`` hits of which no source gives more than ``per_source``.

    >>> diverse([4, 3, 2, 1], ["a", "b", "c", "c", "c"], k=3)
    [4, 1]
    """
    taken: Counter[str] = Counter()
    kept: list[int] = []
    for row in hits:
        if len(kept) < k and taken[sources[row]] < per_source:
            taken[sources[row]] += 1
            kept.append(row)
    return kept


def edited(sealed: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """Names of passages that are not as they were taken in, or were never taken in."""
    return sorted(name for name, digest in current.items() if sealed.get(name) != digest)
