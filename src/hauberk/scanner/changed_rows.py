"""What a scanned table changed since the version that it is held against.

Controls say what is wrong with a change; this says what it is, row by row, so that a person can
look: how many rows came, went and were edited, in which columns, and which ones first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Batch, Comparison, Dataset
from hauberk.errors import HauberkError, LimitError, UnavailableError

if TYPE_CHECKING:
    from hauberk.trust.versions.changes import Changes

MAX_ROWS = 3_000_000
"""Rows of one table that are told apart; each costs some hundred bytes of memory."""

SHOWN = 20
"""Cells and rows in the summary; a file takes all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRows:
    """The changes of one table.

    Attributes:
        path: The scanned table.
        against: The version before it.
        changes: What changed; ``None`` where that could not be told.
        reason: Why it could not.
    """

    path: str
    against: str
    changes: Changes | None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Counts, and the first changes of each kind with the numbers of their rows, from 0."""
        named = {"path": self.path, "against": self.against}
        if self.changes is None:
            return {**named, "not_compared": self.reason}
        edits = [{"row": edit.at, "column": edit.column} for edit in self.changes.edits[:SHOWN]]
        return {
            **named,
            **self.changes.summary(),
            "first_edits": edits,
            "first_added": [one.at for one in self.changes.added[:SHOWN]],
            "first_removed": [one.at for one in self.changes.removed[:SHOWN]],
        }


def changed_rows(subject: Any) -> ChangedRows | None:
    """What changed between the halves of ``subject``; ``None`` where they are no two tables."""
    if not isinstance(subject, Comparison) or not isinstance(subject.new, Dataset):
        return None
    old, new = subject.old, subject.new
    if not isinstance(old, Dataset):
        return None
    from hauberk.trust.versions.changes import changes_between

    found: Changes | None = None
    reason = ""
    try:
        found = changes_between(_limited(old), _limited(new), label=new.label)
    except HauberkError as error:
        reason = error.message
    return ChangedRows(path=new.name, against=old.name, changes=found, reason=reason)


def _limited(dataset: Dataset) -> Dataset:
    """The same rows, up to `MAX_ROWS`."""

    def read() -> Iterator[Batch]:
        n_rows = 0
        for batch in dataset.read():
            n_rows += batch.num_rows
            if n_rows > MAX_ROWS:
                raise LimitError(
                    f"{dataset.name} has more rows than are compared one by one",
                    subject=dataset.name,
                    expected=f"at most {MAX_ROWS:,}",
                    hint="compare parts of it, or versions of it with 'hauberk data diff'",
                )
            yield batch

    return replace(dataset, read=read)


def write_records(found: Iterable[ChangedRows], path: Path) -> None:
    """Write every change as a line of JSON: the records of `hauberk data diff`, table by table.

    Raises:
        UnavailableError: The file cannot be written.
    """
    part = path.with_name(f".{path.name}.partial")
    try:
        with part.open("wb") as file:
            for one in found:
                file.writelines(
                    record + b"\n" for record in (one.changes.records() if one.changes else ())
                )
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UnavailableError(
            f"the changes cannot be written: {error.strerror or error}", subject=str(path)
        ) from error
