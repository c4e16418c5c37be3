"""What a data set looks like, small enough to sign and exact enough to compare.

A `Profile` is made in one pass and can be made in parts: profiles of shards merge into the
profile of the whole, byte for byte the same however the rows were cut. It serves analysis
(shares, ranges, balance, representation), serving (the closed schema of requests) and
monitoring (`sketches.drift`).

Limits:
    Columns are judged one by one; only the label and the sensitive columns are counted
    together. Values of columns with few different ones are kept by name, so a profile of
    personal data is personal data. Integers beyond 2**53 are rounded to 64-bit floats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hauberk.core.artifact import Batch, Column, ColumnKind, Dataset
from hauberk.errors import ArtifactError, InternalError
from hauberk.formats.rows import cell_texts
from hauberk.sketches import measures
from hauberk.sketches.numbers import Numbers, broken
from hauberk.sketches.values import Values

PROFILE_SCHEMA = 1

MAX_PROFILE_BYTES = 256 << 20
"""A profile of `formats.batches.MAX_COLUMNS` columns stays below this."""

MAX_GROUPS = 4_096
"""Combinations of sensitive groups and labels counted exactly."""


@dataclass(slots=True, eq=False)
class ColumnProfile:
    """One column.

    Attributes:
        dtype: Arrow's name of the type; empty until the first batch.
        numbers: Sketches by what they measure: ``value`` of numbers and times (in
            microseconds), ``length`` and words of texts, ``mean`` and ``spread`` of images,
            size and directions of embeddings; see `sketches.measures`.
        values: The different values, where the column has categories or anything that is
            not a number.
    """

    name: str
    kind: ColumnKind
    shape: tuple[int, ...] = ()
    dtype: str = ""
    missing: int = 0
    numbers: dict[str, Numbers] = field(default_factory=dict)
    values: Values | None = None

    @property
    def low(self) -> float | None:
        """Smallest number seen."""
        return self.numbers["value"].low if "value" in self.numbers else None

    @property
    def high(self) -> float | None:
        """Largest number seen."""
        return self.numbers["value"].high if "value" in self.numbers else None

    @property
    def categories(self) -> tuple[str, ...] | None:
        """All values in order, or ``None`` where they are too many or no categories."""
        if self.kind is not ColumnKind.CATEGORY or self.values is None or self.values.overflown:
            return None
        return tuple(sorted(self.values.names.values()))

    @property
    def distinct(self) -> int:
        """Different values, exact or estimated."""
        if self.values is not None:
            return self.values.distinct
        return next(iter(self.numbers.values())).distinct

    def update(self, cells: Any) -> None:
        """Take in the cells of one batch."""
        self.dtype = self._agreed(str(cells.type))
        if self.kind in (ColumnKind.NUMBER, ColumnKind.TIME):
            self._update_numbers(cells)
        elif self.kind is ColumnKind.IMAGE:
            self._update_images(cells)
        elif self.kind is ColumnKind.OTHER and measures.is_vector(cells.type):
            self._update_vectors(cells)
        else:
            self._update_values(cells)

    def merge(self, other: ColumnProfile) -> None:
        """Take in the same column of other rows."""
        if (self.name, self.kind, self.shape) != (other.name, other.kind, other.shape):
            raise InternalError(f"profiles of different columns cannot be merged: {self.name}")
        self.dtype = self._agreed(other.dtype)
        self.missing += other.missing
        if other.is_vector:
            self.values = None
        for name, sketch in other.numbers.items():
            self.numbers.setdefault(name, Numbers()).merge(sketch)
        if self.values is not None and other.values is not None:
            self.values.merge(other.values)

    def _agreed(self, dtype: str) -> str:
        if self.dtype and dtype and self.dtype != dtype:
            raise InternalError(f"column {self.name} changed type from {self.dtype} to {dtype}")
        return self.dtype or dtype

    def _update_numbers(self, cells: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.kind is ColumnKind.TIME and pa.types.is_date(cells.type):
            cells = cells.cast(pa.timestamp("us"))
        if pa.types.is_timestamp(cells.type):
            cells = cells.cast(pa.timestamp("us", cells.type.tz), safe=False)
        if self.kind is ColumnKind.TIME:
            cells = cells.cast(pa.int64(), safe=False)
        known = pc.drop_null(cells.cast(pa.float64(), safe=False))
        values = known.to_numpy(zero_copy_only=False)
        unknown = np.isnan(values)
        values = values[~unknown] if unknown.any() else values
        self.missing += len(cells) - values.size
        self.numbers["value"].update(values)

    def _update_images(self, cells: Any) -> None:
        found, missing = measures.of_images(cells)
        self.missing += missing
        for name, values in found.items():
            self.numbers[name].update(values)

    @property
    def is_vector(self) -> bool:
        """Whether the cells are embeddings, as the first batch showed."""
        return measures.SIZE in self.numbers

    def _update_vectors(self, cells: Any) -> None:
        self.values = None  # each differs from each: nothing to count by name
        found, missing = measures.of_vectors(cells)
        self.missing += missing
        for name, values in found.items():
            self.numbers.setdefault(name, Numbers()).update(values)

    def _update_values(self, cells: Any) -> None:
        if self.is_vector:  # embeddings before, something else now
            self.missing += len(cells)
            return
        texts = cell_texts(cells)
        self.missing += texts.null_count
        if self.values is not None:
            self.values.update(_counts(texts))
        if "length" in self.numbers:
            for name, values in measures.of_texts(texts).items():
                self.numbers[name].update(values)

    def to_json(self) -> dict[str, Any]:
        """Integers and strings."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "missing": self.missing,
            "numbers": {name: sketch.to_json() for name, sketch in self.numbers.items()},
            "values": None if self.values is None else self.values.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ColumnProfile:
        """The column that `to_json` gave."""
        values = value["values"]
        return cls(
            name=str(value["name"]),
            kind=ColumnKind(value["kind"]),
            shape=tuple(int(size) for size in value["shape"]),
            dtype=str(value["dtype"]),
            missing=int(value["missing"]),
            numbers={k: Numbers.from_json(v) for k, v in value["numbers"].items()},
            values=None if values is None else Values.from_json(values),
        )


