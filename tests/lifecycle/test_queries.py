"""Databases are read once, in an order, from one state, and nothing else is done to them."""

from __future__ import annotations

import sqlite3

import pytest

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.lifecycle.queries import asked, checked, is_query_source


@pytest.fixture
def shop(tmp_path):
    base = sqlite3.connect(tmp_path / "shop.db")
    base.execute("CREATE TABLE orders (id INTEGER, town TEXT, price REAL, raw BLOB)")
    base.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, x'00')",
        [(i, None if i == 1 else f"t,{i}", i / 4) for i in range(3)],
    )
    base.commit()
    base.close()
    return tmp_path


def rows(folder, query, uri="sqlite:shop.db"):
    with asked(uri, query, folder) as answer:
        return b"".join(answer.chunks).decode(), answer


def test_rows_come_as_csv_with_what_was_asked(shop):
    text, answer = rows(shop, "SELECT id, town, price FROM orders ORDER BY id DESC;")
    assert text == 'id,town,price\n2,"t,2",0.5\n1,,0.25\n0,"t,0",0.0\n'
    assert answer.n_rows == 3
    assert answer.snapshot.query == "SELECT id, town, price FROM orders ORDER BY id DESC"
    assert answer.snapshot.state.startswith("file sha256:")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT id FROM orders", "ORDER BY"),
        ("DELETE FROM orders", "delete"),
        ("SELECT 1 ORDER BY 1; DROP TABLE orders", "several"),
        ("SELECT 'order by' FROM orders", "ORDER BY"),
        ("SELECT 1 -- order by", "ORDER BY"),
        ("", "nothing"),
    ],
)
def test_what_does_not_only_read_in_an_order_is_refused(query, words):
    with pytest.raises(UsageError, match=words):
        checked(query)


def test_a_database_cannot_be_changed_through_a_query(shop):
    with pytest.raises(UnavailableError):
        rows(
            shop, "WITH a AS (SELECT 1 AS b ORDER BY 1) INSERT INTO orders SELECT b, 0, 0, 0 FROM a"
        )
    assert rows(shop, "SELECT count(*) AS n FROM orders ORDER BY 1")[0] == "n\n3\n"


def test_cells_that_csv_cannot_hold_are_refused(shop):
    with pytest.raises(ArtifactError, match="column raw"):
        rows(shop, "SELECT raw FROM orders ORDER BY id")


@pytest.mark.parametrize("query", ["SELECT id, id FROM orders ORDER BY 1"])
def test_columns_need_names_of_their_own(shop, query):
    with pytest.raises(UsageError, match="names of their own"):
        rows(shop, query)


@pytest.mark.parametrize("uri", ["sqlite:none.db", "sqlite:../shop.db", "sqlite:"])
def test_files_lie_in_the_project(shop, uri):
    inner = shop / "inner"
    inner.mkdir()
    with pytest.raises(UsageError, match="not there"):
        rows(inner, "SELECT 1 AS a ORDER BY 1", uri)


