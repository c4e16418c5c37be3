"""A profile's own bins, fixed, so that live rows are counted and not sketched.

A `Grid` is read from the profile made in training: quantile edges of its numbers, its known
categories. Live rows become one vector of counts over it. Vectors add, in any order, over
replicas and hours; training's own counts over the same bins are exact, because edges lie
where the bins of the profile's sketches do. A year of hours of fifty columns stays small.

Limits:
    What moves inside one bin is not seen; with 32 bins a bin holds about 3 % of training.
    Of texts, embeddings and pictures only the measures of `sketches.measures` are counted.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.core.artifact import Batch, ColumnKind
from hauberk.errors import ArtifactError
from hauberk.formats.rows import cell_texts
from hauberk.sketches import measures
from hauberk.sketches.drift import ColumnDistance, excess, g_test, psi_of, shares_differ
from hauberk.sketches.measures import label_of
from hauberk.sketches.numbers import Int64s, Numbers, broken
from hauberk.sketches.profile import ColumnProfile, Profile
from hauberk.sketches.values import Values

N_BINS = 32
MAX_CATEGORIES = 64
"""Categories counted by name; rarer ones are counted together."""
MAX_AXES = 4_096

_MISSING, _BELOW, _NEW = 0, 1, 1
_FIRST = 2
_QUESTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The bins of one column.

    Numbers have the places missing, below, one for each bin, above; categories have missing,
    new, one for each name, and one for the known rest.

    Attributes:
        measure: ``value`` of numbers and times, ``category``, or one of `sketches.measures`.
        edges: First number of each bin, increasing.
        high: Largest number seen in training.
        names: Known categories, most frequent first.
        rest: Known categories that are counted together.
        training: Training's own counts.
    """

    name: str
    kind: ColumnKind
    measure: str
    edges: tuple[float, ...] = ()
    high: float = 0.0
    names: tuple[str, ...] = ()
    rest: frozenset[str] = frozenset()
    training: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """The column, with what is measured where it has several axes."""
        return label_of(self.name, self.measure)

    @property
    def width(self) -> int:
        """Places in the vector."""
        return (len(self.names) if self.measure == "category" else len(self.edges)) + _FIRST + 1

    def count(self, cells: Any) -> Int64s:
        """How many of ``cells`` fall on each place.

        Raises:
            ArtifactError: The cells are of another kind than training's.
        """
        if self.measure == "category":
            return self._categories(cells)
        if self.measure == "value":
            return self._numbers(_floats(cells, self))
        return self.counted(*_measured(cells, self))

    def counted(self, found: Mapping[str, Any], missing: int) -> Int64s:
        """Places of the numbers that `sketches.measures` gave for the cells."""
        counts = self._numbers(found[self.measure])
        counts[_MISSING] += missing
        return counts

    def _numbers(self, values: Any) -> Int64s:
        missing = np.isnan(values)
        n_missing = int(np.count_nonzero(missing))
        known = values[~missing] if n_missing else values
        places = np.searchsorted(np.asarray(self.edges), known, side="right")
        counts = np.bincount(places, minlength=len(self.edges) + 1).astype(np.int64)
        above = int(np.count_nonzero(known > self.high))
        counts[-1] -= above
        return np.concatenate([[n_missing], counts, [above]]).astype(np.int64)

    def _categories(self, cells: Any) -> Int64s:
        import pyarrow.compute as pc

        texts = cell_texts(cells)
        counts = np.zeros(self.width, np.int64)
        counts[_MISSING] = texts.null_count
        places = {name: place for place, name in enumerate(self.names, start=_FIRST)}
        counted = pc.value_counts(pc.drop_null(texts))
        for name, n in zip(*(counted.field(i).to_pylist() for i in (0, 1)), strict=True):
            text = name if isinstance(name, str) else name.hex()
            known = self.width - 1 if text in self.rest else _NEW
            counts[places.get(text, known)] += n
        return counts

    def to_json(self) -> dict[str, Any]:
        """Strings and numbers."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "measure": self.measure,
            "edges": list(self.edges),
            "high": self.high,
            "names": list(self.names),
            "rest": sorted(self.rest),
            "training": list(self.training),
        }

    @classmethod
    def from_json(cls, value: Any) -> Axis:
        """The axis that `to_json` gave."""
        axis = cls(
            name=str(value["name"]),
            kind=ColumnKind(value["kind"]),
            measure=str(value["measure"]),
            edges=tuple(float(x) for x in value["edges"]),
            high=float(value["high"]),
            names=tuple(map(str, value["names"])),
            rest=frozenset(map(str, value["rest"])),
            training=tuple(int(n) for n in value["training"]),
        )
        if len(axis.training) != axis.width or sorted(axis.edges) != list(axis.edges):
            raise broken("an axis whose parts contradict each other")
        return axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The bins of all columns, in the order of training."""

    axes: tuple[Axis, ...]

    @property
    def width(self) -> int:
        """Places in the vector of all columns."""
        return sum(axis.width for axis in self.axes)

    @property
    def digest(self) -> str:
        """Whether two vectors may be added."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def zeros(self) -> Int64s:
        """No rows."""
        return np.zeros(self.width, np.int64)

    def training(self) -> Int64s:
        """Training's own vector."""
        return np.array([n for axis in self.axes for n in axis.training], np.int64)

    def count(self, batch: Batch) -> Int64s:
        """Rows as a vector; a column that is missing counts as missing cells.

        Raises:
            ArtifactError: A column is of another kind than training's.
        """
        present = set(batch.schema.names)
        parts: list[Int64s] = []
        measured: dict[str, tuple[Mapping[str, Any], int]] = {}
        for axis in self.axes:
            if axis.name in present and axis.measure in ("value", "category"):
                parts.append(axis.count(batch.column(axis.name)))
            elif axis.name in present:
                if axis.name not in measured:
                    measured[axis.name] = _measured(batch.column(axis.name), axis)
                parts.append(axis.counted(*measured[axis.name]))
            else:
                parts.append(np.eye(1, axis.width, dtype=np.int64)[0] * batch.num_rows)
        return np.concatenate(parts) if parts else self.zeros()

    def cut(self, counts: Int64s) -> Iterator[tuple[Axis, Int64s]]:
        """Each axis with its part of a vector."""
        start = 0
        for axis in self.axes:
            yield axis, counts[start : start + axis.width]
            start += axis.width

    def distances(
        self, counts: Int64s, *, alpha: float = 0.01, min_effect: float = 0.05
    ) -> tuple[ColumnDistance, ...]:
        """Each column of ``counts`` held against training; see `sketches.drift.distance`."""
        threshold = alpha / max(_QUESTIONS * len(self.axes), 1)
        return tuple(_compare(axis, part, threshold, min_effect) for axis, part in self.cut(counts))

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal grids give equal bytes."""
        value = {"schema": 1, "axes": [axis.to_json() for axis in self.axes]}
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Grid:
        """The grid that `to_bytes` gave.

        Raises:
            ArtifactError: It is none.
        """
        try:
            value = json.loads(data)
            axes = tuple(Axis.from_json(item) for item in value["axes"][:MAX_AXES])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise broken(type(error).__name__) from None
        return cls(axes=axes)


def grid_of(profile: Profile, *, without: frozenset[str] = frozenset()) -> Grid:
    """The bins that training's profile gives.

    Args:
        without: Columns that are no inputs: the label, times, ids.
    """
    wanted = (column for column in profile.columns if column.name not in without)
    return Grid(axes=tuple(axis for column in wanted for axis in _axes(column)))


_BINNED = ("value", *measures.OF_TEXT, *measures.OF_IMAGE, *measures.OF_VECTOR)


def _axes(column: ColumnProfile) -> Iterator[Axis]:
    if column.kind is ColumnKind.CATEGORY and column.values is not None:
        if not column.values.overflown:
            yield _named(column, column.values)
        return
    for measure in _BINNED:
        if measure in column.numbers and column.numbers[measure].count:
            yield _binned(column, measure, column.numbers[measure])


def _named(column: ColumnProfile, values: Values) -> Axis:
    ranked = values.top(values.size)
    shown, rest = ranked[:MAX_CATEGORIES], ranked[MAX_CATEGORIES:]
    training = (column.missing, 0, *(n for _, n in shown), sum(n for _, n in rest))
    return Axis(
        name=column.name,
        kind=column.kind,
        measure="category",
        names=tuple(name for name, _ in shown),
        rest=frozenset(name for name, _ in rest),
        training=training,
    )


def _binned(column: ColumnProfile, measure: str, numbers: Numbers) -> Axis:
    """Edges where the sketch's own bins begin, each bin with its share or one heavy value."""
    first, _ = numbers.edges()
    starts, counts, wanted = [0], [0], numbers.count / N_BINS
    for place, n in enumerate(numbers.counts.tolist()):
        if counts[-1] and counts[-1] + n / 2 > wanted:
            starts.append(place)
            counts.append(0)
        counts[-1] += n
    edges = tuple(float(first[place]) for place in starts)
    return Axis(
        name=column.name,
        kind=column.kind,
        measure=measure,
        edges=edges,
        high=numbers.high or 0.0,
        training=(column.missing, 0, *counts, 0),
    )


