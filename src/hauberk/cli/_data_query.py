"""Write the answer of a database to one query as a file, with a record of what was asked.

The rows are written as CSV in the order of the query; beside them FILE.query.json says which
query was asked of which state of which database, and the digest of the rows.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

HELP = "land the rows of a query, with query, snapshot and digest on record"
EXAMPLE = (
    "hauberk data query postgresql://ann@localhost/shop --query-file orders.sql "
    "--output data/orders.csv"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "uri",
        metavar="DATABASE",
        help="sqlite:FILE, duckdb:FILE, postgresql://USER@HOST/BASE, sqlalchemy+DIALECT://... or "
        "adbc+DRIVER:ADDRESS",
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--query", metavar="SQL", help="SELECT ... ORDER BY ...")
    asked.add_argument("--query-file", type=Path, metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="rows, as CSV")


def run(args: argparse.Namespace) -> int:
    """Ask, write the rows and the record."""
    import json

    from hauberk.cli._data_quarantine import check_free
    from hauberk.cli.words import clock
    from hauberk.errors import UnavailableError, UsageError
    from hauberk.lifecycle.queries import SCHEMES, asked, is_query_source

    if not is_query_source(args.uri):
        raise UsageError(
            "this is no address of a database",
            subject="DATABASE",
            expected=", ".join(f"{scheme}:" for scheme in SCHEMES),
            found=args.uri.partition(":")[0][:40],
        )
    record = args.output.with_name(f"{args.output.name}.query.json")
    check_free(args.output, record)
    state, n_bytes, n_rows = hashlib.sha256(), 0, 0
    part = args.output.with_name(f".{args.output.name}.part")
    try:
        with asked(args.uri, _query(args), None) as answer, part.open("wb") as file:
            for chunk in answer.chunks:
                state.update(chunk)
                n_bytes += len(chunk)
                file.write(chunk)
            n_rows = answer.n_rows
        document = {
            "schema": 1,
            "database": answer.snapshot.origin,
            "query": answer.snapshot.query,
            "engine": answer.snapshot.engine,
            "snapshot": answer.snapshot.state,
            "columns": list(answer.snapshot.columns),
            "rows": n_rows,
            "bytes": n_bytes,
            "sha256": state.hexdigest(),
            "at": int(clock()),
        }
        part.replace(args.output)
        record.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    except OSError as error:
        if isinstance(error, UnavailableError):
            raise
        reason = error.strerror or str(error)
        raise UnavailableError(
            f"the rows cannot be written: {reason}", subject=str(args.output)
        ) from error
    finally:
        part.unlink(missing_ok=True)
    print(f"{n_rows:,} rows in {args.output}, sha256 {state.hexdigest()}")
    print(f"asked of {answer.snapshot.engine}, {answer.snapshot.state}; recorded in {record}")
    return 0


def _query(args: argparse.Namespace) -> str:
    from hauberk.errors import UnavailableError

    if args.query is not None:
        return str(args.query)
    try:
        return str(args.query_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(
            f"the query cannot be read: {error}", subject=str(args.query_file)
        ) from error
