"""Pointers in PostgreSQL, and connections to it for whoever keeps tables there.

Rules:

1. One short connection per operation, so that objects may be used from any thread and after
   a fork. Statements and waits for locks are bounded in time.
2. A swap is one statement that names the tag it expects; it is durable when it returns
   (``synchronous_commit`` is on whatever the server's default).
3. Names are qualified by a schema of ours, nothing is found through a search path, and a
   table with other columns, triggers or rules is refused: they would run with every write.
4. An address carries no password. Over a network the server proves who it is
   (``sslmode=verify-full``) unless the address says otherwise.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from hauberk.core.ports import Pointer
from hauberk.errors import ArtifactError, HauberkError, UnavailableError, UsageError
from hauberk.trust.pointers import MAX_VALUE_BYTES, check_name, check_value, refuse_stale

if TYPE_CHECKING:
    import psycopg

TIMEOUT_S: Final = 30
CONNECT_S: Final = 10
_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,40}\Z")
_LOCK_CLASS: Final = 0x4A55
_POINTERS: Final = (("name", "text"), ("value", "bytea"), ("tag", "text"))
_GET: Final = (
    "select case when octet_length(value) <= %s then value end, tag from {} where name = %s"
)
_HINTS: Final = {
    "08": "look at the address in [store], at the network and at the server",
    "28": "give the user of this process access, or set PGUSER and PGPASSWORD or a pgpass file",
    "42501": "grant this user CREATE on the database, or USAGE and all on the schema",
    "53": "free space or connections on the server, then run again",
    "55P03": "another program holds the rows; wait for it to end and run again",
    "57": "the server ended the work; run again, and look at its log if this goes on",
    "25006": "the server is read-only: a standby, or one out of space",
    "3D": "make the database first: createdb",
}


def library() -> Any:
    """The library behind this module.

    Raises:
        UnavailableError: The extra is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise UnavailableError(
            "PostgreSQL needs the extra postgres",
            subject="store",
            expected="the package psycopg",
            found="not installed",
            hint="pip install 'hauberk[postgres]'",
        ) from error
    return psycopg