def _floats(cells: Any, axis: Axis) -> Any:
    import pyarrow as pa

    try:
        if axis.kind is ColumnKind.TIME:
            cells = cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        found = cells.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _another_kind(axis, cells) from error
    return found.to_numpy(zero_copy_only=False)


def _measured(cells: Any, axis: Axis) -> tuple[Mapping[str, Any], int]:
    """Every measure of the column that ``axis`` is one of, and how many cells are missing."""
    import pyarrow as pa

    try:
        if axis.kind is ColumnKind.TEXT:
            texts = cell_texts(cells)
            return measures.of_texts(texts), texts.null_count
        if axis.kind is ColumnKind.IMAGE:
            return measures.of_images(cells)
        if measures.is_vector(cells.type):
            return measures.of_vectors(cells)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, AttributeError) as error:
        raise _another_kind(axis, cells) from error
    raise _another_kind(axis, cells)


def _another_kind(axis: Axis, cells: Any) -> ArtifactError:
    return ArtifactError(
        "a live column is of another kind than training's",
        subject=axis.name,
        rule="live rows have the kinds of training",
        expected=axis.kind.value,
        found=str(cells.type)[:80],
        hint="mend the feed, or make a new reference from rows of the new kind",
    )


# Distances ---------------------------------------------------------------------------


