"""Rows that a scan would set aside, as a file that people edit, and what becomes of it.

A scan writes one line for each row and control; nothing is dropped by it. Applying the file
splits the data in two, what stays and what is held, and proves by counts and by the rows'
own digests that none was lost, added or mixed up with other data.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Dataset
from hauberk.core.finding import Assessment, Finding, Outcome
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError

MAX_LINES = 10_000_000
"""Lines of one file of decisions; more rows than that are no quarantine but another data set."""

COLUMNS = ("path", "row", "row_id", "control", "score", "reason", "decision")
HOLD, KEEP = "quarantine", "keep"
_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row that a control would set aside.

    Attributes:
        row: Number in landed order, from 0.
        row_id: Digest of the row and its occurrence, which ties the line to the bytes.
        decision: ``quarantine``, or ``keep`` where a person let it pass.
    """

    path: str
    row: int
    row_id: str
    control: str
    score: float
    reason: str
    decision: str = HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an application did: rows in are rows kept and held."""

    source: str
    rows_in: int
    rows_kept: int
    rows_held: int
    controls: dict[str, int]
    held_ids: tuple[str, ...]
    decisions_sha256: str


# Writing -----------------------------------------------------------------------------


def decisions(
    assessments: Iterable[Assessment], opener: Callable[[str], Dataset]
) -> Iterator[Decision]:
    """A decision for each row and control that flagged it, by path and row.

    Args:
        opener: Opens the data at a path of the assessments again.
    """
    by_path: dict[str, list[tuple[int, str, float, str]]] = {}
    for assessment in assessments:
        if assessment.outcome is Outcome.FLAGGED:
            for path, row, score in _rows(assessment):
                reason = _reason(assessment, row)
                by_path.setdefault(path, []).append((row, assessment.control, score, reason))
    for path in sorted(by_path):
        found = sorted(by_path[path])
        ids = _ids(opener(path), {row for row, *_ in found})
        for row, control, score, reason in found:
            yield Decision(
                path=path,
                row=row,
                row_id=ids[row],
                control=control,
                score=score,
                reason=reason[:_REASON_CHARACTERS],
            )


def _rows(assessment: Assessment) -> Iterator[tuple[str, int, float]]:
    """Rows above the control's own threshold; else those that its findings name."""
    limited = [part for part in assessment.scores if part.flagged_above is not None]
    for part in limited:
        for first, scores in part.read():
            for place, score in enumerate(scores):
                if score > part.flagged_above:  # type: ignore[operator] # not None: chosen above
                    yield part.path, first + place, float(score)
    if not limited:
        named = {
            (finding.path, row) for finding in assessment.findings for row in finding.location.rows
        }
        yield from ((path, row, 1.0) for path, row in sorted(named))


def _reason(assessment: Assessment, row: int) -> str:
    """What the finding that names the row says; else the first one."""

    def names(finding: Finding) -> bool:
        return row in finding.location.rows

    found = next(filter(names, assessment.findings), assessment.findings[0])
    return found.message


def _ids(dataset: Dataset, wanted: set[int]) -> dict[int, str]:
    from hauberk.formats.rows import row_ids

    found: dict[int, str] = {}
    first = 0
    for part in row_ids(dataset):
        found.update({row: part[row - first] for row in wanted if first <= row < first + len(part)})
        first += len(part)
    return found


def write_decisions(lines: Iterable[Decision], path: Path) -> int:
    """Write them as CSV; returns how many.

    Raises:
        UnavailableError: The file cannot be written.
    """
    count = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for line in lines:
                writer.writerow(asdict(line))
                count += 1
    except OSError as error:
        raise UnavailableError(
            f"the decisions cannot be written: {error.strerror}", subject=str(path)
        ) from error
    return count


# Reading and applying ----------------------------------------------------------------


