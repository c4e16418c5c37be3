"""How unlike trusted rows each row is, by models that try to tell the two apart.

Most rows are of the kind of the trusted ones, so what such a model learns is what sets the
others apart. A row's degree comes from models that did not see it, and the degrees of the
trusted rows are the null: the share of rows beyond a degree that the trusted rows do not
explain is the chance that a row of this degree is foreign.

References:
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods import embed
from hauberk.methods.embed import Codes, Floats, Rows
from hauberk.methods.ridge import folds_of, out_of_fold

N_FOLDS = 5

MAX_WIDTH = 3_000
"""Columns of the linear model; wider rows are projected at random first."""

_PENALTY = 1.0
_SLACK = 2.0
_FEW = 4
_LEAST_SPREAD = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foreign:
    """What sets rows apart from trusted ones.

    Attributes:
        degrees: Of each row; higher is less like the trusted rows.
        chances: Chance that it is foreign, 0 to 1.
        excess: Share of all rows that the trusted ones do not explain.
        surprise: What stands out most at any degree, in standard errors; draws of digits
            without foreign rows gave up to 2, with 6 per cent of marked ones 10.
    """

    degrees: Any
    chances: Any
    excess: float
    surprise: float


def foreign(rows: Rows, trusted: Rows) -> Foreign:
    """Hold ``rows`` against ``trusted``, which are `embed.aligned` with them."""
    x = _features(embed.stacked(rows, trusted))
    domain = (np.arange(len(x)) >= rows.n_rows).astype(np.int64)
    folds = folds_of(domain, N_FOLDS, np.random.default_rng(embed.seed_of(x[:1_000])))
    degrees = out_of_fold(x, domain, 2, folds, _PENALTY)[:, 0]
    return _judged(degrees[: rows.n_rows], degrees[rows.n_rows :])


def _judged(degrees: Any, null: Any) -> Foreign:
    cuts = np.unique(np.quantile(degrees, np.linspace(0.5, 1, 400)))
    beyond = _tails(degrees, cuts)
    expected = _tails(null, cuts)
    error = np.sqrt(expected * (1 / null.size + 1 / degrees.size)) + _FEW / null.size
    over = np.maximum(beyond - expected - _SLACK * error, 0)
    unexplained = np.maximum.accumulate(over / np.maximum(beyond, 1e-12))
    bins = np.searchsorted(cuts, degrees, side="right") - 1
    chances = np.where(bins >= 0, unexplained[np.maximum(bins, 0)], 0.0)
    best = int(over.argmax())
    return Foreign(
        degrees=degrees,
        chances=chances,
        excess=float(over[best]),
        surprise=float(((beyond - expected) / error).max()),
    )


def _tails(values: Any, cuts: Any) -> Any:
    """Share of ``values`` at or above each cut."""
    ordered = np.sort(values)
    return 1 - np.searchsorted(ordered, cuts, side="left") / values.size


def _features(rows: Rows) -> Floats:
    if rows.images is not None:
        flat = rows.images.reshape(rows.n_rows, -1)
        parts = [_even(flat), _even(fine_structure(rows.images))]
    elif rows.texts is not None:
        parts = [_even(embed.hashed_words(rows.texts))]
    else:
        plain = embed.table_features(rows)
        parts = [plain, embed.table_features(rows, ranked=True), plain**2]
    joined = np.concatenate(parts, axis=1)
    if joined.shape[1] > MAX_WIDTH:
        rng = np.random.default_rng(joined.shape[1])
        signs = rng.choice(np.array([-1, 1], np.float32), (joined.shape[1], MAX_WIDTH))
        joined = joined @ signs / np.float32(np.sqrt(joined.shape[1]))
    return np.concatenate([joined, np.ones((len(joined), 1), np.float32)], axis=1)


def _even(x: Floats) -> Floats:
    """Columns of mean 0 and about the same spread; still ones are not blown up."""
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / (spread + _LEAST_SPREAD), np.float32)


def fine_structure(images: Floats) -> Floats:
    """Each picture minus the mean of the 3x3 pixels around each place, flat."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    smooth = sum(
        padded[:, y : y + height, x : x + width] for y, x in np.ndindex(3, 3)
    ) / np.float32(9)
    return np.asarray((images - smooth).reshape(len(images), -1), np.float32)


def places_of(chances: Any, least: float) -> Codes:
    """Rows whose chance is above ``least``, most likely first."""
    order = np.argsort(-chances, kind="stable")
    return np.asarray(order[chances[order] > least], np.int64)