def _compare(axis: Axis, live: Int64s, threshold: float, min_effect: float) -> ColumnDistance:
    training = np.array(axis.training, np.int64)
    known, seen = training[_BELOW:], live[_BELOW:]
    n = (int(known.sum()), int(seen.sum()))
    shape, shape_p = _shape(axis, known, seen, n)
    unseen, unseen_p = _unseen(axis, training, live, n)
    missing, missing_p = shares_differ(int(training[_MISSING]), int(live[_MISSING]), n)
    effects = {
        "shape": (shape, shape_p),
        "missing": (missing, missing_p),
        "unseen": (unseen, unseen_p),
    }
    question = min(effects, key=lambda name: effects[name][1])
    return ColumnDistance(
        name=axis.name,
        measure=axis.measure,
        shape=shape,
        psi=psi_of(known, seen) if all(n) else 0.0,
        missing=missing,
        unseen=unseen,
        p_value=effects[question][1],
        threshold=threshold,
        question=question,
        n=n,
        drifted=any(abs(effect) >= min_effect and p < threshold for effect, p in effects.values()),
    )


def _shape(axis: Axis, known: Int64s, seen: Int64s, n: tuple[int, int]) -> tuple[float, float]:
    if not all(n):
        return 0.0, 1.0
    if axis.measure == "category":
        return float(np.abs(known / n[0] - seen / n[1]).sum() / 2), g_test(known, seen)
    gap = float(np.max(np.abs(np.cumsum(known) / n[0] - np.cumsum(seen) / n[1])))
    return gap, min(1.0, 2 * math.exp(-2 * gap * gap * n[0] * n[1] / (n[0] + n[1])))


def _unseen(axis: Axis, training: Int64s, live: Int64s, n: tuple[int, int]) -> tuple[float, float]:
    if not all(n):
        return 0.0, 1.0
    if axis.measure == "category":
        once = int(np.count_nonzero(training[_FIRST:] == 1))
        return excess(int(live[_NEW]), n[1], (once + 1) / (n[0] + 1))
    return excess(int(live[_BELOW] + live[-1]), n[1], 2 / (n[0] + 1))
