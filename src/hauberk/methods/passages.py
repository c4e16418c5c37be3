"""Passages of a retrieval store: what was taken in, what stands out, and what may be retrieved.

A store holds texts, a vector for each, and where each came from. `seal` fixes what was taken in, so
that a vector that is edited later no longer fits; `oddities` looks for passages that were written
to be retrieved; `diverse` keeps one source from filling an answer.

References:
    Zou et al. 2024, "PoisonedRAG". Radovanovic et al. 2010, "Hubs in space", for hubness.
"""

from __future__ import annotations

import hashlib
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
