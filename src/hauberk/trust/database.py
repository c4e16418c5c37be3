"""A sqlite3 file that others may have damaged or replaced.

One short connection per operation; the tables must be exactly ours (a trigger or a view
that somebody added would run with every write); corrupt pages, foreign files and endless
queries end in typed errors.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from hauberk.errors import ArtifactError, HauberkError, UnavailableError
from hauberk.trust.durable import FILE_MODE, explained, not_ours

MAX_STEPS: Final = 50_000_000
"""Instructions of sqlite's machine per connection; a full scan of 100,000 rows needs 1 M."""

_STEP_UNIT = 100_000
_MAX_FIELD_BYTES = 32 << 20


class Database:
    """Opens connections to one sqlite3 file.

    Args:
        path: The file; made where it is missing, unless ``read_only``.
        schema: The ``CREATE`` statements of exactly the tables it holds.
        timeout_s: Longest wait for another writer.
        synchronous: ``EXTRA`` for what must survive a power cut, ``OFF`` for what need not.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: Sequence[str],
        timeout_s: float = 30.0,
        read_only: bool = False,
        synchronous: str = "EXTRA",
    ) -> None:
        self._path = path
        self._schema = tuple(schema)
        self._timeout_s = timeout_s
        self._read_only = read_only
        self._synchronous = synchronous
        self._lock = Lock()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading.

        Raises:
            ArtifactError: The file is damaged or no database of ours.
            UnavailableError: It cannot be opened, or stays locked.
        """
        with self._connected() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A connection inside ``BEGIN IMMEDIATE``; committed at the end, else rolled back.

        Raises:
            ArtifactError: The file is damaged or no database of ours.
            UnavailableError: It is full, read-only, or stays locked.
        """
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._opened()
            try:
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise self._typed(error) from error

    def _opened(self) -> sqlite3.Connection:
        with explained(self._path):
            self._make_ready()
            connection = self._connect()
        try:
            self._prepare(connection)
        except UnicodeDecodeError as error:  # sqlite3 quotes damaged names in its messages
            connection.close()
            raise self._damaged("names that are no text") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_ready(self) -> None:
        """A private regular file at the path; anything else is refused."""
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            if self._read_only:
                raise
            flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(self._path, flags, FILE_MODE))
            return
        if not stat.S_ISREG(status.st_mode):
            raise not_ours(str(self._path), "not a regular file")

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rw"
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=self._timeout_s, isolation_level=None)
        connection.text_factory = _lossy
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_FIELD_BYTES)
        units = iter(range(MAX_STEPS // _STEP_UNIT))
        connection.set_progress_handler(lambda: next(units, None) is None, _STEP_UNIT)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        found = self._tables(connection)
        if not found and not self._read_only:
            found = self._create(connection)
        if found != sorted(self._schema):
            raise ArtifactError(
                "the database is not one of ours",
                subject=str(self._path),
                rule="only the tables that this version makes, no triggers, no views",
                expected=f"{len(self._schema)} known tables",
                found=f"{len(found)} entries in the schema",
                hint="move the file away and restore it from a backup",
            )

    @staticmethod
    def _tables(connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 100"
        ).fetchall()
        return sorted(str(sql) for (sql,) in rows)

    def _create(self, connection: sqlite3.Connection) -> list[str]:
        connection.execute("BEGIN IMMEDIATE")
        if not self._tables(connection):
            for statement in self._schema:
                connection.execute(statement)
        connection.execute("COMMIT")
        return self._tables(connection)

    def _typed(self, error: sqlite3.Error) -> HauberkError:
        subject, found = str(self._path), str(error)
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _UNAVAILABLE:
            return UnavailableError(
                "the database cannot be used",
                subject=subject,
                found=found,
                hint=_UNAVAILABLE[code],
            )
        return self._damaged(found)

    def _damaged(self, found: str) -> ArtifactError:
        return ArtifactError(
            "the database is damaged",
            subject=str(self._path),
            expected="a sqlite3 file written by this program",
            found=found,
            hint="move the file away and restore it from a backup",
        )


def _lossy(text: bytes) -> str:
    return text.decode(errors="replace")


_UNAVAILABLE: Final = {
    sqlite3.SQLITE_BUSY: "another program holds the database; wait for it to end and run again",
    sqlite3.SQLITE_LOCKED: "another program holds the database; wait for it to end and run again",
    sqlite3.SQLITE_FULL: "free space or raise the quota, then run again",
    sqlite3.SQLITE_IOERR: "look at the disk's health and free space, then run again",
    sqlite3.SQLITE_READONLY: "give yourself write permission, or work on a writable copy",
    sqlite3.SQLITE_CANTOPEN: "give yourself read and write permission on the file and its folder",
    sqlite3.SQLITE_PERM: "give yourself read and write permission on the file and its folder",
}
