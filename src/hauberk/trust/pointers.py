"""A few mutable names, changed only by compare-and-swap: sqlite3, or memory.

A tag is random and never used twice, so a name that was removed and made again, or a
database that was restored from a backup, cannot satisfy an old tag.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Final

from hauberk.core.ports import Pointer
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.database import Database

MAX_VALUE_BYTES: Final = 16 << 20
"""A pointer holds a head or a small signed document; larger things are blobs."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]*(/[a-z0-9][a-z0-9._@-]*)*\Z")
_MAX_NAME = 240

_SCHEMA = (
    "CREATE TABLE pointers (name TEXT PRIMARY KEY, value BLOB NOT NULL, tag TEXT NOT NULL) "
    "WITHOUT ROWID"
)


def check_name(name: str) -> str:
    """``name`` itself, if it may name a pointer.

    Raises:
        UsageError: It is empty, too long, or could be read as a path outside.
    """
    if len(name) > _MAX_NAME or _NAME.match(name) is None:
        raise UsageError(
            "not a name for a pointer",
            subject=repr(name[:80]),
            expected="parts of a-z 0-9 . _ @ - joined by /, each beginning with a letter or digit",
            hint="use a plain name such as channels/loans/staging",
        )
    return name


def check_value(name: str, value: bytes | None) -> None:
    """Refuse a value that is too large for a pointer.

    Raises:
        UsageError: It is.
    """
    if value is not None and len(value) > MAX_VALUE_BYTES:
        raise UsageError(
            "too large for a pointer",
            subject=name,
            expected=f"at most {MAX_VALUE_BYTES} bytes",
            found=f"{len(value)} bytes",
            hint="store the bytes as a blob and point at its digest",
        )


def refuse_stale(name: str, found: str | None, expect: str | None) -> None:
    """Hold the tag that was ``found`` against the one that a swap presents.

    Raises:
        TrustError: They differ: somebody else was first.
    """
    if found != expect:
        raise TrustError(
            "somebody else changed the pointer first; nothing was written",
            subject=f"pointer {name}",
            rule="a pointer changes only for whoever has seen its latest value",
            expected="no such pointer" if expect is None else f"tag {expect}",
            found="no such pointer" if found is None else f"tag {found}",
            hint="read the pointer again, decide anew, and swap with its new tag",
        )


class SqlitePointers:
    """Pointers in one sqlite3 file.

    Writers take turns through ``BEGIN IMMEDIATE``; a rollback journal with full
    synchronisation makes each swap durable. Connections live for one operation, so the
    object may be used from any thread and after a fork.

    Args:
        path: The database; made where it is missing. Read only, a missing one in a folder that
            is there names nothing: whether anything ought to be named, the log beside it says.
        timeout_s: Longest wait for another writer.
    """

    def __init__(self, path: Path, *, timeout_s: float = 30.0, read_only: bool = False) -> None:
        self._path, self._read_only = path, read_only
        self._database = Database(path, schema=(_SCHEMA,), timeout_s=timeout_s, read_only=read_only)

    def get(self, name: str) -> Pointer | None:
        """The current value, or ``None``.

        Raises:
            ArtifactError: The database is damaged.
        """
        check_name(name)
        if self._is_missing():
            return None
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT value, tag FROM pointers WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else _pointer(name, *row)

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        """Set or remove ``name`` if its tag is still ``expect``; durable when it returns.

        Raises:
            ArtifactError: The database is damaged.
            TrustError: Somebody else changed the name first; nothing was written.
            UnavailableError: The disk is full or the database stays locked.
        """
        check_name(name)
        check_value(name, value)
        tag = None if value is None else secrets.token_hex(16)
        with self._database.write() as connection:
            row = connection.execute("SELECT tag FROM pointers WHERE name = ?", (name,)).fetchone()
            refuse_stale(name, None if row is None else row[0], expect)
            if tag is None:
                connection.execute("DELETE FROM pointers WHERE name = ?", (name,))
            else:
                connection.execute("REPLACE INTO pointers VALUES (?, ?, ?)", (name, value, tag))
        return tag

    def list(self, prefix: str = "") -> Iterator[str]:
        """All names that begin with ``prefix``, in order."""
        if self._is_missing():
            return iter(())
        with self._database.read() as connection:
            rows = connection.execute("SELECT name FROM pointers ORDER BY name").fetchall()
        return (name for (name,) in rows if isinstance(name, str) and name.startswith(prefix))

    def _is_missing(self) -> bool:
        is_gone = self._read_only and not os.path.lexists(self._path)
        return is_gone and self._path.parent.is_dir()


def _pointer(name: str, value: object, tag: object) -> Pointer:
    if isinstance(value, bytes) and isinstance(tag, str):
        return Pointer(value, tag)
    raise ArtifactError(
        "a pointer holds something else than bytes",
        subject=f"pointer {name}",
        found=f"{type(value).__name__} with a tag of type {type(tag).__name__}",
        hint="the database was changed by another program; restore it from a backup",
    )


class MemoryPointers:
    """Pointers in memory."""

    def __init__(self) -> None:
        self._pointers: dict[str, Pointer] = {}
        self._lock = Lock()

    def get(self, name: str) -> Pointer | None:
        """The current value, or ``None``."""
        return self._pointers.get(check_name(name))

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        """Set or remove ``name`` if its tag is still ``expect``."""
        check_name(name)
        check_value(name, value)
        with self._lock:
            current = self._pointers.get(name)
            refuse_stale(name, None if current is None else current.tag, expect)
            if value is None:
                self._pointers.pop(name, None)
                return None
            self._pointers[name] = Pointer(bytes(value), secrets.token_hex(16))
            return self._pointers[name].tag

    def list(self, prefix: str = "") -> Iterator[str]:
        """All names that begin with ``prefix``, in order."""
        with self._lock:
            return iter(sorted(name for name in self._pointers if name.startswith(prefix)))
