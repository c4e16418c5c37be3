"""What the monitor remembers, in one sqlite file.

Everything in it can be made again from its sources, so a damaged file is set aside and a new
one filled; see `open_store`. Whatever a source gave and how far it was read stand in one
transaction, so that a crash neither loses nor doubles. Old hours are removed by `retain`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hauberk.core.finding import Severity
from hauberk.errors import ArtifactError
from hauberk.methods.alerting import Alert, Silence
from hauberk.monitor.hours import DAY_H, HOUR_S, OTHER, Hour, total
from hauberk.monitor.schema import SCHEMA
from hauberk.trust.database import Database
from hauberk.trust.telemetry import Ledger

if TYPE_CHECKING:
    from hauberk.monitor.postgres_tables import Tables

FILE: Final = "monitor.sqlite"

LEADER = "leader"
DAILY = "streams:"
"""What is kept under a name of this beginning, then its day, goes with its day."""
_SUMMED = (
    *("rows", "requests", "refused", "latency", "confidence", "accuracy", "estimate"),
    *("predicted", "shapes"),
)
MAX_SOURCES = 200
"""Sources of one model and day that are followed; the rest is one."""
SOURCE_DAYS = 90
"""Days that counts of single sources are kept for."""
MAX_FOUND = 200
"""Decisions that one search shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One hour or day of one model, small enough to draw a year of them.

    Attributes:
        shapes: Distance of each axis of the grid, float32.
        latency: Bound in seconds that 95 % stayed below.
    """

    hour: int
    rows: int
    requests: int
    refused: int
    latency: float | None
    confidence: float | None
    accuracy: float | None
    estimate: float | None
    predicted: Mapping[str, int]
    shapes: Any
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision of a guard, without anything of the payload."""

    number: int
    log: str
    at: float
    model: str
    principal: str
    action: str
    rule: str
    status: int
    rows: int
    shadow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An alert as it was shown.

    Attributes:
        at: When it was shown; what it is about may have happened long before.
    """

    number: int
    alert: Alert
    at: float = 0.0


class Store:
    """Reads and writes; every method is one transaction unless inside `changing`."""

    def __init__(self, database: Database | Tables) -> None:
        self._database = database

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Everything inside is written, or nothing."""
        with self._database.write() as connection:
            yield Change(connection)

    def models(self) -> dict[str, tuple[bytes, Mapping[str, Any]]]:
        """Name to grid and facts."""
        with self._database.read() as connection:
            found = connection.execute("SELECT name, grid, facts FROM models ORDER BY name")
            return {name: (grid, json.loads(facts)) for name, grid, facts in found}

    def hour(self, model: str, first: int, last: int | None = None) -> dict[str, Hour]:
        """Replica to its counts over the hours ``first`` to ``last``."""
        end = first if last is None else last
        query = "SELECT replica, body FROM hours WHERE model = ? AND hour BETWEEN ? AND ?"
        with self._database.read() as connection:
            found = connection.execute(query, (model, first, end)).fetchall()
        parts: dict[str, list[Hour]] = {}
        for replica, body in found:
            parts.setdefault(replica, []).append(Hour.from_bytes(body))
        return {replica: total(hours) for replica, hours in sorted(parts.items())}

    def sums(self, model: str, first: int, last: int, *, span: int = 1) -> list[Sum]:
        """Spans of so many hours (1 or 24) that begin from ``first`` to ``last``, in order."""
        query = (
            "SELECT hour, rows, requests, refused, latency, confidence, accuracy, estimate, "
            "predicted, shapes FROM sums WHERE model = ? AND span = ? AND hour BETWEEN ? AND ? "
            "ORDER BY hour"
        )
        with self._database.read() as connection:
            found = connection.execute(query, (model, span, first, last)).fetchall()
        return [_sum(row) for row in found]

    def sources(self, model: str, first: int, last: int) -> list[tuple[int, str, Hour]]:
        """Day, source and its counts over the days ``first`` to ``last``."""
        query = "SELECT day, source, body FROM sources WHERE model = ? AND day BETWEEN ? AND ?"
        with self._database.read() as connection:
            found = connection.execute(query, (model, first, last)).fetchall()
        return [(day, source, Hour.from_bytes(body)) for day, source, body in found]

    def newest(self, model: str) -> int | None:
        """The last hour that has counts."""
        query = "SELECT max(hour) FROM sums WHERE model = ? AND span = 1"
        with self._database.read() as connection:
            (hour,) = connection.execute(query, (model,)).fetchone()
        return None if hour is None else int(hour)

    def dirty(self) -> list[tuple[str, int]]:
        """Hours whose sum is to be made again."""
        with self._database.read() as connection:
            return connection.execute("SELECT model, hour FROM dirty ORDER BY hour").fetchall()

    def place(self, source: str) -> Any:
        """How far a source was read; ``None`` where it is new."""
        query = "SELECT position FROM places WHERE source = ?"
        with self._database.read() as connection:
            found = connection.execute(query, (source,)).fetchone()
        return None if found is None else json.loads(found[0])

    def state(self, name: str) -> bytes | None:
        """What `Change.keep_state` kept."""
        with self._database.read() as connection:
            found = connection.execute("SELECT body FROM states WHERE name = ?", (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def alerts(self, *, since: float, asset: str | None = None, limit: int = 100) -> list[Shown]:
        """Alerts shown since then, newest first."""
        query = "SELECT id, body, at FROM alerts WHERE at >= ? AND asset = coalesce(?, asset) "
        with self._database.read() as connection:
            found = connection.execute(
                query + "ORDER BY at DESC, id DESC LIMIT ?", (since, asset, limit)
            ).fetchall()
        return [Shown(number=number, alert=_alert(body), at=at) for number, body, at in found]

    def causes(self, *, since: float, asset: str | None = None, limit: int = 100) -> list[Shown]:
        """The same, of every cause only what was said last."""
        newest: dict[str, Shown] = {}
        for item in self.alerts(since=since, asset=asset, limit=20 * limit):
            newest.setdefault(item.alert.cause, item)
        return list(newest.values())[:limit]

    def alerts_after(self, number: int) -> list[Shown]:
        """Alerts shown after the one of that number, oldest first."""
        query = "SELECT id, body, at FROM alerts WHERE id > ? ORDER BY id LIMIT 100"
        with self._database.read() as connection:
            found = connection.execute(query, (number,)).fetchall()
        return [Shown(number=place, alert=_alert(body), at=at) for place, body, at in found]

    def silences(self, now: float) -> list[tuple[int, Silence]]:
        """Those that have not ended."""
        query = "SELECT id, body FROM silences WHERE until > ? ORDER BY until"
        with self._database.read() as connection:
            found = connection.execute(query, (now,)).fetchall()
        return [(number, Silence(**json.loads(body))) for number, body in found]

    def ledgers(self) -> dict[str, tuple[Ledger, float]]:
        """Replica to its numbers and when it was last heard."""
        with self._database.read() as connection:
            found = connection.execute("SELECT replica, highest, missing, seen FROM ledgers")
            return {
                name: (Ledger(highest=high, missing=set(json.loads(missing))), seen)
                for name, high, missing, seen in found
            }

    def decisions(
        self,
        *,
        principal: str = "",
        model: str = "",
        action: str = "",
        since: float = 0.0,
        until: float = float("inf"),
        limit: int = MAX_FOUND,
    ) -> list[Decided]:
        """Decisions that fit, newest first; empty arguments fit everything."""
        wanted = (("principal", principal), ("model", model), ("action", action))
        given = [(name, value) for name, value in wanted if value]
        where = " AND ".join(["at BETWEEN ? AND ?", *(f"{name} = ?" for name, _ in given)])
        query = (
            "SELECT number, log, at, model, principal, action, rule, status, rows, shadow "  # noqa: S608 - names are constants
            f"FROM decisions WHERE {where} ORDER BY at DESC LIMIT ?"
        )
        values = (since, until, *(value for _, value in given), limit)
        with self._database.read() as connection:
            found = connection.execute(query, values).fetchall()
        names = [item.name for item in fields(Decided)]
        return [Decided(**dict(zip(names, row, strict=True))) for row in found]


class Change:
    """Writes inside one transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def put_model(self, name: str, grid: bytes, facts: Mapping[str, Any]) -> None:
        """Watch a model."""
        query = _replacing("models", 3, ("name",), ("grid", "facts"))
        self._connection.execute(query, (name, grid, json.dumps(dict(facts))))

    def forget_model(self, name: str) -> None:
        """Remove the hours of a model, whose bins have changed."""
        for table in ("hours", "sums", "dirty", "waiting", "sources"):
            self._connection.execute(f"DELETE FROM {table} WHERE model = ?", (name,))  # noqa: S608 - a constant

    def add(self, model: str, hour: int, replica: str, counts: Hour) -> None:
        """Add counts to an hour."""
        key = (model, hour, replica)
        query = "SELECT body FROM hours WHERE model = ? AND hour = ? AND replica = ?"
        found = self._connection.execute(query, key).fetchone()
        if found is not None:
            known = Hour.from_bytes(found[0])
            known.add(counts)
            counts = known
        query = _replacing("hours", 4, ("model", "hour", "replica"), ("body",))
        self._connection.execute(query, (*key, counts.to_bytes()))
        self._connection.execute(
            "INSERT INTO dirty VALUES (?, ?) ON CONFLICT DO NOTHING", (model, hour)
        )

    def add_source(self, model: str, day: int, source: str, counts: Hour) -> None:
        """Add counts to a source's day; sources beyond `MAX_SOURCES` are one."""
        query = "SELECT body FROM sources WHERE model = ? AND day = ? AND source = ?"
        found = self._connection.execute(query, (model, day, source)).fetchone()
        if found is None and source != OTHER:
            query = "SELECT count(*) FROM sources WHERE model = ? AND day = ?"
            (n,) = self._connection.execute(query, (model, day)).fetchone()
            if n >= MAX_SOURCES:
                self.add_source(model, day, OTHER, counts)
                return
        if found is not None:
            known = Hour.from_bytes(found[0])
            known.add(counts)
            counts = known
        query = _replacing("sources", 5, ("model", "day", "source"), ("rows", "body"))
        self._connection.execute(query, (model, day, source, counts.rows, counts.to_bytes()))

    def put_sum(self, model: str, item: Sum, *, span: int = 1) -> None:
        """A span in short; an hour is no longer dirty then."""
        values = (
            model,
            span,
            item.hour,
            item.rows,
            item.requests,
            item.refused,
            item.latency,
            item.confidence,
            item.accuracy,
            item.estimate,
            json.dumps([dict(item.predicted), item.errors]),
            np.asarray(item.shapes, np.float32).tobytes(),
        )
        query = _replacing("sums", len(values), ("model", "span", "hour"), _SUMMED)
        self._connection.execute(query, values)
        if span == 1:
            query = "DELETE FROM dirty WHERE model = ? AND hour = ?"
            self._connection.execute(query, (model, item.hour))

    def put_place(self, source: str, position: Any) -> None:
        """How far a source was read."""
        query = _replacing("places", 2, ("source",), ("position",))
        self._connection.execute(query, (source, json.dumps(position)))

    def place(self, source: str) -> Any:
        """How far a source was read by now, inside this transaction."""
        query = "SELECT position FROM places WHERE source = ?"
        found = self._connection.execute(query, (source,)).fetchone()
        return None if found is None else json.loads(found[0])

    def ledger(self, replica: str) -> Ledger:
        """Which numbers of a replica came by now, inside this transaction."""
        query = "SELECT highest, missing FROM ledgers WHERE replica = ?"
        found = self._connection.execute(query, (replica,)).fetchone()
        if found is None:
            return Ledger()
        return Ledger(highest=found[0], missing=set(json.loads(found[1])))

    def lead(self, name: str, *, now: float, for_s: float) -> bool:
        """Whether ``name`` is the monitor that reads the sources, for a while from now on."""
        leader, until = self.place(LEADER) or ("", 0.0)
        if leader != name and now < until <= now + for_s:
            return False
        self.put_place(LEADER, [name, now + for_s])
        return True

    def keep_state(self, name: str, body: bytes) -> None:
        """Anything small that must survive a restart."""
        query = _replacing("states", 2, ("name",), ("body",))
        self._connection.execute(query, (name, body))

    def state(self, name: str) -> bytes | None:
        """What was kept by now, inside this transaction."""
        query = "SELECT body FROM states WHERE name = ?"
        found = self._connection.execute(query, (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def put_decisions(self, decisions: Iterable[Decided]) -> None:
        """Decisions that can be searched; the same number twice counts once."""
        rows = [tuple(asdict(item).values()) for item in decisions]
        query = "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self._connection.executemany(query, rows)

    def put_alert(self, alert: Alert, at: float) -> None:
        """An alert that is shown at that moment."""
        query = "INSERT INTO alerts (at, cause, asset, severity, body) VALUES (?, ?, ?, ?, ?)"
        values = (at, alert.cause, alert.asset, alert.severity.value, _text(alert))
        self._connection.execute(query, values)

    def put_silence(self, silence: Silence) -> None:
        """Say nothing of a cause for a time."""
        query = "INSERT INTO silences (body, until) VALUES (?, ?)"
        self._connection.execute(query, (json.dumps(asdict(silence)), silence.until))

    def end_silence(self, number: int) -> None:
        """Speak again."""
        self._connection.execute("DELETE FROM silences WHERE id = ?", (number,))

    def put_ledger(self, replica: str, ledger: Ledger, seen: float) -> None:
        """Which numbers came."""
        values = (replica, ledger.highest, json.dumps(sorted(ledger.missing)), seen)
        query = _replacing("ledgers", 4, ("replica",), ("highest", "missing", "seen"))
        self._connection.execute(query, values)

    def wait(self, model: str, key: bytes, hour: int, said: str, *, is_label: bool) -> None:
        """A prediction whose label comes later, or a label that came before its prediction."""
        query = _replacing("waiting", 5, ("model", "id", "is_label"), ("hour", "said"))
        self._connection.execute(query, (model, key, hour, said, int(is_label)))

    def met(self, model: str, key: bytes, *, is_label: bool) -> tuple[int, str] | None:
        """What waited, a label or a prediction, with its hour; it no longer waits."""
        query = (
            "DELETE FROM waiting WHERE model = ? AND id = ? AND is_label = ? RETURNING hour, said"
        )
        found = self._connection.execute(query, (model, key, int(is_label))).fetchone()
        return None if found is None else (int(found[0]), str(found[1]))

    def retain(self, *, hour: int, hour_now: int) -> None:
        """Remove what is older than ``hour``, and single sources after `SOURCE_DAYS`."""
        for table in ("hours", "sums", "dirty", "waiting"):
            self._connection.execute(f"DELETE FROM {table} WHERE hour < ?", (hour,))  # noqa: S608 - a constant
        day = max(hour // DAY_H, hour_now // DAY_H - SOURCE_DAYS)
        self._connection.execute("DELETE FROM sources WHERE day < ?", (day,))
        for table in ("decisions", "alerts"):
            query = f"DELETE FROM {table} WHERE at < ?"  # noqa: S608 - a constant
            self._connection.execute(query, (hour * HOUR_S,))
        self._connection.execute("DELETE FROM silences WHERE until < ?", (hour * HOUR_S,))
        query = "DELETE FROM states WHERE name >= ? AND name < ?"
        self._connection.execute(query, (DAILY, f"{DAILY}{day:08d}"))


def _replacing(table: str, n: int, key: tuple[str, ...], others: tuple[str, ...]) -> str:
    """A statement that sqlite and PostgreSQL both take: a row, in place of the one before."""
    marks = ", ".join("?" * n)
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    return (
        f"INSERT INTO {table} VALUES ({marks}) "  # noqa: S608 - names are constants
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )


def open_store(
    folder: Path, *, address: str = "", schema: str = "hauberk_monitor"
) -> tuple[Store, Path | None]:
    """The store in ``folder``; with the name that a damaged one was set aside under.

    Args:
        address: Of a PostgreSQL that holds it instead.

    Raises:
        UnavailableError: It cannot be opened.
    """
    if address:
        from hauberk.monitor.postgres_tables import Tables
        from hauberk.trust.postgres import Postgres

        return Store(Tables(Postgres(address, schema=schema), SCHEMA)), None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / FILE
    try:
        return _checked(path), None
    except ArtifactError:
        aside = path.with_name(f"{FILE}.damaged-{time.time_ns()}")
        path.rename(aside)
        for ending in ("-wal", "-shm", "-journal"):
            path.with_name(FILE + ending).unlink(missing_ok=True)
        return _checked(path), aside


def _checked(path: Path) -> Store:
    database = Database(path, schema=SCHEMA, synchronous="FULL")
    with database.read() as connection:
        said = [row[0] for row in connection.execute("PRAGMA quick_check").fetchall()]
        found = next((text for text in said if text != "ok" and _is_true(connection, text)), None)
    if found is not None:
        raise ArtifactError("the monitor's store is damaged", subject=str(path), found=found)
    return Store(database)


def _is_true(connection: Any, text: str) -> bool:
    """Whether a complaint of sqlite's check holds.

    Before 3.41 it looks at the wrong columns of tables without row ids whose key does not stand
    first, and finds empty cells that are none.
    """
    match = re.fullmatch(r"NULL value in (\w+)\.(\w+)", text)
    if match is None:
        return True
    table, column = match.groups()
    query = f"SELECT count(*) FROM {table} WHERE {column} IS NULL"  # noqa: S608 - words of ours
    return bool(connection.execute(query).fetchone() != (0,))


def _sum(row: tuple[Any, ...]) -> Sum:
    said = json.loads(row[8])
    predicted, errors = said if isinstance(said, list) else (said, 0)  # as it was once kept
    return Sum(
        hour=row[0],
        rows=row[1],
        requests=row[2],
        refused=row[3],
        latency=row[4],
        confidence=row[5],
        accuracy=row[6],
        estimate=row[7],
        predicted=predicted,
        shapes=np.frombuffer(row[9], np.float32),
        errors=errors,
    )


def _text(alert: Alert) -> str:
    return json.dumps({**asdict(alert), "severity": alert.severity.value})


def _alert(body: str) -> Alert:
    value = json.loads(body)
    return Alert(**{**value, "severity": Severity(value["severity"])})