class Postgres:
    """Opens connections to one schema of one database.

    Args:
        address: ``postgresql://user@host/database`` or libpq's ``key=value`` form.
        schema: Where our tables lie; one for each project.
        timeout_s: Longest statement and longest wait for a lock.
    """

    def __init__(
        self, address: str, *, schema: str = "hauberk", timeout_s: float = TIMEOUT_S
    ) -> None:
        if _SCHEMA_NAME.match(schema) is None:
            raise UsageError(
                "not a name for a schema",
                subject=repr(schema[:60]),
                expected="a-z, 0-9 and _, at most 41 characters, no digit first",
            )
        self.schema = schema
        self._parameters = _parameters(address)
        self._timeout_ms = int(timeout_s * 1000)
        self.label = f"postgresql {_said(self._parameters)}, schema {schema}"

    @contextmanager
    def connected(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection inside one transaction: committed at the end, else rolled back.

        Raises:
            UnavailableError: The server cannot be reached or does not let us in. Where it
                went away while committing, the work may have been done or not.
            ArtifactError: What lies there is not ours.
        """
        psycopg = library()
        try:
            with psycopg.connect(**self._parameters, options=self._options()) as connection:
                yield connection
        except HauberkError:
            raise
        except psycopg.Error as error:
            raise self._typed(error) from error

    def _options(self) -> str:
        return (
            f"-c statement_timeout={self._timeout_ms} -c lock_timeout={self._timeout_ms} "
            "-c synchronous_commit=on -c search_path=pg_catalog "
            "-c default_transaction_read_only=off "
            f"-c idle_in_transaction_session_timeout={4 * self._timeout_ms}"
        )

    def make_tables(self, columns: dict[str, str]) -> None:
        """Make the schema and those tables that are missing; safe for many at once.

        Args:
            columns: Table name to its column definitions.
        """
        with self.connected() as connection:
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK_CLASS,))
            connection.execute(_sql(f"create schema if not exists {self.schema}"))
            for table, definition in columns.items():
                connection.execute(
                    _sql(f"create table if not exists {self.schema}.{table} ({definition})")
                )

    def refuse_foreign(
        self,
        connection: psycopg.Connection[Any],
        table: str,
        columns: Sequence[tuple[str, str]],
    ) -> bool:
        """Whether ``table`` is there; refused where it is not as we made it.

        Raises:
            ArtifactError: It has other columns, or triggers or rules.
        """
        rows = connection.execute(
            "select a.attname, format_type(a.atttypid, a.atttypmod), "
            "exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal) "
            "or exists (select from pg_rewrite r where r.ev_class = c.oid) or c.relkind <> 'r' "
            "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
            "where n.nspname = %s and c.relname = %s order by a.attnum",
            (self.schema, table),
        ).fetchall()
        found = tuple((str(name), str(kind)) for name, kind, _ in rows)
        if rows and (found != tuple(columns) or any(extra for *_, extra in rows)):
            raise ArtifactError(
                "the table is not one of ours",
                subject=f"{self.label}, table {table}",
                rule="only the columns that this version makes, no triggers, no rules, no views",
                expected=", ".join(f"{name} {kind}" for name, kind in columns),
                found=", ".join(f"{name} {kind}" for name, kind in found)
                + (" with a trigger or rule" if any(extra for *_, extra in rows) else ""),
                hint="move the table away and restore it from a backup",
            )
        return bool(rows)

    def _typed(self, error: Any) -> HauberkError:
        state = str(getattr(error, "sqlstate", None) or "08")
        found = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        hint = _HINTS.get(state) or _HINTS.get(state[:2])
        if hint is not None:
            return UnavailableError(
                "the database cannot be used", subject=self.label, found=found, hint=hint
            )
        return ArtifactError(
            "the database is not as this program made it",
            subject=self.label,
            found=found,
            hint="look at the schema; restore it from a backup or name another one in [store]",
        )


def _parameters(address: str) -> dict[str, Any]:
    psycopg = library()
    try:
        found = dict(psycopg.conninfo.conninfo_to_dict(address))
    except psycopg.Error as error:
        raise UsageError(
            "not an address of a database",
            subject="[store] pointers",
            expected="postgresql://user@host/database",
            found=str(error).splitlines()[0][:120],
        ) from error
    if found.get("password"):
        raise UsageError(
            "an address holds no password",
            subject="[store] pointers",
            rule="credentials come from the environment, never from a file of the project",
            found="a password",
            hint="set PGPASSWORD, or use a pgpass file",
        )
    if not _is_local(str(found.get("host") or found.get("hostaddr") or "")):
        found.setdefault("sslmode", "verify-full")
    return {"connect_timeout": CONNECT_S, "application_name": "hauberk", **found}


def _is_local(host: str) -> bool:
    return all(
        not one or one.startswith(("/", "127.")) or one in {"localhost", "::1"}
        for one in host.split(",")
    )


def _said(parameters: dict[str, Any]) -> str:
    return f"{parameters.get('host') or 'local socket'}/{parameters.get('dbname') or 'default'}"


def _sql(text: str) -> Any:
    """Text that is ours but not literal: the schema's name has been checked."""
    return text


class PostgresPointers:
    """Pointers in one table of PostgreSQL.

    Args:
        database: Where; the table is made where it is missing, unless ``read_only``.
    """

    def __init__(self, database: Postgres, *, read_only: bool = False) -> None:
        self._database = database
        self._table = f"{database.schema}.pointers"
        self._read_only = read_only
        self._is_made = False

    @contextmanager
    def _opened(self, *, write: bool = False) -> Iterator[psycopg.Connection[Any] | None]:
        """A connection, or ``None`` where there is no table and none may be made."""
        if write and self._read_only:
            raise UsageError("the store was opened for reading only", hint="open it for writing")
        if write and not self._is_made:
            self._database.make_tables(
                {"pointers": "name text primary key, value bytea not null, tag text not null"}
            )
            self._is_made = True
        with self._database.connected() as connection:
            is_there = self._database.refuse_foreign(connection, "pointers", _POINTERS)
            yield connection if is_there else None

    def get(self, name: str) -> Pointer | None:
        """The current value, or ``None``."""
        check_name(name)
        with self._opened() as connection:
            if connection is None:
                return None
            row = connection.execute(
                _sql(_GET.format(self._table)), (MAX_VALUE_BYTES, name)
            ).fetchone()
        if row is not None and row[0] is None:
            raise ArtifactError(
                "a pointer is larger than pointers are",
                subject=f"{self._database.label}, pointer {name}",
                expected=f"at most {MAX_VALUE_BYTES} bytes",
                hint="the table was changed by another program; restore it from a backup",
            )
        return None if row is None else Pointer(bytes(row[0]), str(row[1]))

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        """Set or remove ``name`` if its tag is still ``expect``; durable when it returns.

        Raises:
            TrustError: Somebody else changed the name first; nothing was written.
            UnavailableError: The server cannot be used.
        """
        check_name(name)
        check_value(name, value)
        tag = None if value is None else secrets.token_hex(16)
        with self._opened(write=True) as connection:
            if connection is None:
                raise self._vanished()
            changed = connection.execute(*self._statement(name, value, tag, expect)).rowcount
            if changed == 1:
                return tag
            row = connection.execute(
                _sql(f"select tag from {self._table} where name = %s"),  # noqa: S608
                (name,),
            ).fetchone()
            found = None if row is None else str(row[0])
            if found is None and expect is None and value is None:
                return None
            refuse_stale(name, found if found != expect else "one that changed meanwhile", expect)
        return None

    def _statement(
        self, name: str, value: bytes | None, tag: str | None, expect: str | None
    ) -> tuple[Any, tuple[Any, ...]]:
        """The one statement of a swap; it changes one row or none."""
        if expect is None and value is not None:
            text = "insert into {} values (%s, %s, %s) on conflict do nothing"
            return _sql(text.format(self._table)), (name, value, tag)
        if value is None:
            text = "delete from {} where name = %s and tag = %s"
            return _sql(text.format(self._table)), (name, expect)
        text = "update {} set value = %s, tag = %s where name = %s and tag = %s"
        return _sql(text.format(self._table)), (value, tag, name, expect)

    def _vanished(self) -> UnavailableError:
        return UnavailableError(
            "the table of pointers went away", subject=self._database.label, hint="run again"
        )

    def list(self, prefix: str = "") -> Iterator[str]:
        """All names that begin with ``prefix``, in order."""
        with self._opened() as connection:
            if connection is None:
                return iter(())
            rows = connection.execute(
                _sql(f'select name from {self._table} order by name collate "C"')  # noqa: S608
            ).fetchall()
        return (str(name) for (name,) in rows if str(name).startswith(prefix))
