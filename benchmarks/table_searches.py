"""Attackers who search for a misclassified row, and honest clients, on real tables.

Run ``python benchmarks/table_searches.py searches|honest [--tune] [--seeds FIRST LAST]``. Tables
are those of `table_streams`; of each the column that the others tell best, but not surely, is
made the outcome (above its median or not), and a small network is trained on half of the rows.
Attackers start from rows of the other half that the model is sure of, keep within the ranges,
keep whole numbers whole, and are told the scores. Five searches in turn; one in three is played to
its end with the control off. Whoever wins within `EARLY` queries searched nothing and is left out.

A search is stopped where it is refused within 20 queries and has not won before. An honest
client of 100 queries is an alarm where anything is refused.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from table_streams import HONEST, OTHERS, TUNED, Table, _Learnt, told
from table_streams import table as loaded

from hauberk.controls.exchange.iterated_queries import IteratedQueries
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Watch
from hauberk.formats.v2 import Datatype, Tensor
from hauberk.methods import stream_reference
from hauberk.methods.oracles import REFUSED, Heard, Listening, Oracle, Queries, drive
from hauberk.methods.small_networks import Network, Recipe, one_hot, trained
from hauberk.trust.client_state import MemoryClientState

IN_TIME, ASKED, BUDGET, EARLY, TRIED = 20, 100, 600, 5, 3
SURE, TOO_SURE = 0.97, 0.95
REACH = 0.3
"""Distance per column, in spreads, at which a search along the boundary has won."""

Rng = np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model on a table, and the control fitted to its training rows."""

    table: Table
    network: Network
    mean: Any
    spread: Any
    control: Watch

    def scores(self, rows: Any) -> Any:
        """Of ``(n_rows, n_columns)``."""
        return self.network.scores(((rows - self.mean) / self.spread).astype(np.float32))

    @property
    def units(self) -> Any:
        """A quarter of each spread; of whole numbers one at least; 0 for columns of two values."""
        quarter = self.spread / 4
        steps = np.where(self.table.whole, np.maximum(1, quarter.round()), quarter)
        return steps * [np.unique(column).size > 2 for column in self.table.train.T]  # noqa: PLR2004

    def apart(self, one: Any, other: Any) -> float:
        """Distance per column."""
        return float(np.sqrt((((one - other) / self.spread) ** 2).mean()))


@cache
def served(name: str) -> Served | None:
    """The model of a table; ``None`` where the table is too small or has no outcome."""
    whole = loaded(name)
    outcome = None if whole is None else _outcome(whole.train)
    if whole is None or outcome is None:
        return None
    train, rest = (np.delete(rows, outcome, axis=1) for rows in (whole.train, whole.rest))
    labels = (whole.train[:, outcome] > np.median(whole.train[:, outcome])).astype(int)[:4_000]
    mean, spread = train.mean(axis=0), train.std(axis=0)
    epochs = int(np.clip(30_000 / len(labels), 10, 60))
    network = trained(
        (train[:4_000] - mean) / spread,
        one_hot(labels, 2),
        Recipe(hidden=24, epochs=epochs, batch=50),
        np.random.default_rng(sum(name.encode())),
    )
    learnt = _Learnt(reference=stream_reference.learn(train).to_bytes())
    control = IteratedQueries().fitted(learnt)
    part = Table(name=name, train=train, rest=rest, controls=whole.controls, decimals=0)
    return Served(table=part, network=network, mean=mean, spread=spread, control=control)


def _outcome(rows: Any) -> int | None:
    """The column that the others tell best, but not surely."""
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    found: list[tuple[float, int]] = []
    for place, column in enumerate(rows.T):
        high = column > np.median(column)
        if 0.2 < high.mean() < 0.8:  # noqa: PLR2004 - both are common
            others = np.c_[np.delete(scaled, place, axis=1), np.ones(len(rows))]
            weights = np.linalg.lstsq(others, 2.0 * high - 1, rcond=None)[0]
            right = float(((others @ weights > 0) == high).mean())
            found += [(right, place)] if right <= TOO_SURE else []
    return max(found)[1] if found else None


@dataclass(slots=True)
class Guarded:
    """The model behind the control, as one client meets it."""

    served: Served
    first: int = 0
    asked: int = 0
    state: MemoryClientState = field(default_factory=MemoryClientState)

    def ask(self, row: Any, account: int = 0) -> Heard:
        """One row."""
        del account
        self.asked += 1
        row = np.asarray(row, np.float64)
        scores = self.served.scores(row[None])[0]
        output = Tensor(name="s", datatype=Datatype.FP32, shape=(1, 2), values=scores.tolist())
        exchange = Exchange(
            name="m",
            principal="p",
            at=float(self.asked),
            request=b"",
            rows=row[None],
            outputs=(output,),
        )
        signal = self.served.control.observe(exchange, self.state)
        if signal is not None and signal.action is Action.BLOCK:
            self.first = self.first or self.asked
            return REFUSED
        return Heard(label=int(scores.argmax()), scores=scores)