def test_what_is_no_database_is_unavailable(shop):
    (shop / "bad.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(UnavailableError):
        rows(shop, "SELECT a FROM b ORDER BY 1", "sqlite:bad.db")


def test_passwords_and_ways_without_tls_are_refused(tmp_path):
    for uri in ("postgresql://a:b@localhost/c", "postgresql://a@far.example/c?sslmode=require"):
        with pytest.raises(TrustError):
            rows(tmp_path, "SELECT 1 AS a ORDER BY 1", uri)


def test_only_databases_are_query_sources():
    assert is_query_source("sqlalchemy+mysql://h/b")
    assert not is_query_source("https://h/b.csv")
    assert not is_query_source("data/a.csv")


def test_postgresql_reads_one_snapshot_and_writes_nothing(postgres, tmp_path):
    psycopg = pytest.importorskip("psycopg")
    name = postgres.schema()
    with psycopg.connect(postgres.address, autocommit=True) as base:
        base.execute(f"CREATE SCHEMA {name}")
        base.execute(
            f"CREATE TABLE {name}.t AS SELECT g AS id, now() > now() AS b FROM generate_series(1, 12000) g"
        )
    text, answer = rows(tmp_path, f"SELECT id, b FROM {name}.t ORDER BY id", postgres.address)
    assert text.startswith("id,b\n1,false\n2,false\n")
    assert answer.n_rows == 12_000
    assert answer.snapshot.state.startswith("snapshot ")
    with pytest.raises(UnavailableError, match="data-modifying"):
        rows(
            tmp_path,
            f"WITH gone AS (DELETE FROM {name}.t RETURNING id) SELECT id FROM gone ORDER BY id",
            postgres.address,
        )
    with psycopg.connect(postgres.address, autocommit=True) as base:
        base.execute(f"CREATE SEQUENCE {name}.s")
    with pytest.raises(UnavailableError, match="read-only"):
        rows(tmp_path, f"SELECT nextval('{name}.s') AS a ORDER BY 1", postgres.address)


def test_duckdb_reads_its_file_and_no_other(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    base = duckdb.connect(str(tmp_path / "a.duckdb"))
    base.execute("CREATE TABLE t AS SELECT range AS id FROM range(3)")
    base.close()
    (tmp_path / "other.csv").write_text("a\n1\n")
    assert rows(tmp_path, "SELECT id FROM t ORDER BY id", "duckdb:a.duckdb")[0] == "id\n0\n1\n2\n"
    with pytest.raises(UnavailableError):
        rows(tmp_path, f"SELECT a FROM '{tmp_path}/other.csv' ORDER BY 1", "duckdb:a.duckdb")


def test_sqlalchemy_reaches_what_it_has_a_driver_for(shop):
    pytest.importorskip("sqlalchemy")
    uri = f"sqlalchemy+sqlite:///{shop / 'shop.db'}"
    assert rows(shop, "SELECT id FROM orders ORDER BY id", uri)[0] == "id\n0\n1\n2\n"


def test_adbc_reads_a_file_and_gives_the_rows_of_every_other_way(shop):
    pytest.importorskip("adbc_driver_sqlite")
    query = "SELECT id, town, price FROM orders ORDER BY id DESC"
    text, answer = rows(shop, query, "adbc+sqlite:shop.db")
    assert text == rows(shop, query)[0]
    assert answer.snapshot.state == rows(shop, query)[1].snapshot.state
    assert "ADBC" in answer.snapshot.engine
    assert answer.snapshot.origin == "adbc+sqlite:shop.db"


def test_adbc_changes_nothing(shop):
    pytest.importorskip("adbc_driver_sqlite")
    query = "WITH a AS (SELECT 1 AS b ORDER BY 1) INSERT INTO orders SELECT b, 0, 0, 0 FROM a"
    with pytest.raises((UnavailableError, UsageError)):
        rows(shop, query, "adbc+sqlite:shop.db")
    assert rows(shop, "SELECT count(*) AS n FROM orders ORDER BY 1")[0] == "n\n3\n"


def test_adbc_reads_one_snapshot_of_postgresql(postgres, tmp_path):
    pytest.importorskip("adbc_driver_postgresql")
    query = "SELECT 1.5::float8 AS a, 'x' AS b, true AS c ORDER BY 1"
    text, answer = rows(tmp_path, query, f"adbc+{postgres.address}")
    assert text == "a,b,c\n1.5,x,true\n"
    assert answer.snapshot.state.startswith("snapshot ")
    psycopg = pytest.importorskip("psycopg")
    name = postgres.schema()
    with psycopg.connect(postgres.address, autocommit=True) as base:
        base.execute(f"CREATE SCHEMA {name}")
        base.execute(f"CREATE SEQUENCE {name}.s")
    with pytest.raises(UnavailableError, match="read-only"):
        rows(tmp_path, f"SELECT nextval('{name}.s') AS a ORDER BY 1", f"adbc+{postgres.address}")


@pytest.mark.parametrize(
    "uri",
    [
        "adbc+postgresql://ann:word@localhost/shop",
        "adbc+snowflake:ann:word@account/base",
        "adbc+flightsql:grpc+tls://ann:word@host:1",
        "postgresql://localhost/shop?password=word",
        "adbc+bigquery:project?auth_token=word",
    ],
)
def test_secrets_in_an_address_are_refused_and_not_repeated(uri, tmp_path):
    with (
        pytest.raises(TrustError, match="password") as caught,
        asked(uri, "SELECT 1 AS a ORDER BY 1", tmp_path),
    ):
        pass
    assert "word" not in caught.value.subject
    assert "ann" not in caught.value.subject


@pytest.mark.parametrize(
    "uri", ["adbc+flightsql:grpc://far:1", "adbc+postgresql://far/b?sslmode=off"]
)
def test_adbc_goes_to_other_machines_over_tls(uri, tmp_path):
    with (
        pytest.raises(TrustError, match="others can change"),
        asked(uri, "SELECT 1 AS a ORDER BY 1", tmp_path),
    ):
        pass


@pytest.mark.parametrize("uri", ["adbc:x", "adbc+../os:x", "adbc+none:x"])
def test_a_driver_that_is_none_is_refused(uri, tmp_path):
    with (
        pytest.raises((UsageError, UnavailableError)),
        asked(uri, "SELECT 1 AS a ORDER BY 1", tmp_path),
    ):
        pass
