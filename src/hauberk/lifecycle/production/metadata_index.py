"""The SQL index over the log: rebuilt by replay, never believed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Digest, LogSegment
from hauberk.trust.canonical import canonical_json, parse_json

if TYPE_CHECKING:
    from hauberk.trust.store import Store

NAME = "index.sqlite"
MAX_RECORD_BYTES = 16 << 20

_TABLES = """
create table state (replayed integer not null);
create table runs (run text primary key, project text, code text, position integer);
create table steps (run text, step text, envelope text, position integer);
create table edges (run text, step text, direction text, path text, digest text);
create table metrics (run text, model text, name text, value real, position integer);
create index edges_by_digest on edges (digest);
"""

_CLAIMS = """
select 'run', run, project, code, null, position from runs
union all select 'metric', run, model, name, value, position from metrics
order by position
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the index holds after a refresh."""

    n_runs: int
    n_records: int


def path_of(store: Store) -> Path:
    """Where the index lies; the cache may be deleted at any time."""
    return store.root / "cache" / NAME


def refresh(store: Store) -> Index:
    """Replay what the log holds beyond what the index has seen; rebuild a damaged index."""
    try:
        return _replayed(store)
    except sqlite3.DatabaseError:
        path_of(store).unlink(missing_ok=True)
        return _replayed(store)


def segment(store: Store, keys: tuple[bytes, ...] = ()) -> LogSegment:
    """The log as controls look at it: its records with the heads that were signed.

    Args:
        keys: SubjectPublicKeyInfo of the keys that may sign heads.
    """
    log = store.log
    return LogSegment(name="log", records=log.records, heads=tuple(log.heads()), keys=keys)


def claims(store: Store) -> LogSegment:
    """What the index says, as the events it should have come from, in its own order."""

    def records() -> Iterator[bytes]:
        with _opened(store) as database:
            rows = database.execute(_CLAIMS).fetchall()
        for kind, run, first, second, value, _ in rows:
            yield canonical_json(_event(kind, run, first, second, value))

    return LogSegment(name="index of the metadata store", records=records, heads=())


def logged_envelopes(store: Store) -> Iterator[Digest]:
    """Digests of the signed steps that the log itself names; the index is not asked."""
    for record in store.log.records():
        event = parse_json(record, max_bytes=MAX_RECORD_BYTES)
        envelope = event.get("envelope") if isinstance(event, dict) else None
        if isinstance(envelope, str):
            yield Digest(envelope)


def _event(kind: str, run: str, first: Any, second: Any, value: Any) -> dict[str, Any]:
    if kind == "run":
        return {"kind": kind, "run": run, "project": first, "code": second}
    return {"kind": kind, "run": run, "model": first, "name": second, "value": value}


def rebuild(store: Store) -> Index:
    """Make the index again from the whole log."""
    path_of(store).unlink(missing_ok=True)
    return _replayed(store)


def metrics(store: Store) -> tuple[tuple[str, str, float], ...]:
    """``(run, name, value)`` of every metric in the index, in log order."""
    with _opened(store) as database:
        rows = database.execute("select run, name, value from metrics order by position")
        return tuple((str(run), str(name), float(value)) for run, name, value in rows)


def _replayed(store: Store) -> Index:
    with _opened(store) as database:
        (start,) = database.execute("select replayed from state").fetchone()
        if start > store.log.size:
            raise sqlite3.DatabaseError("the index is ahead of the log")
        position = start
        for position, record in enumerate(store.log.records(start), start=start + 1):
            _insert(database, position, parse_json(record, max_bytes=MAX_RECORD_BYTES))
        database.execute("update state set replayed = ?", (position,))
        database.commit()
        (n_runs,) = database.execute("select count(*) from runs").fetchone()
    return Index(n_runs=int(n_runs), n_records=int(position))


@contextmanager
def _opened(store: Store) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path_of(store))) as database:
        if not database.execute("select 1 from sqlite_master where name = 'state'").fetchone():
            database.executescript(_TABLES)
            database.execute("insert into state values (0)")
        yield database


def _insert(database: sqlite3.Connection, position: int, event: Any) -> None:
    kind = event.get("kind") if isinstance(event, dict) else None
    if kind == "run":
        row = (event["run"], event["project"], event["code"], position)
        database.execute("insert or ignore into runs values (?, ?, ?, ?)", row)
    elif kind == "step":
        step = (event["run"], event["step"], event["envelope"], position)
        database.execute("insert into steps values (?, ?, ?, ?)", step)
        for direction in ("materials", "products"):
            database.executemany(
                "insert into edges values (?, ?, ?, ?, ?)",
                [
                    (event["run"], event["step"], direction, path, digest)
                    for path, digest in event[direction].items()
                ],
            )
    elif kind == "metric":
        names = ("run", "model", "name", "value")
        row = (*(event[name] for name in names), position)
        database.execute("insert into metrics values (?, ?, ?, ?, ?)", row)
