"""Set rows aside as a file of decisions says, and record who decided.

`hauberk scan DATA --quarantine FILE` writes the decisions; change its column `decision` to
`keep` for rows that stay. What is held is written too: nothing is dropped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "set aside the rows that a scan named, with a record"
EXAMPLE = "hauberk data quarantine train.csv --rows decisions.csv --by ann --output clean.csv"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, metavar="DATA")
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="decisions")
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="what stays")
    parser.add_argument("--held", type=Path, metavar="PATH", help="default: OUTPUT with .held")
    parser.add_argument("--by", required=True, metavar="WHO", help="who decided")
    parser.add_argument("--reason", default="", metavar="TEXT")
    parser.add_argument("--arrays", metavar="X=NAME,y=NAME", default="", help="arrays of npz files")


def run(args: argparse.Namespace) -> int:
    """Split the data and write the record."""
    from hauberk.cli.scan import arrays
    from hauberk.cli.words import clock
    from hauberk.scanner.data_sources import open_data
    from hauberk.scanner.options import ScanOptions
    from hauberk.scanner.quarantine import apply, held_rows, read_decisions, record

    held_path = args.held or args.output.with_name(f"{args.output.stem}.held{args.output.suffix}")
    check_free(args.output, held_path)
    found = read_decisions(args.rows)
    dataset = open_data(args.path, ScanOptions(arrays=arrays(args.arrays)))
    own = [line for line in found if _is_same(line.path, args.path)]
    held = held_rows(own, dataset)
    applied = apply(dataset, held, args.output, held_path)
    written = args.output.with_name(f"{args.output.name}.quarantine.json")
    written.write_bytes(record(applied, by=args.by, reason=args.reason, at=clock()))
    print(
        f"{applied.rows_in} rows in = {applied.rows_kept} kept in {args.output} + "
        f"{applied.rows_held} held in {held_path}"
    )
    for control, count in applied.controls.items():
        print(f"  {count} by {control}")
    print(f"recorded in {written}")
    return 0


def _is_same(named: str, path: Path) -> bool:
    return Path(named).resolve() == path.resolve()


def check_free(*paths: Path) -> None:
    """Refuse to write over anything.

    Raises:
        UsageError: There is something at one of ``paths``.
    """
    from hauberk.errors import UsageError

    for path in paths:
        if path.exists():
            raise UsageError(
                "there is something at the output already",
                subject=str(path),
                expected="a new file or folder",
                hint="name another one, so that nothing is written over",
            )
