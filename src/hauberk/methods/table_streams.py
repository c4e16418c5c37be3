"""What a client's rows say one after another, where rows are of a table.

`PairTally` adds up how much likelier pairs of values in the rows are by chance than in training:
who draws each column by itself breaks what holds between them. A pair of bins that speaks
against a client counts once in a while only, so that one unusual row, and all that is tried
from it, is no stream.

`TableTrack` looks for searches.

Whoever searches around one row of a table asks for row after row close by, closer than rows of
training lie to each other. People who try what happens do so too, in one field or two, and go
back; a client that sends twice repeats. `TableTrack.take` says how much a new row tells:

1. A row that was asked before, or that has no near row among the last ones, tells nothing.
2. Three or more values that the columns do not take in training (`TableReference.strange`), in
   a row near to another: a step in full. Nobody fills in such rows by hand or by system.
3. Three or more columns that were moved one or two at a time and stayed, one value at least
   strange: a step in full. A field that is tried goes back; a state that is told again and again
   has values that the columns take.

Whether the model's label changes plays no part: sensors flicker on a boundary, too.

`LineTrack` looks for intervals that are halved. Whoever follows a boundary first looks for it on
the way from one row to another, and a row on that way stands out however it is rounded: the
same share of every difference. A new row counts where it lies on the line of two earlier ones,
nearer to one of them than they are to each other, as closely as the grid of the columns lets
it, and that would be rare by chance: each column adds the logarithm of how many values there
would have been. It must go back, or be the next step and a shorter one: what moves on by equal
steps, as ages and amounts do from month to month, is no halving.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hauberk.methods.table_reference import TableReference

MEMORY = 16
"""Rows remembered of a client."""

MAX_NUMBERS = 2_048
"""Numbers remembered of a client; of wide rows fewer rows."""

FIELDS = 3
"""Columns at once that nobody tries by hand."""

KEPT = 0.985
"""Share of the suspicion that is left after one more row."""

MOST_OF_A_ROW = 6.0
"""Bound of what one row adds."""

RECENT = 8
"""Rows that a new one is held against."""

FORGOTTEN = 128
"""After so many rows, pairs that spoke against a client may do so again."""

_HEAD = struct.Struct("<dH")
_SUM = struct.Struct("<dI")


class PairTally:
    """Evidence that rows were put together column by column.

    A row that is like one of the last few in all but two columns shows nothing new and is not
    counted: what is tried from one row, however unusual, and what a sensor says again and again.

    Args:
        kept: Of `to_bytes`; anything else begins anew.
    """

    def __init__(self, kept: bytes | None, reference: TableReference) -> None:
        self._reference = reference
        self.total, self._count = 0.0, 0
        self._seen = np.zeros(len(reference.pairs), np.uint64)
        self._last = np.zeros((0, reference.n_columns), np.uint8)
        head = _SUM.size + self._seen.nbytes
        if kept is not None and len(kept) >= head and not (len(kept) - head) % reference.n_columns:
            self.total, self._count = _SUM.unpack_from(kept)
            self._seen = np.frombuffer(kept, "<u8", len(self._seen), _SUM.size).copy()
            last = np.frombuffer(kept, np.uint8, offset=head)
            self._last = last.reshape(-1, reference.n_columns)[-RECENT:]

    def to_bytes(self) -> bytes:
        """To be kept."""
        head = _SUM.pack(self.total, self._count & 0xFFFF_FFFF)
        return b"".join((head, self._seen.tobytes(), self._last.tobytes()))

    def take(self, rows: Any) -> list[bool]:
        """Add the evidence of ``(n_rows, n_columns)``, in nats; which of them were new."""
        bins = self._reference.bins(rows)
        cells = self._reference.cells(bins)
        evidence = self._reference.weighed(cells)
        bits = np.left_shift(_ONE, cells.astype(np.uint64))
        return [self._taken(*one) for one in zip(bins, bits, evidence, strict=True)]

    def _taken(self, bins: Any, bits: Any, weights: Any) -> bool:
        if len(self._last) and (self._last != bins).sum(axis=1).min() < FIELDS:
            return False
        self._last = np.concatenate((self._last[1 - RECENT :], bins[None]))
        counted = (weights < 0) | ((self._seen & bits) == 0)
        step = float(weights[counted].sum())
        self.total = max(0.0, self.total + max(-MOST_OF_A_ROW, min(MOST_OF_A_ROW, step)))
        self._seen |= bits
        self._count += 1
        if self._count % FORGOTTEN == 0:
            self._seen[:] = 0
        return True


_ONE = np.uint64(1)


class TableTrack:
    """The last rows of a client, and how suspicious their order is.

    Args:
        kept: Of `to_bytes`; anything else begins anew.
        n_columns: Width of a row.
        reach: Distance below which two rows are near.
    """

    def __init__(self, kept: bytes | None, n_columns: int, reach: float) -> None:
        self.score = 0.0
        self._reach = reach
        self._most = max(2, min(MEMORY, MAX_NUMBERS // n_columns))
        self._rows = np.empty((0, n_columns), np.float32)
        if kept is not None and len(kept) >= _HEAD.size:
            score, count = _HEAD.unpack_from(kept)
            if len(kept) == _HEAD.size + 4 * count * n_columns:
                self.score = score
                self._rows = np.frombuffer(kept, "<f4", offset=_HEAD.size).reshape(-1, n_columns)

    def to_bytes(self) -> bytes:
        """To be kept."""
        return _HEAD.pack(self.score, len(self._rows)) + self._rows.tobytes()

    def take(self, row: Any, n_strange: int) -> float:
        """Remember a row that has strange values; what it tells, 0 or 1.

        Args:
            row: ``(n_columns,)``, in units of each column's spread.
            n_strange: Values in it that its columns do not take, one at least.
        """
        row = np.asarray(row, np.float32)
        gaps = self._rows - row
        if len(gaps) and not np.abs(gaps).max(axis=1).min():
            return 0.0  # 1
        told = float(len(gaps) > 0 and self._is_step(gaps, n_strange))
        self.score = self.score * KEPT + told
        start = max(0, len(self._rows) + 1 - self._most)
        self._rows = np.concatenate((self._rows[start:], row[None]))
        return told

    def _is_step(self, gaps: Any, n_strange: int) -> bool:
        if (gaps * gaps).mean(axis=1).min() >= self._reach**2:
            return False  # 1
        return n_strange >= FIELDS or self._stayed(gaps) >= FIELDS  # 2 and 3

    def _stayed(self, gaps: Any) -> int:
        """Columns that were moved one or two at a time, and not back since."""
        steps = (self._rows[1:] != self._rows[:-1]).sum(axis=1)
        jumps = np.flatnonzero(steps >= FIELDS)
        first = int(jumps[-1]) + 1 if jumps.size else 0
        return int(((gaps[first] != 0) & (gaps[-1] == 0)).sum())


LINES = 8
"""Rows remembered for lines."""

TOLD_BY_LINE = 2.0
"""What a row on a line counts."""

LEAST_MOVED = 3
INFORMATION = 5.0
"""Nats that the columns of a row on a line must tell beyond the first; in 28 rows of tuning tables,
100 queries each, chance came below."""

SHORTEST, LONGEST = 0.02, 0.75
"""Share of a way that halving it leaves; more would be a step like the one before."""


class LineTrack:
    """The last rows of a client, and how many lay on lines of others.

    Args:
        kept: Of `to_bytes`; anything else begins anew.
    """

    def __init__(self, kept: bytes | None, table: TableReference) -> None:
        self.score = 0.0
        self._table = table
        self._unit = np.where(table.decimals >= 0, 1 / table.units, 1e-9 * table.spreads)
        self._most = max(2, min(LINES, MAX_NUMBERS // table.n_columns))
        self._rows = np.empty((0, table.n_columns))
        if kept is not None and len(kept) >= _HEAD.size:
            score, count = _HEAD.unpack_from(kept)
            if len(kept) == _HEAD.size + 8 * count * table.n_columns:
                self.score = score
                rows = np.frombuffer(kept, "<f8", offset=_HEAD.size)
                self._rows = rows.reshape(-1, table.n_columns)

    def to_bytes(self) -> bytes:
        """To be kept."""
        return _HEAD.pack(self.score, len(self._rows)) + self._rows.tobytes()

    def take(self, row: Any) -> None:
        """Remember a row; one that was asked before tells nothing."""
        row = np.asarray(row, np.float64)
        if (self._rows == row).all(axis=1).any():
            return
        told = TOLD_BY_LINE if len(self._rows) > 1 and self._is_on_line(row) else 0.0
        self.score = self.score * KEPT + told
        start = max(0, len(self._rows) + 1 - self._most)
        self._rows = np.concatenate((self._rows[start:], row[None]))

    def _is_on_line(self, row: Any) -> bool:
        """Whether the row lies on the line of a row and an earlier one, nearer to the later."""
        first, then = np.triu_indices(len(self._rows), 1)
        ways, steps = self._rows[then] - self._rows[first], row - self._rows[then]
        sizes = np.abs(ways)
        moved = sizes >= 2 * self._unit
        widest = np.where(moved, sizes / self._table.spreads, -1.0).argmax(axis=1)[:, None]
        along = np.take_along_axis(ways, widest, axis=1)
        share = np.take_along_axis(steps, widest, axis=1) / np.where(along == 0, 1.0, along)
        room = self._unit * (0.5 + 0.5 * np.abs(1 + share) + 0.5 * np.abs(share))
        room = room + 1e-6 * (np.abs(row) + self._unit)
        fits = (np.abs(steps - share * ways) <= room).all(axis=1)
        told = np.where(moved, np.log(np.maximum(1.0, sizes / (2 * room))), 0.0)
        most = np.take_along_axis(told, widest, axis=1)[:, 0]
        shorter = (np.abs(share) > SHORTEST) & (np.abs(share) < LONGEST)
        enough = (moved.sum(axis=1) >= LEAST_MOVED) & (told.sum(axis=1) - most > INFORMATION)
        latest = (then == len(self._rows) - 1) & (first == len(self._rows) - 2)
        back = (share[:, 0] < 0) | latest  # what moves on by equal steps never goes back
        return bool((fits & shorter[:, 0] & enough & back).any())
