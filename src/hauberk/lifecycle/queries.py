"""Rows of a database as bytes: one query, one snapshot, one digest.

SQLite and DuckDB files of the project (``sqlite:data/shop.db``, ``duckdb:data/shop.duckdb``),
PostgreSQL (``postgresql://user@host/base``), and what SQLAlchemy reaches where it is installed
(``sqlalchemy+mysql://host/base``) or a driver of ADBC does (``adbc+flightsql:grpc+tls://host``,
``adbc+postgresql://host/base``). All are opened to read only, in one transaction whose
snapshot is recorded. Rows leave as CSV in the order of the query, so that the same rows have
the same digest; a query without an order has none and is refused.
"""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import hashlib
import importlib
import io
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError

SCHEMES = ("sqlite", "duckdb", "postgresql", "sqlalchemy", "adbc")
MAX_QUERY_CHARACTERS = 100_000
TIMEOUT_S = 600
"""Of a statement on a server."""

_BATCH = 5_000
_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})
_SECRET = re.compile(r"(?:^|_)(?:passw|pwd|secret|token|key|auth)", re.IGNORECASE)
_DRIVER = re.compile(r"[a-z][a-z0-9_]{0,40}")
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was asked of which state of a database.

    Attributes:
        origin: The address, without credentials.
        query: The statement.
        engine: Name and version of what answered.
        state: The engine's own name for the state that it read.
        columns: Names of the columns, in order.
    """

    origin: str
    query: str
    engine: str
    state: str
    columns: tuple[str, ...]


class Answer:
    """A snapshot with its rows, to be read once while the database is open.

    Attributes:
        chunks: The rows as CSV, the first line of names.
        n_rows: Rows that were read so far.
    """

    def __init__(self, snapshot: Snapshot, cursor: Any) -> None:
        self.snapshot = snapshot
        self.n_rows = 0
        self.chunks = self._chunks(cursor)

    def _chunks(self, cursor: Any) -> Iterator[bytes]:
        columns, subject = self.snapshot.columns, self.snapshot.origin
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        yield text.getvalue().encode()
        while rows := cursor.fetchmany(_BATCH):
            text.seek(0)
            text.truncate()
            for row in rows:
                pairs = zip(row, columns, strict=True)
                writer.writerow([_cell(value, name, subject) for value, name in pairs])
            self.n_rows += len(rows)
            yield text.getvalue().encode()


def is_query_source(uri: str) -> bool:
    """Whether ``uri`` names a database."""
    return scheme_of(uri) in SCHEMES


def scheme_of(uri: str) -> str:
    """``sqlalchemy`` for ``sqlalchemy+mysql://host/base``, and so on."""
    return uri.partition(":")[0].partition("+")[0] if ":" in uri else ""


@contextmanager
def asked(uri: str, query: str, root: Path | None) -> Iterator[Answer]:
    """The answer of the database at ``uri`` to one query.

    Args:
        root: Folder that database files must lie in; ``None`` where a person names them.

    Raises:
        UsageError: The address or the query is of a kind that cannot be recorded.
        TrustError: The way to the database could be changed by others.
        UnavailableError: The database, or the package that talks to it, is not there.
    """
    statement = checked(query)
    if _holds_secret(uri):
        raise TrustError(
            "a database address carries a password",
            subject=_origin(uri),
            rule="secrets stand in no file and no command line",
            expected="an address without a password",
            found="user:...@host, or an option that names a secret",
            hint="use PGPASSWORD, a password file or the driver's own configuration",
        )
    opener = {
        "sqlite": _sqlite,
        "duckdb": _duckdb,
        "postgresql": _postgresql,
        "sqlalchemy": _sqlalchemy,
        "adbc": _adbc,
    }[scheme_of(uri)]
    with opener(uri, statement, root) as (engine, state, cursor):
        columns = tuple(str(one[0]) for one in cursor.description or ())
        if not columns or len(set(columns)) != len(columns):
            raise UsageError(
                "the columns of a query have no names of their own",
                subject=_origin(uri),
                expected="a name for each column, none twice",
                found=", ".join(columns)[:200] or "no columns",
                hint="name them: SELECT a AS first, b AS second",
            )
        snapshot = Snapshot(
            origin=_origin(uri), query=statement, engine=engine, state=state, columns=columns
        )
        yield Answer(snapshot, cursor)


def _holds_secret(uri: str) -> bool:
    """Whether an address has a password in one of the places where drivers take them."""
    parts = urllib.parse.urlsplit(_plain(uri))
    if parts.password or any(_SECRET.search(name) for name in urllib.parse.parse_qs(parts.query)):
        return True
    return not parts.netloc and ":" in parts.path.rpartition("@")[0]


