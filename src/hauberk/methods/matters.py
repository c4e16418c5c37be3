"""How alike the texts of a group are, beside groups that are drawn at random.

Texts about one matter share rare words. Texts that somebody took as they came, whatever they are
about, are as different from each other as any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from hauberk.methods.embed import Codes

MAX_GROUP: Final = 80
"""Texts of a group that are compared, evenly spaced."""

_GROUPS: Final = 60
_TINY: Final = 1e-9


def incidence(codes: Codes, rows: Codes, n_rows: int, width: int) -> Any:
    """A sparse matrix of ones, each pair of row and code once, ``n_rows`` x ``width``."""
    from scipy.sparse import csr_matrix

    pairs = np.unique(rows * width + codes)
    ones = np.ones(pairs.size, np.float32)
    return csr_matrix((ones, (pairs // width, pairs % width)), shape=(n_rows, width))


def likeness(weighted: Any) -> float:
    """Mean cosine of all pairs of rows of a sparse matrix whose rows have length 1."""
    total = np.asarray(weighted.sum(axis=0)).ravel()
    own = float(weighted.multiply(weighted).sum())
    size = weighted.shape[0]
    return float(((total**2).sum() - own) / (size * (size - 1)))


def spread(rows: Codes, count: int) -> Codes:
    """At most ``count`` of ``rows``, evenly spaced."""
    if rows.size <= count:
        return rows
    return rows[np.linspace(0, rows.size - 1, count).astype(np.int64)]


class Matters:
    """Texts by their words, each weighing by how rare it is.

    Args:
        texts: Words of each text; at least two texts.
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        vocabulary: dict[str, int] = {}
        place = vocabulary.setdefault
        flat = np.array([place(w, len(vocabulary)) for own in texts for w in own], np.int64)
        rows = np.repeat(np.arange(len(texts)), [len(own) for own in texts])
        matrix = incidence(flat, rows, len(texts), max(len(vocabulary), 1))
        counts = np.asarray(matrix.sum(axis=0)).ravel()
        matrix = matrix.multiply(np.log((1 + len(texts)) / (1 + counts))).tocsr()
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        self._weighted = matrix.multiply(1 / np.maximum(lengths, _TINY)[:, None]).tocsr()
        self._rng = np.random.default_rng(len(texts))
        self._usual: dict[int, tuple[float, float]] = {}

    def alike(self, rows: Codes) -> float:
        """How alike the texts at ``rows`` are, in spreads of groups drawn at random.

        Args:
            rows: At least two places, increasing.
        """
        rows = spread(rows, MAX_GROUP)
        if rows.size not in self._usual:
            n_texts = self._weighted.shape[0]
            picks = (self._rng.choice(n_texts, rows.size, replace=False) for _ in range(_GROUPS))
            found = [likeness(self._weighted[picked]) for picked in picks]
            self._usual[rows.size] = (float(np.mean(found)), float(np.std(found)))
        mean, deviation = self._usual[rows.size]
        return (likeness(self._weighted[rows]) - mean) / max(deviation, _TINY)
