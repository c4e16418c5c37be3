"""Bounded memory per principal for exchange controls: in memory, or sqlite3.

A flood of new principals costs the oldest ones their memory, never the process its own:
whole principals are forgotten, least recently used first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from hauberk.errors import UsageError
from hauberk.trust.database import Database

if TYPE_CHECKING:
    import sqlite3

Change = Callable[[bytes | None], bytes | None]

ENTRY_BYTES: Final = 128
"""Charged for each value beside its own bytes, so that empty values are not free."""

_PRINCIPALS = (
    "CREATE TABLE principals (principal TEXT PRIMARY KEY, used INTEGER NOT NULL, "
    "bytes INTEGER NOT NULL) WITHOUT ROWID"
)
_STATE = (
    "CREATE TABLE state (principal TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (principal, key)) WITHOUT ROWID"
)
_SCHEMA = (
    _PRINCIPALS,
    _STATE,
    "CREATE INDEX by_use ON principals (used)",
    "CREATE TABLE totals (principals INTEGER NOT NULL, bytes INTEGER NOT NULL)",
)


def _cost(key: str, value: bytes | None) -> int:
    return 0 if value is None else ENTRY_BYTES + len(key) + len(value)


def _check_fits(cost: int, max_bytes: int) -> None:
    if cost > max_bytes:
        raise UsageError(
            "one value is larger than the memory for all principals",
            expected=f"at most {max_bytes} bytes",
            found=f"{cost} bytes",
            hint="keep a smaller summary per principal, or raise the bound",
        )


class MemoryClientState:
    """State in memory; safe to use from many threads.

    Args:
        max_principals: Principals remembered at once.
        max_bytes: Bytes of keys and values, each value charged `ENTRY_BYTES` more.
    """

    def __init__(self, max_principals: int = 100_000, max_bytes: int = 256 << 20) -> None:
        self._max_principals = max_principals
        self._max_bytes = max_bytes
        self._values: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def update(self, principal: str, key: str, change: Change) -> bytes | None:
        """Replace the value by ``change(old)`` as one atomic step; return the new value.

        ``change`` runs under the lock: it must be quick and must not come back here.

        Raises:
            UsageError: The new value alone is larger than ``max_bytes``.
        """
        with self._lock:
            held = self._values.get(principal)
            old = None if held is None else held.get(key)
            new = change(old)
            if held is not None and old is not None and new is not None and len(new) == len(old):
                held[key] = new  # the usual case: nothing grows
                self._values.move_to_end(principal)
                return new
            _check_fits(_cost(key, new), self._max_bytes)
            self._set(principal, key, new)
            self._bytes += _cost(key, new) - _cost(key, old)
            self._evict()
        return new

    def get(self, principal: str, key: str) -> bytes | None:
        """The value, or ``None``; reading counts as use."""
        with self._lock:
            if principal not in self._values:
                return None
            self._values.move_to_end(principal)
            return self._values[principal].get(key)

    def __len__(self) -> int:
        """Principals remembered now."""
        return len(self._values)

    def _set(self, principal: str, key: str, value: bytes | None) -> None:
        held = self._values.setdefault(principal, {})
        self._values.move_to_end(principal)
        if value is None:
            held.pop(key, None)
        else:
            held[key] = value
        if not held:
            del self._values[principal]

    def _evict(self) -> None:
        while len(self._values) > self._max_principals or self._bytes > self._max_bytes:
            _, held = self._values.popitem(last=False)
            self._bytes -= sum(_cost(key, value) for key, value in held.items())


class SqliteClientState:
    """State that processes of one host share and that outlives them.

    Losing the last moments in a power cut is accepted for speed; after the death of a
    process nothing is lost.

    Args:
        path: The database; made where it is missing.
    """

    def __init__(
        self, path: Path, max_principals: int = 100_000, max_bytes: int = 256 << 20
    ) -> None:
        self._database = Database(path, schema=_SCHEMA, synchronous="OFF")
        self._max_principals = max_principals
        self._max_bytes = max_bytes

    def update(self, principal: str, key: str, change: Change) -> bytes | None:
        """Replace the value by ``change(old)`` as one atomic step; return the new value.

        ``change`` runs while other writers wait.
        """
        with self._database.write() as connection:
            old = _value(connection, principal, key)
            new = change(old)
            _check_fits(_cost(key, new), self._max_bytes)
            self._set(connection, principal, key, new)
            cost = _cost(key, new) - _cost(key, old)
            count, total = _totals(connection)
            count += _charge(connection, principal, cost)
            self._evict(connection, count, total + cost)
        return new

    def get(self, principal: str, key: str) -> bytes | None:
        """The value, or ``None``; reading does not count as use, for it must not write."""
        with self._database.read() as connection:
            return _value(connection, principal, key)

    def __len__(self) -> int:
        """Principals remembered now."""
        with self._database.read() as connection:
            return _totals(connection)[0]

    @staticmethod
    def _set(connection: sqlite3.Connection, principal: str, key: str, value: bytes | None) -> None:
        if value is None:
            connection.execute(
                "DELETE FROM state WHERE principal = ? AND key = ?", (principal, key)
            )
        else:
            connection.execute("REPLACE INTO state VALUES (?, ?, ?)", (principal, key, value))

    def _evict(self, connection: sqlite3.Connection, count: int, total: int) -> None:
        while count > self._max_principals or total > self._max_bytes:
            oldest, size = connection.execute(
                "SELECT principal, bytes FROM principals ORDER BY used LIMIT 1"
            ).fetchone()
            connection.execute("DELETE FROM state WHERE principal = ?", (oldest,))
            connection.execute("DELETE FROM principals WHERE principal = ?", (oldest,))
            count, total = count - 1, total - size
        connection.execute("DELETE FROM totals")
        connection.execute("INSERT INTO totals VALUES (?, ?)", (count, total))


def _totals(connection: sqlite3.Connection) -> tuple[int, int]:
    """Principals and bytes held."""
    row = connection.execute("SELECT principals, bytes FROM totals").fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _value(connection: sqlite3.Connection, principal: str, key: str) -> bytes | None:
    row = connection.execute(
        "SELECT value FROM state WHERE principal = ? AND key = ?", (principal, key)
    ).fetchone()
    return None if row is None else bytes(row[0])


def _charge(connection: sqlite3.Connection, principal: str, cost: int) -> int:
    """Book ``cost`` and the use; return by how much the number of principals changed.

    A principal that holds nothing any more is forgotten.
    """
    row = connection.execute(
        "SELECT bytes FROM principals WHERE principal = ?", (principal,)
    ).fetchone()
    held = 0 if row is None else int(row[0])
    connection.execute("DELETE FROM principals WHERE principal = ?", (principal,))
    if held + cost:
        connection.execute(
            "INSERT INTO principals SELECT ?, coalesce(max(used), 0) + 1, ? FROM principals",
            (principal, held + cost),
        )
    return (held + cost > 0) - (held > 0)