def _plain(uri: str) -> str:
    """The address as the driver of ``adbc+driver:address`` sees it."""
    head, _, rest = uri.partition(":")
    is_whole = head.startswith("adbc+") and "://" in rest
    return rest if is_whole else uri


def checked(query: str) -> str:
    """The statement, if it is one that only reads and has an order.

    Raises:
        UsageError: It is not.
    """
    statement = query.strip().rstrip(";").strip()
    words = _NOISE.sub(" ", statement).lower()
    first = words.split(maxsplit=1)[0] if words.split() else "nothing"
    problem = None
    if len(statement) > MAX_QUERY_CHARACTERS:
        problem = f"{len(statement)} characters"
    elif first not in ("select", "with"):
        problem = f"a statement that begins with {first[:40]!r}"
    elif ";" in words:
        problem = "several statements"
    elif not re.search(r"\border\s+by\b", words):
        problem = "no ORDER BY: the same rows could have another digest next time"
    if problem:
        raise UsageError(
            "a query source cannot be recorded",
            subject="query",
            rule="one statement that reads, with an order of its rows",
            expected="SELECT ... ORDER BY ...",
            found=problem,
        )
    return statement


def _origin(uri: str) -> str:
    plain = _plain(uri)
    if plain != uri:
        return f"{uri.partition(':')[0]}:{_origin(plain)}"
    parts = urllib.parse.urlsplit(uri)
    if not parts.netloc:
        scheme, _, rest = uri.partition("?")[0].partition(":")
        return f"{scheme}:{rest.rpartition('@')[2]}"
    port = f":{parts.port}" if parts.port else ""
    return urllib.parse.urlunsplit(
        (parts.scheme, f"{parts.hostname or ''}{port}", parts.path, "", "")
    )


# Rows as bytes -----------------------------------------------------------------------------


def _cell(value: Any, column: str, subject: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str | int | decimal.Decimal):
        return str(value)
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    raise ArtifactError(
        "a cell of a query's answer is of a kind that CSV does not hold",
        subject=f"{subject}, column {column}",
        expected="numbers, texts, dates, times, truth values or nothing",
        found=type(value).__name__,
        hint="cast it in the query, to text for instance",
    )


# Databases ---------------------------------------------------------------------------------


def _file(uri: str, root: Path | None) -> Path:
    name = uri.partition(":")[2].removeprefix("//")
    path = Path(root or "", name).resolve()
    is_inside = root is None or path.is_relative_to(root.resolve())
    if not name or not is_inside or not path.is_file():
        raise UsageError(
            "a database file is not there",
            subject=uri,
            expected=f"a file below {root}" if root else "a file",
            found=name or "no name",
        )
    return path


@contextmanager
def _sqlite(uri: str, statement: str, root: Path | None) -> Iterator[tuple[str, str, Any]]:
    import sqlite3

    path = _file(uri, root)
    address = f"file:{urllib.parse.quote(str(path))}?mode=ro"
    try:
        base = sqlite3.connect(address, uri=True, isolation_level=None)
        try:
            base.execute("PRAGMA query_only = ON")
            base.execute("PRAGMA trusted_schema = OFF")
            base.execute("BEGIN")
            cursor = base.execute(statement)
            yield f"SQLite {sqlite3.sqlite_version}", f"file sha256:{_digest(path)}", cursor
        finally:
            base.close()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _refused(uri, error) from error


@contextmanager
def _duckdb(uri: str, statement: str, root: Path | None) -> Iterator[tuple[str, str, Any]]:
    path = _file(uri, root)
    duckdb = _package("duckdb", uri)
    closed = {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": "1",
    }
    try:
        base = duckdb.connect(str(path), read_only=True, config=closed)
        try:
            cursor = base.execute(statement)
            yield f"DuckDB {duckdb.__version__}", f"file sha256:{_digest(path)}", cursor
        finally:
            base.close()
    except duckdb.Error as error:
        raise _refused(uri, error) from error


@contextmanager
def _postgresql(uri: str, statement: str, root: Path | None) -> Iterator[tuple[str, str, Any]]:
    del root
    psycopg = _package("psycopg", uri, extra="hauberk[postgres]")
    try:
        with psycopg.connect(_over_tls(uri), autocommit=False) as base:
            base.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            base.read_only = True
            base.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
            version, state = _first(
                base.execute(
                    "SELECT current_setting('server_version'), pg_current_snapshot()::text"
                )
            )
            with base.cursor(name="hauberk") as cursor:
                cursor.execute(statement.encode())
                yield f"PostgreSQL {version}", f"snapshot {state}", cursor
            base.rollback()
    except psycopg.Error as error:
        raise _refused(uri, error) from error


def _first(cursor: Any) -> Any:
    return cursor.fetchone()


