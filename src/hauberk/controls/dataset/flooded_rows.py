"""Rows of a table that one row was copied into, with a little noise; see `FloodedRows`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed

_SHOWN = 1_000
_MIN_COLUMNS = 3
_MAX_ROWS = 20_000
_DISTINCT = 0.5
_CHANCE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodedRows(Check[Dataset]):
    """Rows that lie far closer together than any others.

    Only columns whose values hardly repeat are compared: measurements. A row that was copied
    many times with a little noise has that many others within a small part of the distance
    that usual rows have to as many of theirs, in all of these columns at once.

    Limits:
        Tables of categories and counts repeat honestly and are not looked at, nor are pictures
        and tables of more than 20,000 rows. Floods of fewer than ``min_size`` rows and copies
        with noise of more than some per cent pass. A machine that stands still gives such rows
        too: a finding is of level ``review``.

    Args:
        min_size: Rows that lie together before they are a flood.
        nearness: Part of the usual distance within which they lie, 0 to 1.

    Example:
        >>> import numpy as np
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> x = np.random.default_rng(1).normal(size=(400, 4))
        >>> x[:30] = x[0] + np.random.default_rng(2).normal(0, 1e-4, (30, 4))
        >>> rows = pa.RecordBatch.from_pydict({f"x{i}": x[:, i] for i in range(4)})
        >>> found = FloodedRows().check(table_of("t", [rows]))
        >>> [f.message for f in found if isinstance(f, Finding)]
        ['30 of 400 rows of t lie closer together than 1/20 of what is usual: copies with noise']

    References:
        Carlini et al. (2024), Poisoning web-scale training datasets is practical. Breunig et
        al. (2000), LOF: identifying density-based local outliers, for the distance to the k-th
        neighbour.
    """

    title: ClassVar[str] = "One row was copied many times"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-1"), ThreatId("AQ-4"))
    subject: ClassVar[Any] = Dataset

    min_size: int = 12
    nearness: float = 0.05

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and at most one finding.

        Raises:
            NotApplicable: There are too few columns of measurements, or too many or few rows.
        """
        rows = embed.load(subject)
        if rows.images is not None or not 4 * self.min_size <= rows.n_rows <= _MAX_ROWS:
            raise NotApplicable(f"{rows.n_rows} rows, or pictures")
        kept = [i for i, x in enumerate(rows.numbers.T) if _is_measured(x)]
        if len(kept) < _MIN_COLUMNS:
            raise NotApplicable(f"{len(kept)} columns whose values hardly repeat")
        x = np.asarray(embed.standardised(rows.numbers[:, kept]), np.float64)
        reach = _reach(x, self.min_size - 1)
        usual = float(np.median(reach))
        places = np.flatnonzero(reach < self.nearness * usual)
        is_flood = places.size >= self.min_size
        chances = np.zeros(rows.n_rows)
        chances[places] = _CHANCE if is_flood else 0.0
        scores = chances.tolist()
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, scores)]),
            is_chance=True,
            flagged_above=0.5 if is_flood else None,
        )
        if is_flood:
            yield self._finding(subject, places, float(reach[places].max() / usual), rows.n_rows)

    def _finding(self, subject: Dataset, places: Any, share: float, n_rows: int) -> Finding:
        return Finding(
            message=f"{places.size} of {n_rows} rows of {subject.name} lie closer together than "
            f"1/{1 / self.nearness:.0f} of what is usual: copies with noise",
            path=subject.name,
            severity=Severity.MEDIUM,
            level=Level.REVIEW,
            threats=FloodedRows.threats,
            location=Location(rows=tuple(places[:_SHOWN].tolist())),
            remedy="Keep one of these rows, and find out who brought the others.",
            evidence=Evidence(
                statistic="distance to so many neighbours, as a part of the usual one",
                value=share,
                threshold=self.nearness,
                n=n_rows,
            ),
        )


def _is_measured(cells: Any) -> bool:
    known = cells[np.isfinite(cells)]
    return bool(known.size == cells.size and np.unique(known).size > _DISTINCT * cells.size)


def _reach(x: Any, k: int) -> Any:
    """Distance of each row to its ``k``-th neighbour, exact where rows nearly coincide."""
    places, _ = embed.neighbours(np.asarray(x, np.float32), np.asarray(x, np.float32), k, same=True)
    away = x[places[:, -1]] - x
    return np.sqrt((away**2).sum(axis=1))
