"""What changed between two tables: rows that came and went, cells that were edited.

Rows are compared by what they say (`hauberk.formats.rows`) over the columns that both
tables have. A row that went and one that came are one edited row where they stand at the
same place between the same kept rows and agree in at least half of their cells, or where
they agree in everything but the label.

Delta records are these changes one by one: row id, column, digest of the old value, new
value; for rows that came, where they stand. They are the audit trail of a version; old values
are named by digest alone.
"""

from __future__ import annotations

import hashlib
import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

from hauberk.core.artifact import ROW_COLUMN, Dataset
from hauberk.trust.canonical import canonical_json

MAX_DETAILED: Final = 100_000
"""Rows that came or went of which cells are compared; above, rows are only counted."""

Cells = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """One cell that changed.

    Attributes:
        row: Id of the old row.
        at: Number of the new row, from 0.
        old: Digest of the old value.
        new: The new value as text; ``None`` where it is missing.
    """

    row: str
    at: int
    column: str
    old: str
    new: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A row that came or went.

    Attributes:
        row: Its id.
        at: Its number in the table that holds it, from 0.
    """

    row: str
    at: int


@dataclass(frozen=True, kw_only=True)
class Changes:
    """All that changed between two tables.

    Attributes:
        columns: Column to the number of cells that were edited in it.
        relabelled: Rows of which nothing but the label changed.
        is_complete: Whether every change is listed, or rows were only counted.
    """

    kept: int
    n_added: int
    n_removed: int
    added: tuple[Moved, ...] = ()
    removed: tuple[Moved, ...] = ()
    edits: tuple[Edit, ...] = ()
    relabelled: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    reordered: bool = False
    is_complete: bool = True

    @property
    def n_edited(self) -> int:
        """Rows of which at least one cell changed."""
        return len({edit.at for edit in self.edits})

    def __bool__(self) -> bool:
        return bool(
            self.n_added
            or self.n_removed
            or self.edits
            or self.columns_added
            or self.columns_removed
            or self.reordered
        )

    def summary(self) -> dict[str, Any]:
        """Counts for a version's document."""
        return {
            "added": self.n_added,
            "columns": dict(self.columns),
            "columnsAdded": list(self.columns_added),
            "columnsRemoved": list(self.columns_removed),
            "complete": self.is_complete,
            "edited": self.n_edited,
            "kept": self.kept,
            "relabelled": self.relabelled,
            "removed": self.n_removed,
            "reordered": self.reordered,
        }

    def records(self) -> Iterator[bytes]:
        """The delta records, one canonical line each."""
        for edit in self.edits:
            yield canonical_json(
                {
                    "at": edit.at,
                    "column": edit.column,
                    "new": edit.new,
                    "old": edit.old,
                    "op": "edit",
                    "row": edit.row,
                }
            )
        for one in self.removed:
            yield canonical_json({"at": one.at, "op": "delete", "row": one.row})
        for first, count in _runs([one.at for one in self.added]):
            yield canonical_json({"at": first, "count": count, "op": "insert"})


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Row numbers that follow each other, as first and count; the rows lie in the new table."""
    for _, group in groupby(enumerate(places), key=lambda item: item[1] - item[0]):
        run = [place for _, place in group]
        yield run[0], len(run)


def changes_between(old: Dataset, new: Dataset, *, label: str | None = None) -> Changes:
    """Compare two tables; each is read once, and once more where rows differ.

    Args:
        label: Column that holds the label, for counting rows that were only relabelled.

    Raises:
        ArtifactError: One of them is malformed.
    """
    before, after = _names(old), _names(new)
    shared = sorted(set(before) & set(after))
    rows, others = _digests(old, shared), _digests(new, shared)
    sides = _Sides(rows, others)
    base = Changes(
        kept=len(rows) - len(sides.gone),
        n_added=len(sides.came),
        n_removed=len(sides.gone),
        columns_added=tuple(sorted(set(after) - set(before))),
        columns_removed=tuple(sorted(set(before) - set(after))),
        reordered=sides.is_reordered,
        is_complete=max(len(sides.gone), len(sides.came)) <= MAX_DETAILED,
    )
    if not base.is_complete:
        return base
    found = _Cells(shared, _cells(old, shared, sides.gone), _cells(new, shared, sides.came), label)
    return _listed(base, sides, found)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of rows without counterpart, by row number."""

    names: Sequence[str]
    old: dict[int, Cells]
    new: dict[int, Cells]
    label: str | None


def _names(dataset: Dataset) -> list[str]:
    return [column.name for column in dataset.columns if column.name != ROW_COLUMN]


def _digests(dataset: Dataset, names: Sequence[str]) -> list[bytes]:
    from hauberk.formats.rows import row_digests

    found: list[bytes] = []
    for batch in dataset.read():
        rows: Any = batch
        found += row_digests(rows.select(list(names)))
    return found


