"""Say what a table looks like, column by column, from one read of it.

The profile is the same bytes whoever works it out: threads (the default), isolated processes,
or Ray, on this machine or at an address. What processes and clusters answer is checked before
any of it is used.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hauberk.sketches.profile import ColumnProfile, Profile

HELP = "profile a table in one read, by threads, processes or Ray"
EXAMPLE = "hauberk data profile data/loans.parquet --label approve --engine ray"

_SHOWN = 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a table")
    parser.add_argument("--label", metavar="COL", help="column to predict")
    parser.add_argument("--sensitive", metavar="COLS", default="", help="protected groups: a,b,c")
    parser.add_argument(
        "--engine",
        metavar="ENGINE",
        default="threads",
        help="threads, processes, ray or ray://HOST:PORT (default: threads)",
    )
    parser.add_argument(
        "--engine-token", metavar="FILE", type=Path, help="token of the cluster at an address"
    )
    parser.add_argument("--workers", metavar="N", type=int, default=2)
    parser.add_argument("--parts", metavar="N", type=int, help="default: two for each worker")
    parser.add_argument(
        "--time-limit", metavar="S", type=float, default=3_600.0, help="for all workers together"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the profile, as JSON")


def run(args: argparse.Namespace) -> int:
    """Profile and show."""
    from hauberk.cli.words import working
    from hauberk.engine.executors import Engine, profiled
    from hauberk.errors import UnavailableError
    from hauberk.formats.tables import open_table

    sensitive = tuple(name for name in args.sensitive.split(",") if name)
    table = open_table(args.path, label=args.label, sensitive=sensitive)
    engine = Engine(
        name=args.engine,
        n_workers=args.workers,
        wall_s=args.time_limit,
        token=args.engine_token,
    )
    with working("profiling"):
        profile = profiled(table, engine, n_parts=args.parts)
    data = profile.to_bytes()
    if args.output is not None:
        try:
            args.output.write_bytes(data)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnavailableError(
                f"the profile cannot be written: {reason}", subject=str(args.output)
            ) from error
    print("\n".join(_lines(profile, data)))
    return 0


def _lines(profile: Profile, data: bytes) -> list[str]:
    import hashlib

    shown = profile.columns[:_SHOWN]
    width = max((len(column.name) for column in shown), default=0)
    lines = [f"{profile.rows:,} rows, {len(profile.columns)} columns"]
    lines += [f"  {column.name:<{width}}  {_told(column)}" for column in shown]
    if len(profile.columns) > _SHOWN:
        lines.append(f"  and {len(profile.columns) - _SHOWN} columns more")
    balance = profile.balance()
    if balance:
        shares = ", ".join(f"{name} {count:,}" for name, count in list(balance.items())[:12])
        lines.append(f"labels: {shares}")
    lines.append(f"profile sha256 {hashlib.sha256(data).hexdigest()}")
    return lines


def _told(column: ColumnProfile) -> str:
    words = [f"{column.kind.value:<8}", f"{column.distinct:,} values"]
    if column.low is not None and column.high is not None:
        words.append(f"{column.low:g} to {column.high:g}")
    if column.missing:
        words.append(f"{column.missing:,} missing")
    return "  ".join(words)
