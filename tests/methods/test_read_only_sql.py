"""Statements that only read, and what looks like them."""

from __future__ import annotations

from random import Random

import pytest

from hauberk.methods.read_only_sql import MAX_CHARACTERS, writing_in
from hauberk.range.worlds.products import _statement


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "  (SELECT a FROM b) UNION (SELECT c FROM d);",
        "SELECT open, close, comment FROM daily_prices",
        "SELECT 'it''s; DROP TABLE x -- no' FROM t",
        "SELECT a -- why\nFROM t --\n",
        'SELECT "order items".`name`, [unit price] FROM "order items"',
        "WITH a AS (SELECT 1), b(x, y) AS (SELECT 1, 2) SELECT * FROM a, b",
        "SELECT REPLACE(a, 'x', 'y'), IF(a > 1, 2, 3) FROM t",
        "SELECT a FROM t FETCH FIRST 5 ROWS ONLY",
    ],
)
def test_statements_that_read_pass(statement):
    assert writing_in(statement) == ""


@pytest.mark.parametrize("seed", range(40))
def test_honest_statements_pass(seed):
    assert writing_in(_statement(Random(seed))) == ""


@pytest.mark.parametrize(
    "statement",
    [
        "",
        ";",
        "DROP TABLE t",
        "SELECT 1; SELECT 2",
        "SELECT 1 DROP TABLE t",  # Transact-SQL needs no semicolon
        "SELECT 1 EXEC xp_cmdshell 'id'",
        "SELECT 1 WAITFOR DELAY '1:00'",
        "SELECT * INTO copy FROM t",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 /*! INTO OUTFILE '/tmp/x' */",  # a comment to all but MySQL
        "SELECT 1 /* DROP */",
        "SELECT 1 # DROP TABLE t",
        "SELECT 1 --DROP TABLE t",  # no comment in MySQL
        "SELECT 'a\\' ; DROP TABLE t -- '",  # a backslash ends some strings and not others
        "SELECT $$x$$",
        "SELECT @x",
        "EXPLAIN ANALYZE DELETE FROM t",
        "TABLE t",
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "SELECT a FROM t FOR UPDATE",
        "SELECT load_extension('x')",
        'SELECT "pg_sleep"(10)',
        "SELECT pg_catalog.pg_sleep(10)",
        "SELECT evil.count(1)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT query_to_xml('DROP TABLE t', true, true, '')",
        "SELECT dblink('host=x', 'DROP TABLE t')",
        "SELECT setval('s', 1)",
        "SELECT * FROM information_schema.tables",
        'SELECT * FROM "sqlite_master"',
        "SELECT * FROM pg_shadow",
        "SELECT * FROM mysql.user",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        'SELECT * FROM "/etc/passwd"',
        "SELECT\u00a01; DROP TABLE t",
        "\ufeffSELECT 1",
        "SEL\u0415CT 1",
        "COPY t TO PROGRAM 'id'",
        "SELECT 1 UNION SELECT 2; ATTACH 'x' AS y",
    ],
)  # fmt: skip
def test_whatever_does_more_or_cannot_be_told_is_named(statement):
    assert writing_in(statement)


@pytest.mark.parametrize(
    ("statement", "fine"),
    [
        ("SELECT a FROM visits", True),
        ("SELECT a FROM visits v, customers c WHERE v.a = c.a", True),
        ('SELECT a FROM visits JOIN "customers" ON 1 = 1', True),
        ("WITH mine AS (SELECT 1) SELECT * FROM mine, visits", True),
        ("SELECT EXTRACT(YEAR FROM a) FROM visits", True),
        ("SELECT a FROM visits WHERE a IS DISTINCT FROM b", True),
        ("SELECT a FROM salaries", False),
        ("SELECT a FROM visits, salaries", False),
        ("SELECT a FROM visits UNION SELECT b FROM salaries", False),
        ("SELECT (SELECT max(b) FROM salaries) FROM visits", False),
        ("SELECT a FROM visits JOIN hr.salaries ON 1 = 1", False),
        ("SELECT a FROM (SELECT b FROM salaries) x", False),
        ("SELECT a FROM visits CROSS JOIN LATERAL salaries", False),
    ],
)  # fmt: skip
def test_tables_are_held_against_the_list(statement, fine):
    assert (writing_in(statement, frozenset({"visits", "customers"})) == "") is fine


def test_a_huge_statement_is_not_read():
    assert writing_in("SELECT " + "1," * MAX_CHARACTERS) == "a statement of unusual length"


@pytest.mark.parametrize("sign", ["(", "'", '"', "SELECT ", "with a as (", "[a", "--", "1e", "a."])
def test_repeated_signs_take_little_time(sign):
    writing_in("SELECT " + sign * (MAX_CHARACTERS // len(sign) - 8))
