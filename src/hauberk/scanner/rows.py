"""Scores of every row, from all controls that give them, as one table.

Columns are ``path``, ``row``, ``control`` and ``score``; higher is more suspicious. One more
line for each row has the control ``overall``: the chance that at least one of the controls is
right about the row, as if they erred independently. Controls whose scores are no chances
take part by rank: only their last hundredth counts, and never as much as a likely chance.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.core.finding import Assessment, RowScores
from hauberk.errors import UnavailableError, UsageError

OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class RowScore:
    """One line of the table."""

    path: str
    row: int
    control: str
    score: float


def row_scores(assessments: Iterable[Assessment]) -> Iterator[RowScore]:
    """All lines, by path, then control, then row; ``overall`` comes last."""
    by_path: dict[str, list[tuple[str, list[float], bool]]] = {}
    for assessment in assessments:
        for scores in assessment.scores:
            entry = (assessment.control, _values(scores), scores.is_chance)
            by_path.setdefault(scores.path, []).append(entry)
    for path in sorted(by_path):
        controls = sorted(by_path[path])
        overall = (OVERALL, _overall([entry[1:] for entry in controls]), True)
        for control, values, _ in [*controls, overall]:
            yield from (RowScore(path, row, control, score) for row, score in enumerate(values))


def _values(scores: RowScores) -> list[float]:
    values = [0.0] * scores.n_rows
    for first, part in scores.read():
        values[first : first + len(part)] = [float(score) for score in part]
    return values


def _overall(controls: Sequence[tuple[list[float], bool]]) -> list[float]:
    n_rows = max(len(values) for values, _ in controls)
    kept = [1.0] * n_rows
    for values, is_chance in controls:
        for row, chance in enumerate(values if is_chance else _by_rank(values)):
            kept[row] *= 1.0 - min(max(chance, 0.0), _MOST)
    return [1.0 - part for part in kept]


_MOST = 1.0 - 1e-12
"""No chance ends the comparison: two certain controls are surer than one."""

_RANKED = 0.01
_RANKED_CHANCE = 0.4


def _by_rank(values: list[float]) -> list[float]:
    """Scores of another scale as chances: the share of rows that score lower, near its end."""
    first = {value: place for place, value in reversed(list(enumerate(sorted(values))))}
    shares = [first[value] / max(len(values), 1) for value in values]
    return [max(0.0, share - (1 - _RANKED)) / _RANKED * _RANKED_CHANCE for share in shares]


def write_rows(rows: Iterable[RowScore], path: Path) -> None:
    """Write the table as CSV or Parquet, by its ending.

    Raises:
        UsageError: The ending is neither ``.csv`` nor ``.parquet``.
        UnavailableError: The file cannot be written.
    """
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    if path.suffix not in writers:
        raise UsageError(
            "row scores are written as CSV or Parquet",
            subject=str(path),
            expected=".csv or .parquet",
            found=path.suffix or "no ending",
        )
    try:
        writers[path.suffix](rows, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnavailableError(
            f"the rows cannot be written: {reason}", subject=str(path)
        ) from error


def _write_csv(rows: Iterable[RowScore], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "row", "control", "score"))
        writer.writerows((row.path, row.row, row.control, repr(row.score)) for row in rows)


def _write_parquet(rows: Iterable[RowScore], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kept = list(rows)
    columns: dict[str, Any] = {
        "path": pa.array([row.path for row in kept], pa.string()),
        "row": pa.array([row.row for row in kept], pa.int64()),
        "control": pa.array([row.control for row in kept], pa.string()),
        "score": pa.array([row.score for row in kept], pa.float64()),
    }
    parquet.write_table(pa.table(columns), path)
