"""Rows that are copies of other rows, exact or disguised.

A copy is much nearer to its original than to any other row. For rows that are no copies,
minus the logarithm of nearest over second-nearest distance is exponential, with the local
dimension as its rate, whatever the density: so a rate fitted to clean rows turns the ratio
of any row into a p-value that can be far smaller than one over the number of clean rows.

References:
    Lowe (2004), Distinctive image features, section 7.1, for the ratio. Levina and Bickel
    (2004), Maximum likelihood estimation of intrinsic dimension, for its distribution.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.embed import Codes, Floats, Rows, neighbours, principal, table_features

MAX_QUERIES = 2_000
"""Clean rows that the null is fitted to; more would not change the rate."""

N_HASHES = 64
"""Minimum hashes per text: the estimate of a Jaccard index has an error below 0.06."""

_QUANTILES = (0.5, 0.9, 0.99)
_COMPONENTS = 64
_FLOOR = 1e-6
_MAX_EXPONENT = 300.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Copies:
    """What each query row copies, if anything.

    Attributes:
        p_values: Chance of such a near neighbour if the row is no copy.
        originals: Place of the nearest row in the pool.
        ratios: Nearest over second-nearest distance, 0 to 1.
    """

    p_values: Any
    originals: Codes
    ratios: Any


def ratio_p_values(ratios: Any, null: Any) -> Any:
    """P-values of ``ratios`` by the exponential law fitted to the ratios ``null``.

    The rate is the smallest that any of a few quantiles suggests, so that copies among the
    null's rows, or a heavy tail, make the test blunter and never sharper.
    """
    surprise = -np.log(np.maximum(null, _FLOOR))
    rates = [-np.log1p(-q) / max(float(np.quantile(surprise, q)), 1e-3) for q in _QUANTILES]
    exponent = min(rates) * -np.log(np.maximum(ratios, _FLOOR))
    return np.exp(-np.minimum(exponent, _MAX_EXPONENT))


def table_copies(rows: Rows, queries: Codes, pool: Codes) -> Copies:
    """Copies among the rows of a table: ``queries`` and ``pool`` are row numbers.

    The resolution of each column (half its smallest step) is added to all distances: on a
    coarse grid equal rows are no surprise.
    """
    x = table_features(rows)
    grain = resolution(rows)
    sample = _sampled(pool)
    null = _ratios(neighbours(x[sample], x[pool], 3), grain, skip=1)[0]
    ratios, places = _ratios(neighbours(x[queries], x[pool], 2), grain, skip=0)
    return Copies(p_values=ratio_p_values(ratios, null), originals=pool[places], ratios=ratios)


def _ratios(found: tuple[Codes, Floats], grain: float, skip: int) -> tuple[Any, Codes]:
    """Ratio of the first two distances after ``skip`` (the row itself) and the nearest place."""
    places, distances = found
    if distances.shape[1] < skip + 2:
        return np.ones(len(distances)), np.zeros(len(distances), np.int64)
    first = distances[:, skip].astype(np.float64) + grain
    second = distances[:, skip + 1].astype(np.float64) + grain
    ratio = np.divide(first, second, out=np.ones_like(first), where=second > 0)
    return ratio, places[:, skip]


def _sampled(pool: Codes) -> Codes:
    return pool[:: max(1, len(pool) // MAX_QUERIES)]


def resolution(rows: Rows) -> float:
    """Length of half a smallest step in every numeric column, in units of its spread.

    Categories have no step between them: they are left out, and so make equal rows more
    surprising than they are; `exact_excess` answers for them.
    """
    steps = []
    for column in rows.numbers.T:
        values = np.unique(column[np.isfinite(column)])
        spread = float(column[np.isfinite(column)].std()) if values.size else 0.0
        if values.size > 1 and spread > 0:
            steps.append(float(np.quantile(np.diff(values), 0.05)) / (2 * spread))
    return float(np.linalg.norm(steps)) if steps else 0.0


# Images ------------------------------------------------------------------------------


def image_copies(images: Floats, queries: Codes, pool: Codes, *, reach: int = 1) -> Copies:
    """Copies among images, also shifted by up to ``reach`` pixels, mirrored or brightened.

    Each view of a query is cut out of its middle, centred and scaled to length 1, and held
    against the middle of each image of the pool.
    """
    reach = min(reach, (min(images.shape[1:3]) - 1) // 4)
    middle = _unit_views(images[pool], reach)[len(_moves(reach)) // 2]
    basis = _Basis(middle)
    sample = np.arange(0, len(pool), max(1, len(pool) // MAX_QUERIES))
    null, _ = _best(images[pool[sample]], basis, reach, own=sample)
    ratios, places = _best(images[queries], basis, reach, own=None)
    return Copies(p_values=ratio_p_values(ratios, null), originals=pool[places], ratios=ratios)


class _Basis:
    """The pool in few dimensions for the search and in all for the verdict."""

    def __init__(self, full: Floats) -> None:
        self.full = full
        self.mean = full.mean(axis=0)
        size = min(_COMPONENTS, full.shape[1])
        reduced = principal(full, size)
        # Weights from the normal equations: `principal` is linear in the centred rows.
        self.weights = np.linalg.lstsq(full - self.mean, reduced, rcond=None)[0]
        self.reduced = np.asarray((full - self.mean) @ self.weights, np.float32)

    def nearest(self, views: Floats, own: Codes | None) -> tuple[Codes, Any]:
        """Places and exact distances of the nearest rows of the pool, two or so each."""
        reduced = np.asarray((views - self.mean) @ self.weights, np.float32)
        places, _ = neighbours(reduced, self.reduced, 4)
        away = views[:, None, :] - self.full[places]
        distances = np.sqrt(np.einsum("ijk,ijk->ij", away, away))
        if own is not None:
            distances = np.where(places == own[:, None], np.inf, distances)
        return places, distances


def _moves(reach: int) -> list[tuple[int, int]]:
    span = range(-reach, reach + 1)
    return [(y, x) for y in span for x in span]


def _unit_views(images: Floats, reach: int) -> list[Floats]:
    """The middle of each image under every shift, flat, centred and of length 1."""
    height, width = images.shape[1:3]
    views = []
    for y, x in _moves(reach):
        part = images[:, reach + y : height - reach + y, reach + x : width - reach + x]
        flat = part.reshape(len(images), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(flat, axis=1, keepdims=True)
        views.append(np.asarray(flat / np.maximum(norm, _FLOOR), np.float32))
    return views


def _best(images: Floats, basis: _Basis, reach: int, own: Codes | None) -> tuple[Any, Codes]:
    """Smallest distance over all views, over the smallest to any other row of the pool."""
    n = len(images)
    places = np.full((n, 0), -1, np.int64)
    distances = np.zeros((n, 0))
    for picture in (images, images[:, :, ::-1]):
        for view in _unit_views(picture, reach):
            found, away = basis.nearest(view, own)
            places = np.concatenate([places, found], axis=1)
            distances = np.concatenate([distances, away], axis=1)
    nearest = distances.argmin(axis=1)
    original = places[np.arange(n), nearest]
    first = distances[np.arange(n), nearest]
    others = np.where(places == original[:, None], np.inf, distances).min(axis=1)
    ratio = np.divide(first, others, out=np.ones(n), where=np.isfinite(others) & (others > 0))
    return ratio, original


# Texts -------------------------------------------------------------------------------


def text_copies(texts: Sequence[str], queries: Codes, pool: Codes) -> tuple[Any, Codes]:
    """Largest estimated Jaccard index of three-word shingles with any text of the pool.

    Returns:
        The index, 0 to 1, and the place of that text, for each query.

    References:
        Broder (1997), On the resemblance and containment of documents.
    """
    signatures = np.stack([minimum_hashes(text) for text in texts])
    best, places = np.zeros(len(queries)), np.zeros(len(queries), np.int64)
    buckets: dict[tuple[int, bytes], list[int]] = {}
    for place in pool:
        for key in _bands(signatures[place]):
            buckets.setdefault(key, []).append(int(place))
    for row, query in enumerate(queries):
        near = {p for key in _bands(signatures[query]) for p in buckets.get(key, ())}
        others = np.array(sorted(near - {int(query)}), np.int64)
        if others.size:
            same = (signatures[others] == signatures[query]).mean(axis=1)
            best[row], places[row] = same.max(), others[same.argmax()]
    return best, places


_ROWS_PER_BAND = 4


def _bands(signature: Any) -> list[tuple[int, bytes]]:
    """Keys that texts with an index of 0.7 share at least one of with probability 0.99."""
    return [
        (start, signature[start : start + _ROWS_PER_BAND].tobytes())
        for start in range(0, N_HASHES, _ROWS_PER_BAND)
    ]


_MULTIPLIERS = np.random.default_rng(20).integers(1, 2**63, N_HASHES, np.uint64) | np.uint64(1)


def minimum_hashes(text: str) -> Any:
    """The smallest hash of the shingles under each of `N_HASHES` hash functions."""
    words = re.findall(r"\w+", text.lower()[:100_000])
    shingles = {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
    digests = [hashlib.blake2b(s.encode(), digest_size=8).digest() for s in sorted(shingles)]
    base = np.frombuffer(b"".join(digests), np.uint64)
    mixed = base[:, None] * _MULTIPLIERS
    return (mixed ^ (mixed >> np.uint64(29))).min(axis=0)


# Exact copies ------------------------------------------------------------------------


def exact_excess(shared: int, n: int, repeated: int, n_pool: int) -> float:
    """P-value of ``shared`` of ``n`` rows that stand in the pool too, against chance.

    The chance is how often rows of the pool repeat another row of the pool.
    """
    from hauberk.methods.statistics import binomial_tail

    chance = (repeated + 1) / (n_pool + 2)
    return float(binomial_tail(shared, n, min(chance, 1.0))) if shared else 1.0