# Searches ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """A row to be misclassified, and its class."""

    model: Served
    row: Any
    label: int

    def kept(self, row: Any) -> Any:
        """Within the ranges, whole numbers whole."""
        return self.model.table.kept(row)

    def margin(self, heard: Heard) -> float:
        """How far the class is ahead."""
        return np.inf if heard.refused else float(2 * heard.scores[self.label] - 1)

    def is_wrong(self, heard: Heard) -> bool:
        """Whether the model takes the row for something else."""
        return not heard.refused and heard.label != self.label


def _greedy(hunt: Hunt, changes: Iterator[Callable[[Any], Any]]) -> Queries:
    """Keep what lowers the margin."""
    place = hunt.row.copy()
    least = hunt.margin((yield place))
    for change in changes:
        trial = hunt.kept(change(place))
        if np.array_equal(trial, place):
            continue
        found = hunt.margin((yield trial))
        if found < least:
            place, least = trial, found
        if least < 0:
            return place
    return None


def _simba(hunt: Hunt, rng: Rng) -> Queries:
    """One column at a time, up or down; the other way only where the first did not help."""
    units, place = hunt.model.units, hunt.row.copy()
    least = hunt.margin((yield place))
    for column in (n for _ in range(40) for n in rng.permutation(np.flatnonzero(units))):
        for sign in rng.permutation([-1, 1]):
            trial = place.copy()
            trial[column] += sign * units[column]
            trial = hunt.kept(trial)
            if np.array_equal(trial, place):
                continue
            found = hunt.margin((yield trial))
            if found < least:
                place, least = trial, found
                break
        if least < 0:
            return place
    return None


def _walk(hunt: Hunt, rng: Rng) -> Queries:
    units = hunt.model.units
    return _greedy(hunt, (lambda row: row + rng.normal(size=row.size) * units for _ in range(2000)))


def _square(hunt: Hunt, rng: Rng) -> Queries:
    units, size = 2 * hunt.model.units, hunt.row.size

    def change(turn: int) -> Callable[[Any], Any]:
        n = max(1, round((1 if turn == 0 else 0.3 * (1 - turn / 2000) ** 2) * size))
        places, signs = rng.choice(size, n, replace=False), rng.choice([-1, 1], n)

        def moved(row: Any) -> Any:
            row = row.copy()
            row[places] = hunt.row[places] + signs * units[places]
            return row

        return moved

    return _greedy(hunt, map(change, range(2000)))


def _start(hunt: Hunt, rng: Rng) -> Queries:
    for _ in range(40):
        row = hunt.model.table.rest[rng.integers(len(hunt.model.table.rest))]
        if hunt.is_wrong((yield row)):
            return row
    return None


def _halved(hunt: Hunt, outside: Any, steps: int) -> Queries:
    low, high, best = 0.0, 1.0, outside
    for _ in range(steps):
        middle = (low + high) / 2
        row = hunt.kept((1 - middle) * hunt.row + middle * outside)
        if hunt.is_wrong((yield row)):
            high, best = middle, row
        else:
            low = middle
    return best


def _hop_skip_jump(hunt: Hunt, rng: Rng) -> Queries:
    place = yield from _start(hunt, rng)
    if place is None:
        return None
    place = yield from _halved(hunt, place, 8)
    model = hunt.model
    for turn in range(1, 20):
        far = model.apart(place, hunt.row)
        if far <= REACH:
            return place
        steps = rng.normal(size=(int(12 * np.sqrt(turn)), place.size)) * (model.units > 0)
        signs = np.zeros(len(steps))
        for number, step in enumerate(steps):
            row = hunt.kept(place + max(0.3 * far, 0.1) * step * model.spread)
            signs[number] = 1.0 if hunt.is_wrong((yield row)) else -1.0
        weights = signs - signs.mean() if abs(signs.mean()) < 1 else signs
        normal = weights @ steps
        normal /= np.linalg.norm(normal) / np.sqrt(normal.size) + 1e-9
        size = far
        while size > far / 32:
            trial = hunt.kept(place + size * normal * model.spread)
            if hunt.is_wrong((yield trial)):
                place = trial
                break
            size /= 2
        place = yield from _halved(hunt, place, 6)
    return None


def _boundary(hunt: Hunt, rng: Rng) -> Queries:
    place = yield from _start(hunt, rng)
    if place is None:
        return None
    place = yield from _halved(hunt, place, 4)
    model, around, towards = hunt.model, 0.15, 0.15
    for _ in range(400):
        far = model.apart(place, hunt.row)
        if far <= REACH:
            return place
        step = rng.normal(size=place.size) * (model.units > 0) * model.spread * far * around
        sideways = hunt.kept(place + step)
        if not hunt.is_wrong((yield sideways)):
            around *= 0.9
            continue
        around *= 1.05
        closer = hunt.kept(sideways + towards * (hunt.row - sideways))
        if hunt.is_wrong((yield closer)):
            place, towards = closer, min(0.5, towards * 1.1)
        else:
            nearer = model.apart(sideways, hunt.row) < far
            place, towards = sideways if nearer else place, towards * 0.8
    return None


