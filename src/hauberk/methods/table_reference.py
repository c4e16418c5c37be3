"""What rows of a table look like to whoever fills them in, small enough to lie in a bundle.

Pictures are told by their directions (`methods.stream_reference`); a table has columns that do
not behave like each other. Two things are learnt of the training rows:

1. Which values a column takes: a few, or multiples of a power of ten, or any. Somebody who moves
   along a line, adds noise or draws from a bell curve leaves these; amounts and ages do not.
2. Which pairs of columns depend on each other, as a tree of the strongest (Chow and Liu), and how
   much likelier a pair of values is than chance has it. Somebody who draws every column by
   itself breaks such pairs.

References:
    Chow and Liu (1968), Approximating discrete probability distributions with dependence trees.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MIN_ROWS = 200
MIN_COLUMNS = 4
MAX_COLUMNS = 256
"""Wider rows are signals or pictures."""

BINS = 8
MAX_VALUES = 16
"""A column with so few values takes these only, where each is seen often enough."""

MAX_DECIMALS = 6
FREE = -1
"""Decimals of a column that takes any value."""

STRENGTH = 10.0
"""Pairs of values are counted as if so many rows had come by chance."""

MOST = 3.0
"""Bound of the evidence of one pair."""

N_NEAR = 1_000
"""Rows among which the nearest are looked for."""

_EXACT = 4e5
"""Multiples of the grid that 32 bits still tell apart."""

_ROUNDING = 1.2e-7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableReference:
    """What training's rows look like, column by column and in pairs.

    Attributes:
        decimals: ``(n_columns,)`` int8; `FREE` where a column takes any value.
        values: ``(n_columns, MAX_VALUES)`` float64, the few values of a column that has few;
            NaN elsewhere.
        edges: ``(n_columns, BINS - 1)`` float64, upper bounds of bins; infinity where there are
            fewer bins.
        pairs: ``(n_pairs, 2)`` int32 places of columns.
        evidence: ``(n_pairs, BINS * BINS)`` float32: logarithm of how much likelier a pair of
            bins is by chance than in training.
        spreads: ``(n_columns,)`` float64, unit of each column.
        least: ``(n_columns,)`` float64: how far from a multiple counts; infinity where any value
            does.
        units: ``(n_columns,)`` float64: 10 to the power of the decimals.
        few: ``(n_few,)`` int64 places of columns with few values, and `known` their values.
        reach: Distance below which two rows are nearer than half of training's rows are to
            their nearest, in these units and per column.
    """

    decimals: Any
    values: Any
    edges: Any
    pairs: Any
    evidence: Any
    spreads: Any
    reach: float
    least: Any
    units: Any
    few: Any
    known: Any

    @property
    def n_columns(self) -> int:
        """Width of a row."""
        return int(self.decimals.size)

    def to_json(self) -> dict[str, Any]:
        """As values of JSON."""
        return {
            "decimals": _packed(self.decimals, "i1"),
            "values": _packed(np.where(np.isnan(self.values), np.inf, self.values), "<f8"),
            "edges": _packed(self.edges, "<f8"),
            "pairs": _packed(self.pairs, "<i4"),
            "evidence": _packed(self.evidence, "<f4"),
            "spreads": _packed(self.spreads, "<f8"),
            "reach": self.reach,
        }

    @property
    def n_bound(self) -> int:
        """Columns whose values can be told from made-up ones."""
        return int((~np.isnan(self.values[:, 0]) | (self.decimals != FREE)).sum())

    def strange(self, rows: Any) -> Any:
        """``(n_rows, n_columns)`` bool: values that the column does not take in training."""
        rows = np.asarray(rows, np.float64)
        scaled = np.abs(rows) * self.units
        off = np.abs(scaled - np.rint(scaled)) > scaled * _ROUNDING + self.least
        if self.few.size:
            given = rows[:, self.few, None]
            near = np.abs(given - self.known) <= np.abs(given) * _ROUNDING + 1e-12
            off[:, self.few] = ~near.any(axis=2)
        return off

    def region(self, row: Any) -> int:
        """One of 256, by the columns of few values: a search leaves them alone."""
        told = np.ascontiguousarray(row[self.few], "<f8").tobytes()
        return hashlib.blake2b(told, digest_size=1).digest()[0]

    def bins(self, rows: Any) -> Any:
        """``(n_rows, n_columns)`` uint8: the bin of each value."""
        rows = np.asarray(rows, np.float64)
        return (rows[:, :, None] > self.edges).sum(axis=2, dtype=np.uint8)

    def cells(self, bins: Any) -> Any:
        """``(n_rows, n_pairs)``: which pair of bins the row has in each pair of columns."""
        bins = bins.astype(np.int64)
        first, second = self.pairs[:, 0], self.pairs[:, 1]
        return bins[:, first] * BINS + bins[:, second]

    def weighed(self, cells: Any) -> Any:
        """The evidence of each pair of bins, as `cells` names them."""
        return self.evidence[np.arange(len(self.pairs)), cells]


def learn(rows: Any) -> TableReference | None:
    """What the rows look like; ``None`` where they are no table, or too few.

    Args:
        rows: ``(n_rows, n_columns)`` of training.
    """
    rows = np.asarray(rows, np.float64)
    if len(rows) < MIN_ROWS or not MIN_COLUMNS <= rows.shape[1] <= MAX_COLUMNS:
        return None
    edges = np.stack([_edges(column) for column in rows.T])
    bins = (rows[:, :, None] > edges).sum(axis=2) if rows.size < 1 << 22 else _binned(rows, edges)
    pairs, evidence = _tree(bins)
    spreads = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1.0)
    return _of(
        np.array([_decimals(column) for column in rows.T], np.int8),
        np.stack([_few(column) for column in rows.T]),
        edges=edges,
        pairs=pairs,
        evidence=evidence,
        spreads=spreads,
        reach=_reach(rows[:N_NEAR] / spreads),
    )


def _of(decimals: Any, values: Any, **more: Any) -> TableReference:
    """A reference with what follows from its numbers."""
    few = np.flatnonzero(~np.isnan(values[:, 0]))
    return TableReference(
        decimals=decimals,
        values=values,
        units=np.power(10.0, np.maximum(decimals, 0)),
        least=np.where(decimals == FREE, np.inf, 1e-9),
        few=few,
        known=values[few],
        **more,
    )


def _reach(rows: Any) -> float:
    """Median distance of a row from the nearest that is another."""
    nearest = []
    for row in rows:
        apart = np.sqrt(np.square(rows - row).mean(axis=1))
        others = apart[apart > 0]
        if others.size:
            nearest.append(others.min())
    return float(np.median(nearest)) if nearest else 0.0


def _binned(rows: Any, edges: Any) -> Any:
    return np.stack([np.searchsorted(e, c, "left") for c, e in zip(rows.T, edges, strict=True)], 1)


def _few(column: Any) -> Any:
    known, counts = np.unique(column, return_counts=True)
    found = np.full(MAX_VALUES, np.nan)
    if known.size <= MAX_VALUES and counts.sum() >= 20 * known.size:
        found[: known.size] = known
        found[known.size :] = known[-1]
    return found


def _decimals(column: Any) -> int:
    for decimals in range(MAX_DECIMALS + 1):
        scaled = column * 10.0**decimals
        if np.abs(scaled).max() > _EXACT:
            return FREE
        apart = np.abs(scaled - np.rint(scaled))
        if (apart <= np.abs(scaled) * _ROUNDING + 1e-9).all():
            return decimals
    return FREE


def _edges(column: Any) -> Any:
    found = np.full(BINS - 1, np.inf)
    known = np.unique(column)
    if known.size <= BINS:
        cuts = (known[1:] + known[:-1]) / 2
    else:
        cuts = np.unique(np.quantile(column, np.arange(1, BINS) / BINS))
        cuts = cuts[cuts < known[-1]]
    found[: cuts.size] = cuts
    return found


def _tree(bins: Any) -> tuple[Any, Any]:
    """The pairs of the strongest tree, and the evidence of their cells."""
    n_rows, n_columns = bins.shape
    shares = np.stack([np.bincount(b, minlength=BINS) / n_rows for b in bins.T])
    tables: dict[tuple[int, int], Any] = {}
    strength = np.full((n_columns, n_columns), -1.0)
    for first in range(n_columns):
        for second in range(first + 1, n_columns):
            cells = bins[:, first] * BINS + bins[:, second]
            counts = np.bincount(cells, minlength=BINS * BINS)
            chance = np.outer(shares[first], shares[second]).ravel()
            joint = (counts + STRENGTH * chance) / (n_rows + STRENGTH)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(chance > 0, np.log(joint / chance), 0.0)
            tables[first, second] = np.clip(-ratio, -MOST, MOST)
            strength[first, second] = strength[second, first] = float((joint * ratio).sum())
    inside, pairs = [0], []
    while len(inside) < n_columns:
        outside = [c for c in range(n_columns) if c not in inside]
        block = strength[np.ix_(inside, outside)]
        place = np.unravel_index(int(block.argmax()), block.shape)
        one, other = inside[place[0]], outside[place[1]]
        pairs.append((min(one, other), max(one, other)))
        inside.append(other)
    evidence = np.stack([tables[pair] for pair in pairs]).astype(np.float32)
    return np.array(pairs, np.int32), evidence


def from_json(value: Mapping[str, Any], n_columns: int) -> TableReference:
    """The reference that `TableReference.to_json` gave.

    Raises:
        ValueError: It is none for so many columns.
    """
    n_pairs = n_columns - 1
    values = _unpacked(value["values"], "<f8", (n_columns, MAX_VALUES))
    found = _of(
        _unpacked(value["decimals"], "i1", (n_columns,)),
        np.where(np.isfinite(values), values, np.nan),
        edges=_unpacked(value["edges"], "<f8", (n_columns, BINS - 1)),
        pairs=_unpacked(value["pairs"], "<i4", (n_pairs, 2)),
        evidence=_unpacked(value["evidence"], "<f4", (n_pairs, BINS * BINS)),
        spreads=_unpacked(value["spreads"], "<f8", (n_columns,)),
        reach=float(value["reach"]),
    )
    in_bounds = (
        bool((found.decimals >= FREE).all() and (found.decimals <= MAX_DECIMALS).all())
        and bool((found.pairs >= 0).all() and (found.pairs < n_columns).all())
        and bool((np.abs(found.evidence) <= MOST).all())
        and bool((found.spreads > 0).all() and np.isfinite(found.spreads).all())
        and not bool(np.isnan(found.edges).any())
        and 0 <= found.reach < np.inf
    )
    if not in_bounds:
        raise ValueError("numbers out of bounds")
    return found


def _packed(array: Any, kind: str) -> str:
    return base64.b64encode(np.asarray(array, kind).tobytes()).decode("ascii")


def _unpacked(text: str, kind: str, shape: tuple[int, ...]) -> Any:
    return np.frombuffer(base64.b64decode(text, validate=True), kind).reshape(shape)