def read_decisions(path: Path) -> tuple[Decision, ...]:
    """The decisions in a file, as a person left them.

    Raises:
        ArtifactError: A line is not one of a file of decisions; names it.
        UsageError: There is no such file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise _malformed(path, 1, ", ".join(COLUMNS), ", ".join(reader.fieldnames or ()))
            return tuple(_decision(path, line, row) for line, row in enumerate(reader, 2))
    except OSError as error:
        raise UsageError(
            "the file of decisions cannot be read", subject=str(path), found=error.strerror
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _malformed(path, 0, "CSV in UTF-8", type(error).__name__) from None


def _decision(path: Path, line: int, row: dict[str, str]) -> Decision:
    if line > MAX_LINES or None in row or None in row.values():
        raise _malformed(path, line, f"{len(COLUMNS)} cells in at most {MAX_LINES} lines", "others")
    if row["decision"] not in {HOLD, KEEP}:
        raise _malformed(path, line, f"{HOLD} or {KEEP}", repr(row["decision"][:40]))
    try:
        number, score = int(row["row"]), float(row["score"])
    except ValueError:
        raise _malformed(path, line, "a row number and a score", row["row"][:40]) from None
    return Decision(
        path=row["path"],
        row=number,
        row_id=row["row_id"],
        control=row["control"],
        score=score,
        reason=row["reason"],
        decision=row["decision"],
    )


def _malformed(path: Path, line: int, expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "the file of decisions is malformed",
        subject=f"{path}:{line}",
        rule="one line for each row and control, as hauberk scan --quarantine writes them",
        expected=expected,
        found=found,
        hint="write it again with hauberk scan --quarantine, and change the column decision only",
    )


def held_rows(found: Iterable[Decision], dataset: Dataset) -> dict[int, Decision]:
    """Rows to hold, each with the first decision that says so, checked against the data.

    A row that any person's line keeps is kept.

    Raises:
        TrustError: A decision is about another row than the data have at its place.
    """
    lines = list(found)
    kept = {line.row for line in lines if line.decision == KEEP}
    held: dict[int, Decision] = {}
    for line in lines:
        if line.row not in kept:
            held.setdefault(line.row, line)
    ids = _ids(dataset, {line.row for line in lines})
    for line in lines:
        if ids.get(line.row) != line.row_id:
            raise TrustError(
                "the decisions are about other data",
                subject=f"{dataset.name}, row {line.row}",
                rule="a decision holds for the row that was scanned",
                expected=line.row_id or "a row id",
                found=ids.get(line.row, "no such row"),
                hint="scan these data, and decide again",
            )
    return held


def apply(dataset: Dataset, held: dict[int, Decision], kept_path: Path, held_path: Path) -> Applied:
    """Write what stays and what is held, count both, and say what was done.

    Raises:
        ArtifactError: No row would stay.
    """
    total = sum(batch.num_rows for batch in dataset.read())
    if len(held) >= total:
        raise ArtifactError(
            "no row would be left",
            subject=dataset.name,
            expected=f"fewer than {total} rows held",
            found=str(len(held)),
            hint="do not use these data",
        )
    writer = _split_files if dataset.files else _split_table
    n_kept, n_held = writer(dataset, set(held), kept_path, held_path)
    if n_kept + n_held != total or n_held != len(held):
        raise ArtifactError(
            "rows changed while they were written",
            subject=dataset.name,
            expected=f"{total} rows, {len(held)} of them held",
            found=f"{n_kept} and {n_held}",
            hint="apply the decisions again",
        )
    controls: dict[str, int] = {}
    for line in held.values():
        controls[line.control] = controls.get(line.control, 0) + 1
    ids = tuple(held[row].row_id for row in sorted(held))
    return Applied(
        source=dataset.name,
        rows_in=total,
        rows_kept=n_kept,
        rows_held=n_held,
        controls=dict(sorted(controls.items())),
        held_ids=ids,
        decisions_sha256=hashlib.sha256("\n".join(ids).encode()).hexdigest(),
    )


def _split_table(
    dataset: Dataset, held: set[int], kept_path: Path, held_path: Path
) -> tuple[int, int]:
    from hauberk.formats.tables import write_table

    counts = []
    for path, wanted in ((kept_path, False), (held_path, True)):
        write_table(_taken(dataset, held, wanted=wanted), path)
        counts.append(sum(batch.num_rows for batch in _taken(dataset, held, wanted=wanted)))
    return counts[0], counts[1]


def _taken(dataset: Dataset, held: set[int], *, wanted: bool) -> Iterator[Any]:
    import pyarrow as pa

    first = 0
    for batch in dataset.read():
        mask = [(row in held) == wanted for row in range(first, first + batch.num_rows)]
        first += batch.num_rows
        whole = pa.Table.from_batches([batch])
        yield from whole.filter(pa.array(mask)).to_batches() or [batch.slice(0, 0)]  # type: ignore[attr-defined] # Arrow's own


def _split_files(
    dataset: Dataset, held: set[int], kept_path: Path, held_path: Path
) -> tuple[int, int]:
    """Copies of the files in two folders; links of the source were no rows."""
    root = Path(dataset.name)
    counts = [0, 0]
    for row, name in enumerate(dataset.files):
        target = (held_path if row in held else kept_path) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target)
        counts[row in held] += 1
    return counts[0], counts[1]


def record(applied: Applied, *, by: str, reason: str, at: float) -> bytes:
    """What was decided by whom, as JSON that is kept beside the data."""
    document = {"schema": 1, "kind": "quarantine", "by": by, "reason": reason, "at": at}
    return (json.dumps(document | asdict(applied), indent=1, sort_keys=True) + "\n").encode()