SEARCHES = {
    "simba": _simba,
    "square": _square,
    "walk": _walk,
    "hop-skip-jump": _hop_skip_jump,
    "boundary": _boundary,
}


def hunt(model: Served, rng: Rng) -> Hunt | None:
    """A row that the model is sure of."""
    for _ in range(200):
        row = model.table.rest[rng.integers(len(model.table.rest))].copy()
        scores = model.scores(row[None])[0]
        if scores.max() > SURE:
            return Hunt(model=model, row=row, label=int(scores.argmax()))
    return None


def _played(model: Served, kind: str, oracle: Oracle, seed: int, budget: int) -> Any:
    rng = np.random.default_rng([seed, 3])
    found = hunt(model, rng)
    return found and drive(SEARCHES[kind](found, rng), oracle, budget=budget)


# More honest clients -------------------------------------------------------------------


def _form(t: Table, rng: Rng) -> Iterator[Any]:
    """A form that is corrected field by field, then the next one."""
    while True:
        row, right = (t.rest[rng.integers(len(t.rest))] for _ in range(2))
        row = row.copy()
        yield row
        for place in rng.choice(row.size, min(row.size, rng.integers(1, 6)), replace=False):
            row = row.copy()
            row[place] = right[place]
            yield row


def _slider(t: Table, rng: Rng) -> Iterator[Any]:
    """One column from its least to its most, then another."""
    base = t.rest[rng.integers(len(t.rest))]
    while True:
        place = rng.integers(base.size)
        for value in np.quantile(t.train[:, place], np.arange(20) / 19, method="nearest"):
            row = base.copy()
            row[place] = value
            yield row


def _months(t: Table, rng: Rng) -> Iterator[Any]:
    """One thing over months: some columns go on by equal steps, one changes now and then."""
    row = t.rest[rng.integers(len(t.rest))].copy()
    growing = rng.choice(row.size, min(3, row.size), replace=False)
    while True:
        row = row.copy()
        row[growing] += np.where(t.whole[growing], 1, 0.01)
        if rng.integers(6) == 0:
            place = rng.integers(row.size)
            row[place] = t.rest[rng.integers(len(t.rest)), place]
        yield row


MORE: dict[str, Callable[[Table, Rng], Iterator[Any]]] = {
    "a form corrected field by field": _form,
    "a slider": _slider,
    "one thing over months": _months,
}


# All -----------------------------------------------------------------------------------


def searches(models: list[Served], seeds: range) -> None:
    """How many are stopped, of all that are played and of those that win with the control off."""
    stopped: dict[str, list[bool]] = defaultdict(list)
    winners: dict[str, list[bool]] = defaultdict(list)
    n_tried = n_won = 0
    for model in models:
        for kind in SEARCHES:
            for seed in seeds:
                guarded = Guarded(model)
                heard = _played(model, kind, guarded, seed, 2 * IN_TIME)
                if heard is None or (heard.result is not None and heard.queries < EARLY):
                    continue
                is_stopped = 0 < guarded.first <= IN_TIME
                stopped[kind].append(is_stopped)
                if seed % TRIED == 0:
                    bare = Listening(scores=model.scores)
                    won = _played(model, kind, bare, seed, BUDGET).result is not None
                    n_tried, n_won = n_tried + 1, n_won + won
                    winners[kind] += [is_stopped] if won else []
    for name, counts in (("all", stopped), ("that win with the control off", winners)):
        for kind in SEARCHES:
            print(told(f"{kind}, {name}", sum(counts[kind]), len(counts[kind])))
        every = [one for kind in SEARCHES for one in counts[kind]]
        print(told(f"searches {name}", sum(every), len(every)))
    print(f"{n_won} of {n_tried} win with the control off", flush=True)


def honest(models: list[Served], seeds: range) -> None:
    """How many are refused anything."""
    alarms: dict[str, list[bool]] = defaultdict(list)
    for model in models:
        for number, (kind, make) in enumerate({**HONEST, **MORE}.items()):
            for seed in seeds:
                guarded, rng = Guarded(model), np.random.default_rng([seed, number])
                for _, row in zip(range(ASKED), make(model.table, rng), strict=False):
                    guarded.ask(row)
                alarms[kind].append(guarded.first > 0)
    for kind, found in alarms.items():
        print(told(kind, sum(found), len(found)))
    every = [one for found in alarms.values() for one in found]
    print(told("honest clients", sum(every), len(every)), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["searches", "honest"])
    parser.add_argument("--tune", action="store_true", help="the tables that were tuned on")
    parser.add_argument("--seeds", type=int, nargs=2, default=(10_000, 10_003))
    given = parser.parse_args()
    models = [one for one in map(served, TUNED if given.tune else OTHERS) if one is not None]
    print(f"{len(models)} tables")
    {"searches": searches, "honest": honest}[given.part](models, range(*given.seeds))


if __name__ == "__main__":
    main()