def _over_tls(uri: str) -> str:
    """The address, with the server's certificate checked where it is another machine's."""
    parts = urllib.parse.urlsplit(uri)
    asked_for = urllib.parse.parse_qs(parts.query)
    hosts = {parts.hostname or "", *asked_for.get("host", ()), *asked_for.get("hostaddr", ())}
    if all(host in _LOCAL or host.startswith("/") for host in hosts):
        return uri
    mode = asked_for.get("sslmode", ["verify-full"])[-1]
    if mode != "verify-full":
        raise TrustError(
            "a database is reached by a way that others can change",
            subject=_origin(uri),
            rule="sources come over TLS from a server whose certificate is checked",
            expected="sslmode=verify-full",
            found=f"sslmode={mode}",
        )
    if "sslmode" in asked_for:
        return uri
    return f"{uri}{'&' if parts.query else '?'}sslmode=verify-full&sslrootcert=system"


@contextmanager
def _sqlalchemy(uri: str, statement: str, root: Path | None) -> Iterator[tuple[str, str, Any]]:
    del root
    sqlalchemy = _package("sqlalchemy", uri)
    address = uri.removeprefix("sqlalchemy+")
    try:
        engine = sqlalchemy.create_engine(address)
        try:
            with engine.connect() as base:
                result = base.exec_driver_sql(statement)
                name = f"{engine.dialect.name} through SQLAlchemy {sqlalchemy.__version__}"
                yield name, "no name of its state", result.cursor
                base.rollback()
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise _refused(uri, error) from error


@contextmanager
def _adbc(uri: str, statement: str, root: Path | None) -> Iterator[tuple[str, str, Any]]:
    """Whatever has a driver of ADBC, by the module that the driver's package brings."""
    head, _, rest = uri.partition(":")
    driver = head.partition("+")[2]
    if not _DRIVER.fullmatch(driver):
        raise UsageError(
            "an address names the driver of ADBC that reads it",
            subject=_origin(uri),
            expected="adbc+DRIVER:ADDRESS, as adbc+postgresql://host/base",
            found=head[:60],
        )
    path = _file(f"sqlite:{rest}", root) if driver == "sqlite" else None
    address = _adbc_address(uri, driver, path)
    name = f"adbc-driver-{driver.replace('_', '-')}"
    _package(f"adbc_driver_{driver}", uri, extra=name)
    dbapi = _package(f"adbc_driver_{driver}.dbapi", uri, extra=f"{name} pyarrow")
    try:
        with dbapi.connect(address) as base, base.cursor() as cursor:
            about = base.adbc_get_info()
            server = f"{about.get('vendor_name', driver)} {about.get('vendor_version', '')}".strip()
            state = _adbc_state(driver, cursor) if path is None else f"file sha256:{_digest(path)}"
            cursor.execute(statement)
            yield f"{server} through ADBC {about.get('driver_version', '')}".strip(), state, cursor
            base.rollback()
    except dbapi.Error as error:
        raise _refused(uri, error) from error


def _adbc_address(uri: str, driver: str, path: Path | None) -> str:
    """What the driver is given: a file to read only, or a server over TLS."""
    if path is not None:
        return f"file:{urllib.parse.quote(str(path))}?mode=ro"
    if driver == "postgresql":
        return _over_tls(uri.removeprefix("adbc+"))
    address = _plain(uri)
    parts = urllib.parse.urlsplit(address)
    is_safe = parts.scheme.endswith(("+tls", "https")) or (parts.hostname or "") in _LOCAL
    if not is_safe:
        raise TrustError(
            "a database is reached by a way that others can change",
            subject=_origin(uri),
            rule="sources come over TLS from a server whose certificate is checked",
            expected="an address that says TLS, as grpc+tls://host or https://host",
            found=f"{parts.scheme}://",
        )
    return address


def _adbc_state(driver: str, cursor: Any) -> str:
    """The state that PostgreSQL names, in a transaction that only reads; others name none."""
    if driver != "postgresql":
        return "no name of its state"
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
    cursor.execute("SELECT pg_current_snapshot()::text")
    return f"snapshot {_first(cursor)[0]}"


def _digest(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()


def _package(name: str, uri: str, *, extra: str = "") -> Any:
    """A driver, where it is installed; none is a dependency."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UnavailableError(
            "a database needs a package that is not installed",
            subject=_origin(uri),
            hint=f"pip install '{extra or name}'",
        ) from None


def _refused(uri: str, error: Exception) -> UnavailableError:
    words = str(error).strip().splitlines()
    return UnavailableError(
        "a database did not answer the query",
        subject=_origin(uri),
        found=f"{type(error).__name__}: {words[0][:200] if words else ''}",
    )