_MEASURES = {
    ColumnKind.NUMBER: ("value",),
    ColumnKind.TIME: ("value",),
    ColumnKind.TEXT: measures.OF_TEXT,
    ColumnKind.IMAGE: measures.OF_IMAGE,
}
_COUNTED = (ColumnKind.CATEGORY, ColumnKind.TEXT, ColumnKind.OTHER)


def _empty(column: Column) -> ColumnProfile:
    return ColumnProfile(
        name=column.name,
        kind=column.kind,
        shape=column.shape,
        numbers={measure: Numbers() for measure in _MEASURES.get(column.kind, ())},
        values=Values() if column.kind in _COUNTED else None,
    )


@dataclass(slots=True, eq=False)
class Profile:
    """All columns, the balance of the labels, and how groups are represented.

    Attributes:
        labels: How often each label came, as canonical text; ``None`` without a label.
        groups: Sensitive columns, alone and all together, with counts of their values and
            the label: keys are JSON lists of the values, the label last.
    """

    columns: tuple[ColumnProfile, ...]
    rows: int = 0
    label: str | None = None
    labels: Values | None = None
    groups: dict[tuple[str, ...], Values] = field(default_factory=dict)

    @classmethod
    def start(cls, dataset: Dataset) -> Profile:
        """An empty profile of the columns of ``dataset``; reads nothing."""
        alone = [(name,) for name in dataset.sensitive]
        together = [dataset.sensitive] if len(dataset.sensitive) > 1 else []
        return cls(
            columns=tuple(_empty(column) for column in dataset.columns),
            label=dataset.label,
            labels=None if dataset.label is None else Values(),
            groups={names: Values(size=MAX_GROUPS) for names in [*alone, *together]},
        )

    def column(self, name: str) -> ColumnProfile:
        """The column called ``name``.

        Raises:
            KeyError: There is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def update(self, batch: Batch) -> None:
        """Take in consecutive rows."""
        self.rows += batch.num_rows
        for column in self.columns:
            column.update(batch.column(column.name))
        if self.label is not None and self.labels is not None:
            self.labels.update(_counts(cell_texts(batch.column(self.label))))
        for names, sketch in self.groups.items():
            sketch.update(_joint(batch, [*names, *([self.label] if self.label else [])]))

    def merge(self, other: Profile) -> None:
        """Take in the profile of other rows of the same table."""
        self.rows += other.rows
        for mine, theirs in zip(self.columns, other.columns, strict=True):
            mine.merge(theirs)
        if self.labels is not None and other.labels is not None:
            self.labels.merge(other.labels)
        for names, sketch in other.groups.items():
            self.groups[names].merge(sketch)

    def balance(self) -> dict[str, int]:
        """Label to rows, most frequent first; empty without a label or with too many."""
        return {} if self.labels is None else dict(self.labels.top(self.labels.size))

    def representation(self, names: Sequence[str]) -> dict[tuple[str, ...], int]:
        """Values of the sensitive columns ``names``, the label last, to rows."""
        sketch = self.groups[tuple(names)]
        return {tuple(json.loads(key)): count for key, count in sketch.top(sketch.size)}

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal profiles give equal bytes."""
        value = {
            "schema": PROFILE_SCHEMA,
            "rows": self.rows,
            "label": self.label,
            "labels": None if self.labels is None else self.labels.to_json(),
            "columns": [column.to_json() for column in self.columns],
            "groups": [
                {"columns": list(names), "counts": sketch.to_json()}
                for names, sketch in self.groups.items()
            ],
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """The profile that `to_bytes` gave.

        Raises:
            ArtifactError: The bytes are no profile, or its counts contradict each other.
        """
        if len(data) > MAX_PROFILE_BYTES:
            raise broken(f"{len(data)} bytes")
        try:
            value = json.loads(data)
            if value["schema"] != PROFILE_SCHEMA:
                raise broken(f"schema {value['schema']}")
            labels = value["labels"]
            return cls(
                rows=int(value["rows"]),
                label=value["label"],
                labels=None if labels is None else Values.from_json(labels),
                columns=tuple(ColumnProfile.from_json(item) for item in value["columns"]),
                groups={
                    tuple(map(str, item["columns"])): Values.from_json(item["counts"])
                    for item in value["groups"]
                },
            )
        except ArtifactError:
            raise
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise broken(type(error).__name__) from None
        except ValueError as error:
            raise broken(str(error)[:100]) from None


def profile_of(dataset: Dataset) -> Profile:
    """The profile of all rows, in one read."""
    profile = Profile.start(dataset)
    for batch in dataset.read():
        profile.update(batch)
    return profile


def live_profile(dataset: Dataset, training: Profile) -> Profile:
    """The profile of live rows that is to be held against ``training``, and nothing else.

    Numbers are counted over training's own bins, which costs a fraction of a new sketch.
    Words are what they were in training, however long they are now.
    """
    known = {column.name: column for column in training.columns}
    present = {column.name for column in dataset.columns}
    label = training.label if training.label in present else None
    groups = [names for names in training.groups if label and present.issuperset(names)]
    live = Profile(
        columns=tuple(_live(c, known.get(c.name)) for c in dataset.columns),
        label=label,
        labels=None if label is None else Values(),
        groups={names: Values(size=MAX_GROUPS) for names in groups},
    )
    for batch in dataset.read():
        live.update(batch)
    return live


_IN_WORDS = (ColumnKind.CATEGORY, ColumnKind.TEXT)


def _live(column: Column, known: ColumnProfile | None) -> ColumnProfile:
    if known is None:
        return _empty(column)
    if column.kind in _IN_WORDS and known.kind in _IN_WORDS:
        column = replace(column, kind=known.kind)
    found = _empty(column)
    if found.kind is known.kind:
        numbers = {name: Numbers.against(sketch) for name, sketch in known.numbers.items()}
        found.numbers = {name: numbers.get(name, own) for name, own in found.numbers.items()}
        if known.is_vector:
            found.numbers = numbers
        if known.kind is ColumnKind.TEXT:
            found.values = None
    return found


def _counts(texts: Any) -> dict[str, int]:
    """How often each text came; missing cells are left out."""
    import pyarrow.compute as pc

    counted = pc.value_counts(pc.drop_null(texts))
    names, numbers = counted.field(0).to_pylist(), counted.field(1).to_pylist()
    shown = (name if isinstance(name, str) else name.hex() for name in names)
    return dict(zip(shown, numbers, strict=True))


def _joint(batch: Batch, names: Sequence[str]) -> dict[str, int]:
    """How often each combination of values came, keyed by its JSON list."""
    codes = np.zeros(batch.num_rows, np.int64)
    levels: list[list[str | None]] = []
    for name in names:
        encoded = cell_texts(batch.column(name)).dictionary_encode(null_encoding="encode")
        levels.append(encoded.dictionary.to_pylist())
        codes = codes * len(levels[-1]) + np.asarray(encoded.indices)
    found, counts = np.unique(codes, return_counts=True)
    return {
        json.dumps(_decoded(int(code), levels), ensure_ascii=False): int(count)
        for code, count in zip(found, counts, strict=True)
    }


def _decoded(code: int, levels: Sequence[Sequence[str | None]]) -> list[str]:
    values = []
    for level in reversed(levels):
        code, place = divmod(code, len(level))
        values.append(level[place] or "")
    return values[::-1]