class _Sides:
    """Which rows of either table have no counterpart, and between which kept ones they lie.

    Attributes:
        gone: Row number to (kept rows before it, number of gone rows since the last one).
        came: Likewise in the new table.
    """

    def __init__(self, old: list[bytes], new: list[bytes]) -> None:
        self.old, self.new = old, new
        head = _common(old, new)
        tail = _common(old[head:][::-1], new[head:][::-1])
        left, right = old[head : len(old) - tail], new[head : len(new) - tail]
        before, after = Counter(left), Counter(right)
        self.gone, one = _without(left, before - after, head)
        self.came, other = _without(right, after - before, head)
        self.is_reordered = one != other

    def ids(self, rows: Sequence[bytes], wanted: Iterable[int]) -> dict[int, str]:
        """Row ids, as `hauberk.formats.rows.RowIds` gives them, of some rows by number."""
        places = set(wanted)
        names = {rows[at] for at in places}
        seen: Counter[bytes] = Counter()
        found = {}
        for at, digest in enumerate(rows):
            if digest in names:
                if at in places:
                    found[at] = f"{digest.hex()}.{seen[digest]}"
                seen[digest] += 1
        return found


def _common(one: list[bytes], other: list[bytes]) -> int:
    pairs = zip(one, other, strict=False)
    limit = min(len(one), len(other))
    return next((at for at, (a, b) in enumerate(pairs) if a != b), limit)


def _without(
    rows: list[bytes], surplus: Counter[bytes], start: int
) -> tuple[dict[int, tuple[int, int]], list[bytes]]:
    """Places of surplus rows, and the kept rows in order."""
    places: dict[int, tuple[int, int]] = {}
    kept: list[bytes] = []
    run = 0
    for at, digest in enumerate(rows, start=start):
        if surplus[digest] > 0:
            surplus[digest] -= 1
            places[at] = (len(kept), run)
            run += 1
        else:
            kept.append(digest)
            run = 0
    return places, kept


def _cells(dataset: Dataset, names: Sequence[str], wanted: Mapping[int, Any]) -> dict[int, Cells]:
    """The canonical cells of some rows."""
    from hauberk.formats.rows import cell_texts

    if not wanted:
        return {}
    import pyarrow as pa

    places = sorted(wanted)
    found: dict[int, Cells] = {}
    start = 0
    for batch in dataset.read():
        here = [at - start for at in places if start <= at < start + batch.num_rows]
        if here:
            rows: Any = batch
            part = rows.take(pa.array(here))
            columns = [cell_texts(part.column(name)).to_pylist() for name in names]
            for at, *cells in zip(here, *columns, strict=True):
                found[start + at] = tuple(cells)
        start += batch.num_rows
    return found


def _pairs(sides: _Sides, cells: _Cells) -> dict[int, int]:
    """Number of the new row to that of the old one that it was edited from."""
    pairs: dict[int, int] = {}
    if not sides.is_reordered:
        place_of = {place: at for at, place in sides.gone.items()}
        for at, place in sides.came.items():
            was = place_of.get(place)
            if was is not None and _is_edit(cells.old[was], cells.new[at]):
                pairs[at] = was
    if cells.label in cells.names:
        _pair_relabelled(pairs, sides, cells, cells.names.index(cells.label or ""))
    return pairs


def _pair_relabelled(pairs: dict[int, int], sides: _Sides, cells: _Cells, label: int) -> None:
    used = set(pairs.values())
    free: dict[Cells, list[int]] = defaultdict(list)
    for at in sides.gone:
        if at not in used:
            free[_but(cells.old[at], label)].append(at)
    for at in sides.came:
        features = _but(cells.new[at], label)
        if at not in pairs and free.get(features):
            pairs[at] = free[features].pop(0)


def _but(cells: Cells, index: int) -> Cells:
    return cells[:index] + cells[index + 1 :]


def _is_edit(old: Cells, new: Cells) -> bool:
    same = sum(map(operator.eq, old, new))
    return bool(2 * same >= len(old) - 1)


def _listed(base: Changes, sides: _Sides, cells: _Cells) -> Changes:
    pairs = _pairs(sides, cells)
    used = set(pairs.values())
    gone = [at for at in sorted(sides.gone) if at not in used]
    came = [at for at in sorted(sides.came) if at not in pairs]
    old_ids = sides.ids(sides.old, (*gone, *used))
    new_ids = sides.ids(sides.new, came)
    edits = tuple(
        Edit(old_ids[was], at, name, _short(a), _text(b))
        for at, was in sorted(pairs.items())
        for name, a, b in zip(cells.names, cells.old[was], cells.new[at], strict=True)
        if a != b
    )
    touched: defaultdict[int, set[str]] = defaultdict(set)
    for edit in edits:
        touched[edit.at].add(edit.column)
    return replace(
        base,
        n_added=len(came),
        n_removed=len(gone),
        added=tuple(Moved(new_ids[at], at) for at in came),
        removed=tuple(Moved(old_ids[at], at) for at in gone),
        edits=edits,
        relabelled=sum(columns == {cells.label} for columns in touched.values()),
        columns=dict(sorted(Counter(edit.column for edit in edits).items())),
    )


def _short(cell: Any) -> str:
    data = b"-" if cell is None else cell if isinstance(cell, bytes) else b"+" + cell.encode()
    return hashlib.sha256(data).hexdigest()[:32]


def _text(cell: Any) -> str | None:
    """The value itself; of binary cells, such as images, the digest stands for it."""
    if isinstance(cell, bytes):
        return f"sha256:{hashlib.sha256(cell).hexdigest()}"
    return None if cell is None else str(cell)
