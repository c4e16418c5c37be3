"""Scores of every row, from all controls that give them, as one table.

Columns are ``path``, ``row``, ``control`` and ``score``; higher is more suspicious. One more
line for each row has the control ``overall``: the chance that at least one of the controls is
right about the row, as if they erred independently. Controls whose scores are no chances
take part with the rows that they would set aside, and else by rank: only their last hundredth
counts, and never as much as a likely chance.
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
    by_path: dict[str, list[tuple[str, list[float], list[float]]]] = {}
    for assessment in assessments:
        for scores in assessment.scores:
            values = _values(scores)
            chances = values if scores.is_chance else _by_rank(values, scores.flagged_above)
            entry = (assessment.control, values, chances)
            by_path.setdefault(scores.path, []).append(entry)
    for path in sorted(by_path):
        controls = sorted(by_path[path])
        overall = _overall([chances for _, _, chances in controls])
        for control, values, _ in [*controls, (OVERALL, overall, overall)]:
            yield from (RowScore(path, row, control, score) for row, score in enumerate(values))


def _values(scores: RowScores) -> list[float]:
    values = [0.0] * scores.n_rows
    for first, part in scores.read():
        values[first : first + len(part)] = [float(score) for score in part]
    return values


def _overall(controls: Sequence[list[float]]) -> list[float]:
    kept = [1.0] * max(len(chances) for chances in controls)
    for chances in controls:
        for row, chance in enumerate(chances):
            kept[row] *= 1.0 - min(max(chance, 0.0), _MOST)
    return [1.0 - part for part in kept]


_MOST = 1.0 - 1e-12
"""No chance ends the comparison: two certain controls are surer than one."""

_RANKED = 0.01
_RANKED_CHANCE = 0.4
_FLAGGED_CHANCE = 0.95


def _by_rank(values: list[float], flagged_above: float | None) -> list[float]:
    """Scores of another scale as chances: by the share of rows that score lower, near its end.

    Rows that their control would set aside are likely tampered with.
    """
    first = {value: place for place, value in reversed(list(enumerate(sorted(values))))}
    shares = [first[value] / max(len(values), 1) for value in values]
    ends = [max(0.0, share - (1 - _RANKED)) / _RANKED * _RANKED_CHANCE for share in shares]
    if flagged_above is None:
        return ends
    return [
        _FLAGGED_CHANCE + 0.05 * end if value > flagged_above else end
        for value, end in zip(values, ends, strict=True)
    ]


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
    is_device = path.exists() and not path.is_file()
    partial = path if is_device else path.with_name(f".{path.name}.partial")
    try:
        writers[path.suffix](rows, partial)
        if partial != path:
            partial.replace(path)
    except OSError as error:
        if partial != path:
            partial.unlink(missing_ok=True)
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
