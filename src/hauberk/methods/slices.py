"""Where is a model worse than elsewhere? Slices of the rows, found and then tested on others.

Every value of a column, every quarter of the range of a numeric one, and every pair of these from
two columns is a slice. Half of the rows, drawn at random, say which slices look worst; the other
half, which was not looked at, says by Fisher's exact test, corrected after Holm for those few,
whether they are.

References:
    Chung and others (2019), Slice Finder. Holm (1979), A simple sequentially rejective multiple
    test procedure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from hauberk.methods.statistics import holm

MAX_VALUES = 12
"""Values of a column that is a choice; numeric columns of more are cut into quarters."""

MAX_COLUMNS = 40
"""Tables of more columns, such as pixels, have no slices that mean anything."""

MAX_ROWS = 100_000
PROVEN = 0.05
"""Corrected probability below which a slice counts as proven."""

N_TESTED = 12
_LEAST = 20
_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the rows.

    Attributes:
        where: Conditions in words.
        n: Rows of it in the half that tests.
        error: Share of them that is answered wrong.
        rest: The same share of all other rows of that half.
        p_value: Of no difference, corrected for all slices that were tested.
    """

    where: tuple[str, ...]
    n: int
    error: float
    rest: float
    p_value: float


def worst_slices(
    columns: Mapping[str, Sequence[Any]], is_wrong: Any, rng: np.random.Generator
) -> tuple[Slice, ...]:
    """The slices that looked worst in one half, with what the other half says, worst first.

    Args:
        columns: Name to the values of all rows; missing ones are ``None`` or NaN.
        is_wrong: ``(n,)``: whether a row is answered wrong.
    """
    wrong = np.asarray(is_wrong, bool)
    coded = {
        name: found
        for name, values in columns.items()
        if len(columns) <= MAX_COLUMNS and (found := _coded(values)) is not None
    }
    half = rng.permutation(len(wrong)) < len(wrong) // 2
    ranked = sorted(_found(coded, wrong, half), key=lambda one: -one[0])
    chosen = _apart([members for _, _, members in ranked], ranked)
    tested = [(where, members & ~half) for where, members in chosen]
    others = [~half & ~members for _, members in tested]
    raw = [
        _fisher(wrong, inside, outside) for (_, inside), outside in zip(tested, others, strict=True)
    ]
    adjusted = list(holm(raw)) if raw else []
    return tuple(
        Slice(
            where=where,
            n=int(inside.sum()),
            error=float(wrong[inside].mean()),
            rest=float(wrong[outside].mean()),
            p_value=float(p),
        )
        for (where, inside), outside, p in zip(tested, others, adjusted, strict=True)
    )


_Coded = tuple[Any, list[str]]


def _coded(values: Sequence[Any]) -> _Coded | None:
    """Codes of the values and their words; ``None`` for a column of too many words."""
    kept = ["missing" if one is None or one != one else one for one in values]  # noqa: PLR0124 - NaN
    distinct = set(map(str, kept))
    if len(distinct) <= MAX_VALUES:
        names = sorted(distinct)
        places = {name: code for code, name in enumerate(names)}
        codes = np.array([places[str(one)] for one in kept], np.int64)
        return codes, [f"= {name}" for name in names]
    numbers = [one for one in kept if one != "missing"]
    if not all(isinstance(one, int | float) for one in numbers):
        return None
    cuts = np.unique(np.quantile(np.array(numbers, np.float64), _QUARTERS))
    cells = np.array([np.inf if one == "missing" else float(one) for one in kept])
    codes = np.where(np.isinf(cells), len(cuts) + 1, np.searchsorted(cuts, cells, side="right"))
    edges = [f"{cut:.4g}" for cut in cuts]
    words = [f"below {edges[0]}"]
    words += [f"from {low} to {high}" for low, high in pairwise(edges)]
    return codes, [*words, f"from {edges[-1]}", "missing"]


def _found(
    coded: Mapping[str, _Coded], wrong: Any, half: Any
) -> Iterator[tuple[float, tuple[str, ...], Any]]:
    """How much worse each slice looks in the first half, in standard errors."""
    rate = float(wrong[half].mean()) if half.any() else 0.0
    spread = max(rate * (1 - rate), 1e-9)
    parts = [
        *((name,) for name in coded),
        *combinations(coded, 2),
    ]
    for names in parts:
        codes, words = _joined([coded[name] for name in names], names)
        n = np.bincount(codes[half], minlength=len(words))
        errors = np.bincount(codes[half], weights=wrong[half], minlength=len(words))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (errors / n - rate) / np.sqrt(spread / n)
        for place in np.flatnonzero((n >= _LEAST) & (n <= half.sum() // 2) & (z > 0)):
            yield float(z[place]), words[place], codes == place


def _joined(parts: Sequence[_Coded], names: Sequence[str]) -> tuple[Any, list[tuple[str, ...]]]:
    codes = parts[0][0]
    words: list[tuple[str, ...]] = [(f"{names[0]} {word}",) for word in parts[0][1]]
    for (more, said), name in zip(parts[1:], names[1:], strict=True):
        codes = codes * len(said) + more
        words = [(*before, f"{name} {word}") for before in words for word in said]
    return codes, words


def _apart(
    members: Sequence[Any], ranked: Sequence[tuple[float, tuple[str, ...], Any]]
) -> list[tuple[tuple[str, ...], Any]]:
    """The first slices that are not mostly one that was taken before."""
    chosen: list[tuple[tuple[str, ...], Any]] = []
    for (_, where, _), inside in zip(ranked, members, strict=True):
        if len(chosen) == N_TESTED:
            break
        if all((inside & taken).sum() <= inside.sum() / 2 for _, taken in chosen):
            chosen.append((where, inside))
    return chosen


def _fisher(wrong: Any, inside: Any, outside: Any) -> float:
    """One-sided: errors inside as many or more by chance."""
    from scipy.stats import hypergeom

    hits, n = int(wrong[inside].sum()), int(inside.sum())
    errors, total = hits + int(wrong[outside].sum()), n + int(outside.sum())
    return float(hypergeom.sf(hits - 1, total, errors, n)) if n else 1.0
