"""Columns that are the label under another name; see `LeakedLabel`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import lgamma, log
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.formats.tables import features_of
from hauberk.methods.deciding_columns import deciding

_HARDLY_EVER = 0.01
"""Share of wrong labels below which a column is no mere good predictor."""

_MIN_VALUES = 20
_WIDE = 2.0
_BINS = 32
_MIN_FILLED = 0.9
_MIN_CLASS = 10
_ROWS_PER_VALUE = 5
_SCALARS = frozenset({ColumnKind.NUMBER, ColumnKind.CATEGORY, ColumnKind.TEXT})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakedLabel(Check[Dataset]):
    """A column from which the label can be read off, so that scores lie.

    Each column is held against the label by itself: the same values, a one-to-one recoding of
    the classes, numbers that part the classes without an error while no other column comes near,
    or the one column that is wrong in at most ``most`` of the rows where a boosted model of all
    the others is wrong ``times`` as often. What chance could bring about in so few rows and
    counters of sorted rows are left alone. Always for review: some labels do follow from one
    column.

    Limits:
        The label must be named. Copies with more errors, functions of a numeric label and leaks
        that need two columns pass. Only the first ``max_rows`` rows are read.

    Args:
        min_bits: How improbable the agreement must be by chance, in bits.
        min_rows: Rows from which on numbers that part the classes count.
        near: Share of what the label's most frequent class leaves open that another column may
            explain, 0 to 1; above it parting the classes is no surprise.
        max_rows: Rows that are read.
        most: Largest share of rows that a deciding column gets wrong, out of fold, 0 to 1.
        times: How many times as often all other columns together must be wrong.
        apart: How much more often they must be, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> churned = [i * i % 7 < 3 for i in range(60)]
        >>> code = ["K" if value else "B" for value in churned]
        >>> rows = pa.RecordBatch.from_pydict({"code": code, "churned": churned})
        >>> [found.message for found in LeakedLabel().check(table_of("t", [rows], label="churned"))]
        ['column code of t is a one-to-one recoding of the label churned']

    References:
        Kaufman et al. (2012), Leakage in data mining. Kapoor and Narayanan (2023), Leakage and
        the reproducibility crisis in machine-learning-based science.
    """

    title: ClassVar[str] = "A column gives the label away"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-2"),)
    subject: ClassVar[Any] = Dataset

    min_bits: float = 40.0
    min_rows: int = 200
    near: float = 0.9
    max_rows: int = 20_000
    most: float = 0.04
    times: float = 3.0
    apart: float = 0.06

    def check(self, subject: Dataset) -> Iterator[Finding]:
        """A finding for each column that copies the label, or for the one that parts it.

        Raises:
            NotApplicable: No label is named, it has one value, or no column can be compared.
        """
        columns = {c.name: c.kind for c in features_of(subject) if c.kind in _SCALARS}
        if subject.label is None or not columns:
            raise NotApplicable("no label is named, or no column holds plain values")
        cells = self._read(subject, [subject.label, *columns])
        label = cells.pop(subject.label)
        if len(set(label) - {None}) < 2:  # noqa: PLR2004 - a choice
            raise NotApplicable("the label has fewer than two values")
        copies = {name: self._copies(column, label) for name, column in cells.items()}
        for name, how in copies.items():
            if how:
                yield _finding(subject, name, how, len(label))
        if not any(copies.values()):
            numbers = {
                name: _numbers(column)
                for name, column in cells.items()
                if columns[name] is not ColumnKind.TEXT
            }
            parting = list(self._parting(subject, numbers, label))
            yield from parting
            if not parting and len(label) >= self.min_rows:
                plain = {n: c for n, c in cells.items() if columns[n] is not ColumnKind.TEXT}
                yield from self._deciding(subject, plain, label)

    def _deciding(
        self, subject: Dataset, cells: dict[str, list[str | None]], label: list[str | None]
    ) -> Iterator[Finding]:
        for one in deciding(cells, label, most=self.most, times=self.times, apart=self.apart):
            how = (
                f"alone is wrong in {one.error:.1%} of the rows, all the others together in "
                f"{one.others:.1%}, about"
            )
            yield _finding(subject, one.name, how, one.n_rows, one.error)

    def _read(self, subject: Dataset, names: list[str]) -> dict[str, list[str | None]]:
        cells: dict[str, list[str | None]] = {name: [] for name in names}
        n_rows = 0
        for batch in subject.read():
            for name in names:
                cells[name] += cell_texts(batch.column(name)).to_pylist()
            n_rows += batch.num_rows
            if n_rows >= self.max_rows:
                break
        return {name: column[: self.max_rows] for name, column in cells.items()}

    def _copies(self, column: list[str | None], label: list[str | None]) -> str:
        both = [pair for pair in zip(column, label, strict=True) if None not in pair]
        if len(both) < _MIN_FILLED * len(label):
            return ""
        pairs = set(both)
        classes = {right for _, right in pairs}
        if len(pairs) != len(classes) or len({left for left, _ in pairs}) != len(classes):
            return ""
        if _bits([right for _, right in both]) < self.min_bits:
            return ""
        if all(left == right for left, right in pairs):
            return "has the same values as"
        is_coarse = len(classes) * _ROWS_PER_VALUE <= len(both)
        return "is a one-to-one recoding of" if is_coarse else ""

    def _parting(
        self, subject: Dataset, numbers: dict[str, Any], label: list[str | None]
    ) -> Iterator[Finding]:
        known = np.array([cell is not None for cell in label])
        codes = np.unique([cell for cell in label if cell is not None], return_inverse=True)[1]
        sizes = np.bincount(codes)
        is_sure = codes.size >= self.min_rows and sizes.min() >= _MIN_CLASS
        if not is_sure or _bits(codes.tolist()) < self.min_bits:
            return
        kept = {name: values[known] for name, values in numbers.items() if values is not None}
        perfect = [name for name, values in kept.items() if _parts(values, codes)]
        if len(perfect) != 1:
            return
        others = (_explained(values, codes) for name, values in kept.items() if name != perfect[0])
        if max(others, default=0.0) < self.near:
            yield _finding(subject, perfect[0], "alone parts all classes of", codes.size)


def _bits(values: Iterable[object]) -> float:
    """Logarithm of the number of orders that these values can stand in."""
    counts = Counter(values).values()
    return (lgamma(sum(counts) + 1) - sum(lgamma(count + 1) for count in counts)) / log(2)


def _numbers(column: list[str | None]) -> Any | None:
    """The values, or nothing where a filled cell is no finite number."""
    try:
        values = np.array([np.nan if cell is None else float(cell) for cell in column])
    except ValueError:
        return None
    return None if np.isinf(values).any() else values


def _parts(values: Any, codes: Any) -> bool:
    """Whether each class has an interval of its own; codes and counters of rows do not count."""
    steps, n_values = np.diff(values), np.unique(values).size
    is_counter = (steps > 0).all() or (steps < 0).all()
    if np.isnan(values).any() or is_counter or n_values < _MIN_VALUES:
        return False
    order = np.argsort(values, kind="stable")
    turns = np.flatnonzero(np.diff(codes[order]))
    sizes = np.unique(codes).size
    ordered = values[order]
    gaps = ordered[turns + 1] - ordered[turns]
    if turns.size != sizes - 1 or not (gaps > 0).all():
        return False
    # Of few values, as ages have, only classes far apart were made from the label.
    spread = max(float(values[codes == code].std()) for code in range(sizes))
    return bool(2 * n_values >= values.size or (gaps > _WIDE * spread).all())


def _explained(values: Any, codes: Any) -> float:
    """Share of the rows outside the largest class that bins of one column put right."""
    filled = np.where(np.isnan(values), np.inf, values)
    edges = np.unique(np.quantile(filled[np.isfinite(filled)], np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = np.zeros((edges.size + 2, int(codes.max()) + 1), np.int64)
    bins = np.where(np.isinf(filled), edges.size + 1, np.searchsorted(edges, filled))
    np.add.at(counts, (bins, codes), 1)
    largest = int(np.bincount(codes).max())
    return float((counts.max(axis=1).sum() - largest) / (codes.size - largest))


def _finding(subject: Dataset, name: str, how: str, n_rows: int, error: float = 0.0) -> Finding:
    return Finding(
        message=f"column {name} of {subject.name} {how} the label {subject.label}",
        path=subject.name,
        severity=Severity.HIGH if error < _HARDLY_EVER else Severity.MEDIUM,
        level=Level.REVIEW,
        threats=LeakedLabel.threats,
        location=Location(field=name),
        remedy="Drop the column, unless it is known before the label is and when the model is "
        "used; if it is, the label needs no model.",
        evidence=Evidence(
            statistic="share of rows whose label the column gets wrong",
            value=error,
            threshold=0.0,
            n=n_rows,
        ),
    )
