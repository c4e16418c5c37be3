"""Columns that are means of the label over the same rows; see `LabelMeans`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.formats.tables import features_of
from hauberk.methods.label_means import MIN_BITS, MIN_ROWS, MadeOfLabels, means_of, targets_of

MAX_GROUPED = 32
"""Categories that means without the own row are looked for in."""

_CODES = frozenset({ColumnKind.CATEGORY, ColumnKind.TEXT, ColumnKind.NUMBER})


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMeans(Check[Dataset]):
    """A category was replaced by the mean of the label in it, over these very rows.

    A model that learns from such a column has each row's own label among its features, and
    scores on the same rows lie. What is looked for is exact: the mean of the label over the rows
    that hold a value is that value, as it is, shrunk to a prior, or without the own row
    (`methods.label_means`). Always for review: the rows may not be meant for training.

    Limits:
        The label must be named, and the means taken over the rows of this table and no others.
        Means with noise, of folds or of earlier rows only are not looked for; the last two give
        nothing away. Tables of more than ``max_rows`` rows are not judged. Means without the own
        row are held against the first 32 other columns, and only columns that hold a fraction in
        the first rows are looked at.

    Args:
        max_rows: Rows that are read.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> town = [i % 30 for i in range(600)]
        >>> paid = [float(i * i % 47) for i in range(600)]
        >>> mean = [sum(paid[t::30]) / 20 for t in town]
        >>> rows = pa.RecordBatch.from_pydict({"town_mean": mean, "paid": paid})
        >>> subject = table_of("t", [rows], label="paid")
        >>> [found.message for found in LabelMeans().check(subject)]
        ['column town_mean of t is the mean of the label paid over the rows that hold it']

    References:
        See `hauberk.methods.label_means`.
    """

    title: ClassVar[str] = "A column holds means of the label"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-2"),)
    subject: ClassVar[Any] = Dataset

    max_rows: int = 500_000

    def check(self, subject: Dataset) -> Iterator[Finding]:
        """A finding for each column that is made of the label.

        Raises:
            NotApplicable: No label is named, no column holds fractions, or there are too few
                rows, or too many.
        """
        if subject.label is None:
            raise NotApplicable("no label is named")
        names = self._fractions(subject)
        if not names:
            raise NotApplicable("no column holds fractions")
        label, numbers, groups = self._read(subject, subject.label, names)
        if label.size < MIN_ROWS:
            raise NotApplicable(f"{label.size} rows with a label")
        targets = targets_of(label)
        for name, values in numbers.items():
            found = _of_any(values, targets, {k: v for k, v in groups.items() if k != name})
            if found is not None:
                yield _finding(subject, name, found, label.size)

    def _fractions(self, subject: Dataset) -> list[str]:
        """Columns of numbers of which one of the first rows is not whole."""
        names = [c.name for c in features_of(subject) if c.kind is ColumnKind.NUMBER]
        for batch in subject.read():
            if batch.num_rows:
                return [name for name in names if _has_fraction(_floats(batch.column(name)))]
        return []

    def _read(
        self, subject: Dataset, label: str, names: list[str]
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """The label, the columns of fractions, and codes of the columns that part the rows."""
        others = [c.name for c in features_of(subject) if c.kind in _CODES and c.name not in names][
            :MAX_GROUPED
        ]
        cells: dict[str, list[Any]] = {name: [] for name in (label, *names, *others)}
        n_rows = 0
        for batch in subject.read():
            n_rows += batch.num_rows
            if n_rows > self.max_rows:
                raise NotApplicable(f"more than {self.max_rows} rows")
            for name in names:
                cells[name].append(_floats(batch.column(name)))
            for name in (label, *others):
                cells[name].append(np.array(cell_texts(batch.column(name)).to_pylist(), object))
        if not n_rows:
            return np.array([]), {}, {}
        columns = {name: np.concatenate(parts) for name, parts in cells.items()}
        known = np.array([cell is not None for cell in columns[label]])
        kept = {name: column[known] for name, column in columns.items()}
        return (
            _numbers_if_all(kept[label]),
            {name: kept[name] for name in names},
            dict(_parting(kept, others)),
        )


def _parting(columns: Mapping[str, Any], names: list[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        values, codes = np.unique(columns[name].astype(str), return_inverse=True)
        if 1 < values.size <= codes.size // 2:
            yield name, codes


def _of_any(
    values: Any, targets: Mapping[str, Any], groups: Mapping[str, Any]
) -> tuple[str, MadeOfLabels] | None:
    filled = np.isfinite(values)
    if not filled.all():  # a mean that is missing says nothing of those that are not
        values = values[filled]
        targets = {name: target[filled] for name, target in targets.items()}
        groups = {name: codes[filled] for name, codes in groups.items()}
    for name, target in targets.items():
        found = means_of(values, target, groups)
        if found is not None:
            return name, found
    return None


def _floats(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    cast = pc.cast(column, pa.float64(), safe=False)
    return cast.to_numpy(zero_copy_only=False)


def _has_fraction(values: Any) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite != np.round(finite)).any())


def _numbers_if_all(cells: Any) -> Any:
    try:
        numbers = cells.astype(float)
    except ValueError:
        return cells.astype(str)
    return numbers if np.isfinite(numbers).all() else cells.astype(str)


def _finding(subject: Dataset, name: str, found: tuple[str, MadeOfLabels], n_rows: int) -> Finding:
    class_name, means = found
    label = f"{subject.label} being {class_name}" if class_name else str(subject.label)
    way = means.way.replace("the label", f"the label {label}", 1)
    return Finding(
        message=f"column {name} of {subject.name} is {way}",
        path=subject.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        threats=LabelMeans.threats,
        location=Location(field=name),
        remedy="Take the means over other rows than those that are learnt from and judged: out "
        "of fold, or from an earlier period; drop the column where that cannot be.",
        evidence=Evidence(
            statistic="groups whose mean of the label is the column's value",
            value=float(means.n_groups),
            threshold=MIN_BITS,
            n=n_rows,
        ),
    )
