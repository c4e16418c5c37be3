"""The SQL index over the log: rebuilt by replay, never believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import LogSegment
from hauberk.errors import InternalError
from hauberk.lifecycle.production import index_tables
from hauberk.lifecycle.production.index_tables import Damaged, Session, reading, writing
from hauberk.trust.canonical import canonical_json, parse_json

if TYPE_CHECKING:
    from hauberk.trust.store import Store

MAX_RECORD_BYTES = 16 << 20

_CLAIMS = """
select 'run', run, project, code, null, position from runs
union all select 'metric', run, model, name, value, position from metrics
order by 6
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the index holds after a refresh."""

    n_runs: int
    n_records: int


def path_of(store: Store) -> Path:
    """Where the index lies when it is a file."""
    return index_tables.path_of(store)


def is_there(store: Store) -> bool:
    """Whether there is an index at all."""
    return index_tables.is_there(store)


def refresh(store: Store) -> Index:
    """Replay what the log holds beyond what the index has seen.

    An index that is damaged, or that was made from another log, is made again.
    """
    try:
        return _replayed(store)
    except Damaged:
        return rebuild(store)


def rebuild(store: Store) -> Index:
    """Make the index again from the whole log."""
    index_tables.drop(store)
    try:
        return _replayed(store)
    except Damaged as error:
        raise InternalError(f"a new index is damaged: {error}") from error


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
        for kind, run, first, second, value, _ in ask(store, _CLAIMS):
            yield canonical_json(_event(kind, run, first, second, value))

    return LogSegment(name="index of the metadata store", records=records, heads=())


def _event(kind: str, run: str, first: Any, second: Any, value: Any) -> dict[str, Any]:
    if kind == "run":
        return {"kind": kind, "run": run, "project": first, "code": second}
    return {"kind": kind, "run": run, "model": first, "name": second, "value": value}


def ask(store: Store, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of the index; one that is damaged answers nothing and is made again at the next run."""
    try:
        with reading(store) as session:
            return session.run(text, values)
    except Damaged:
        return []


def metrics(store: Store) -> tuple[tuple[str, str, float], ...]:
    """``(run, name, value)`` of every metric in the index, in log order."""
    rows = ask(store, "select run, name, value from metrics order by position")
    return tuple((str(run), str(name), float(value)) for run, name, value in rows)


def _replayed(store: Store) -> Index:
    with writing(store) as session:
        start = _start(session, store)
        position = start
        for position, record in enumerate(store.log.records(start), start=start + 1):
            _insert(session, position, parse_json(record, max_bytes=MAX_RECORD_BYTES))
        root = store.log.root_at(position).hex()
        session.run("delete from state")
        session.run("insert into state values (?, ?)", (position, root))
        ((n_runs,),) = session.run("select count(*) from runs")
    return Index(n_runs=int(n_runs), n_records=int(position))


def _start(session: Session, store: Store) -> int:
    """How far the index got; damaged where that was another log, or more than this one."""
    rows = session.run("select replayed, root from state")
    if not rows:
        ((n_rows,),) = session.run("select count(*) from runs")
        if n_rows:
            raise Damaged("rows without a beginning")
        return 0
    replayed, root = rows[0]
    if len(rows) > 1 or not isinstance(replayed, int) or not 0 <= replayed <= store.log.size:
        raise Damaged("the index is ahead of the log")
    if store.log.root_at(replayed).hex() != root:
        raise Damaged("the index was made from another log")
    return replayed


def _insert(session: Session, position: int, event: Any) -> None:
    kind = event.get("kind") if isinstance(event, dict) else None
    insert = _INSERTS.get(str(kind))
    if insert is not None:
        table, keys = insert
        row = (*(event.get(key) for key in keys), position)
        marks = ", ".join("?" * len(row))
        session.run(f"insert into {table} values ({marks}) on conflict do nothing", row)  # noqa: S608
    if kind == "step":
        for direction in ("materials", "products"):
            for path, digest in event[direction].items():
                edge = (event["run"], event["step"], direction, path, digest)
                session.run("insert into edges values (?, ?, ?, ?, ?)", edge)


_INSERTS = {
    "run": ("runs", ("run", "project", "code")),
    "step": ("steps", ("run", "step", "envelope")),
    "metric": ("metrics", ("run", "model", "name", "value")),
    "note": ("notes", ("run", "name", "text")),
    "trace": ("traces", ("run", "name", "row", "sealed")),
}
