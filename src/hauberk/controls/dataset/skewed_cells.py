"""Classes of groups that were thinned out or multiplied; see `SkewedCells`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Comparison, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Histogram, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.methods.statistics import holm

_MAX_GROUPS = 12
_MAX_LEVELS = 24
_MIN_ROWS = 100
_MAX_FINDINGS = 5

Cell = tuple[str, str, str]
"""Column of the group, its level, and the class; the column is empty for all rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkewedCells(Check[Comparison[Dataset]]):
    """Rows of one class, or of one class in one group, that went or came more than others.

    Rows are counted by class, and by class in each group: the sensitive columns and every
    column of few categories. A part of the older table that was drawn without a look at class
    and group keeps the same share of each cell, up to chance (the hypergeometric
    distribution); where rows came too, both tables are held against each other as two draws.

    Limits:
        A declared re-balancing looks the same: a finding is of level ``review``. Groups that
        no column names are not seen, nor is a cell of fewer than ``min_rows``. In a part drawn
        at random, as a training split is, chance hides what all parts together show.

    Args:
        alpha: Chance of a false alarm over all cells, 0 to 1.
        min_effect: Smallest difference of a cell's share kept from that of all rows, as a
            share of the latter, 0 to 1.
        min_rows: Rows of the older table that a cell must have.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def table(drop):
        ...     rows = [(s, y) for i in range(300) for s, y in (("f", "no"), ("m", "yes"))]
        ...     rows += [("f", "yes")] * (300 - drop) + [("m", "no")] * 300
        ...     names = ("sex", "y")
        ...     columns = dict(zip(names, map(list, zip(*rows)), strict=True))
        ...     return table_of("t", [pa.RecordBatch.from_pydict(columns)], label="y")
        >>> found = SkewedCells().check(Comparison(old=table(0), new=table(60)))
        >>> [finding.message for finding in found][0]
        'of the rows yes with sex f 80.0% are in t, of all rows 95.0%'

    References:
        Fisher (1935), The logic of inductive inference, for the exact test. Northcutt and
        others (2021), Pervasive label errors, for balance as a part of a benchmark.
    """

    title: ClassVar[str] = "A class or group was thinned out"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-3"),)
    subject: ClassVar[Any] = (Comparison, Dataset)

    alpha: float = 0.002
    min_effect: float = 0.03
    min_rows: int = 40

    def check(self, subject: Comparison[Dataset]) -> Iterator[Finding]:
        """A finding for each skewed cell, the clearest first, up to five.

        Raises:
            NotApplicable: There is no older table, no label, or there are too few rows.
        """
        old, new = subject.old, subject.new
        if old is None or old.label is None or new.label is None:
            raise NotApplicable("there is no older table with a label")
        groups = _groups(old, new)
        before, after = _counts(old, groups), _counts(new, groups)
        n_before, n_after = _total(before), _total(after)
        if min(n_before, n_after) < _MIN_ROWS:
            raise NotApplicable(f"fewer than {_MIN_ROWS} rows with a label")
        cells = sorted(cell for cell in before | after if before[cell] >= self.min_rows)
        if not cells:
            raise NotApplicable(f"no class has {self.min_rows} rows")
        pairs = np.array([(before[cell], after[cell]) for cell in cells], np.int64)
        p_values = holm(_p_values(pairs, n_before, n_after))
        kept = pairs[:, 1] / pairs[:, 0] / (n_after / n_before)
        is_skewed = (p_values < self.alpha) & (np.abs(kept - 1) >= self.min_effect)
        order = np.argsort(p_values, kind="stable")
        chosen = [int(i) for i in order if is_skewed[i]][:_MAX_FINDINGS]
        for i in chosen:
            yield _finding(
                new, cells[i], pairs[i], (n_before, n_after), (float(p_values[i]), self.alpha)
            )


def _groups(old: Dataset, new: Dataset) -> tuple[str, ...]:
    """Sensitive columns first, then those of categories; both tables must have them."""
    known = {column.name for column in new.columns}
    named = [name for name in old.sensitive if name in known]
    others = [
        column.name
        for column in old.columns
        if column.kind is ColumnKind.CATEGORY
        and column.name in known
        and column.name not in {old.label, *named}
    ]
    return tuple([*named, *others][:_MAX_GROUPS])


def _counts(part: Dataset, groups: tuple[str, ...]) -> Counter[Cell]:
    counts: Counter[Cell] = Counter()
    for batch in part.read():
        labels = cell_texts(batch.column(part.label)).to_pylist()
        known = [label for label in labels if label is not None]
        counts.update(("", "", label) for label in known)
        for name in groups:
            levels = cell_texts(batch.column(name)).to_pylist()
            counts.update(
                (name, level or "", label)
                for level, label in zip(levels, labels, strict=True)
                if label is not None
            )
    levels_of = Counter(name for name, _ in {(name, level) for name, level, _ in counts})
    return Counter({cell: n for cell, n in counts.items() if levels_of[cell[0]] <= _MAX_LEVELS})


def _total(counts: Counter[Cell]) -> int:
    return sum(n for (name, _, _), n in counts.items() if not name)


def _p_values(pairs: Any, n_before: int, n_after: int) -> Any:
    """Two-sided, for each cell; exact where the newer rows are a part of the older ones."""
    from scipy.stats import binom, hypergeom

    before, after = pairs[:, 0], pairs[:, 1]
    if (after <= before).all() and n_after <= n_before:
        low = hypergeom.cdf(after, n_before, before, n_after)
        high = hypergeom.sf(after - 1, n_before, before, n_after)
    else:
        rate = n_after / (n_before + n_after)
        low, high = (
            binom.cdf(after, before + after, rate),
            binom.sf(after - 1, before + after, rate),
        )
    return np.minimum(2 * np.minimum(low, high), 1.0)


def _finding(
    new: Dataset, cell: Cell, pair: Any, n: tuple[int, int], chances: tuple[float, float]
) -> Finding:
    p, alpha = chances
    name, level, label = cell
    group = f" with {name} {level}" if name else ""
    share, whole = pair[1] / pair[0], n[1] / n[0]
    return Finding(
        message=f"of the rows {label}{group} {share:.1%} are in {new.name}, of all rows "
        f"{whole:.1%}",
        path=new.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=SkewedCells.threats,
        confidence=1.0 - p,
        location=Location(field=name or new.label),
        remedy="Find the step that dropped or drew these rows; make the split anew from its "
        "seed, or declare the re-balancing.",
        evidence=Evidence(
            statistic="chance of so uneven a draw, corrected for all cells",
            value=p,
            threshold=alpha,
            n=int(pair[0]),
            facts={"class": label, "group": f"{name}={level}" if name else "all rows"},
            plots=(
                Histogram(
                    title="Share of the older rows that is kept",
                    edges=("this cell", "all rows"),
                    series={"kept": (float(share), float(whole))},
                ),
            ),
        ),
    )
