"""Where the index over the log lies: a file of sqlite3, or a schema of PostgreSQL.

Both speak the same few statements; placeholders are question marks. The index is derived:
one that is damaged, foreign or ahead of the log is thrown away and made again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from hauberk.errors import ArtifactError

if TYPE_CHECKING:
    import psycopg

    from hauberk.trust.postgres import Postgres
    from hauberk.trust.store import Store

NAME: Final = "index.sqlite"
TABLES: Final = {
    "state": "replayed bigint not null, root text not null",
    "runs": "run text primary key, project text, code text, position bigint",
    "steps": "run text, step text, envelope text, position bigint",
    "edges": "run text, step text, direction text, path text, digest text",
    "metrics": "run text, model text, name text, value double precision, position bigint",
    "notes": "run text, name text, text text, position bigint",
    "traces": "run text, name text, number bigint, sealed text, position bigint",
}


class Damaged(Exception):  # noqa: N818 - a state of the index that is mended, not an error
    """The index is not what this version makes from the log."""


class Session(Protocol):
    """One connection inside one transaction."""

    def run(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do one statement and return its rows."""
        ...


def path_of(store: Store) -> Path:
    """Where the file lies; the cache may be deleted at any time."""
    return store.root / "cache" / NAME


def is_there(store: Store) -> bool:
    """Whether there is an index at all."""
    if store.database is None:
        return path_of(store).exists()
    with store.database.connected() as connection:
        row = connection.execute("select to_regclass(%s)", (f"{store.database.schema}.state",))
        return row.fetchone() != (None,)


def drop(store: Store) -> None:
    """Throw the index away."""
    if store.database is None:
        path_of(store).unlink(missing_ok=True)
        return
    with store.database.connected() as connection:
        for table in TABLES:
            connection.execute(f"drop table if exists {store.database.schema}.{table}".encode())


@contextmanager
def reading(store: Store) -> Iterator[Session]:
    """A session that changes nothing.

    Raises:
        Damaged: There is no index, or none of this version.
    """
    if store.database is not None:
        with _in_database(store.database) as session:
            yield session
        return
    try:
        uri = f"{path_of(store).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            yield _Sqlite(connection)
    except sqlite3.DatabaseError as error:
        raise Damaged(str(error)) from error


@contextmanager
def writing(store: Store) -> Iterator[Session]:
    """A session; the tables are made where they are missing, all is committed at the end.

    Raises:
        Damaged: The index is not one of this version.
    """
    if store.database is not None:
        store.database.make_tables(dict(TABLES))
        with _in_database(store.database) as session:
            session.run(f"lock table {store.database.schema}.state")
            yield session
        return
    try:
        with closing(sqlite3.connect(path_of(store), isolation_level=None)) as connection:
            connection.execute("begin immediate")
            for table, columns in TABLES.items():
                connection.execute(f"create table if not exists {table} ({columns})")
            connection.execute("create index if not exists edges_by_digest on edges (digest)")
            yield _Sqlite(connection)
            connection.commit()
    except sqlite3.DatabaseError as error:
        raise Damaged(str(error)) from error


@contextmanager
def _in_database(database: Postgres) -> Iterator[Session]:
    try:
        with database.connected() as connection:
            connection.execute(f"set local search_path = pg_catalog, {database.schema}".encode())
            yield _Postgres(connection)
    except ArtifactError as error:
        raise Damaged(error.message) from error


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(text, values).fetchall()


class _Postgres:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(text.replace("?", "%s").encode(), tuple(values))
        return cursor.fetchall() if cursor.description else []
