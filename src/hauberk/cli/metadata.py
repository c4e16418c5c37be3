"""Runs, their metrics, lineage, notes and traces, as the project's signed log tells them.

The log is the truth; what is shown comes from an index that `rebuild-index` makes again. Where
grants exist (`grant`), reading needs a token, traces need one always, and every call is noted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.errors import TrustError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hauberk.trust.store import Store

HELP = "show runs, metrics and lineage; compare runs; grant reading"
EXAMPLE = "hauberk metadata runs"

_FORMATS = ("text", "json", "csv", "html")
_SHOWN_READS = 50
_FIELDS = ("metrics", "steps", "notes", "traces")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    runs = deeds.add_parser("runs", help="list the runs of the project")
    show = deeds.add_parser("show", help="show one run: metrics, steps, notes or traces")
    show.add_argument("run", metavar="RUN", help="id of the run, or `last`")
    show.add_argument("--field", choices=_FIELDS, default="metrics")
    compare = deeds.add_parser("compare", help="metrics of two runs side by side")
    compare.add_argument("old", metavar="RUN")
    compare.add_argument("new", metavar="RUN")
    rebuild = deeds.add_parser("rebuild-index", help="make the index again from the log")
    grant = deeds.add_parser("grant", help="let somebody read, until a day; prints a token once")
    grant.add_argument("reader", metavar="READER")
    grant.add_argument(
        "--field", action="append", metavar="FIELD", help="runs, metrics, steps, notes, traces"
    )
    grant.add_argument("--days", type=float, default=7.0, metavar="N", help="at most 90")
    reads = deeds.add_parser("reads", help="who read what, and whether anybody reads in bulk")
    reads.add_argument("--job", action="append", default=[], metavar="READER", help="may read all")
    reads.add_argument("--format", choices=_FORMATS, default="text")
    for deed in (runs, show, compare):
        deed.add_argument("--format", choices=_FORMATS, default="text")
        deed.add_argument("--token-file", type=Path, metavar="FILE", help="token of a grant")
    for deed in (runs, show, compare, rebuild, grant, reads):
        deed.add_argument("--project", default=".", metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 1 where it is refused."""
    deeds = {
        "runs": _runs,
        "show": _show,
        "compare": _compare,
        "rebuild-index": _rebuild,
        "grant": _grant,
        "reads": _reads,
    }
    return deeds[args.deed](args)


def _store(args: argparse.Namespace, *, read_only: bool = True) -> Store:
    from hauberk.cli.words import project_folder
    from hauberk.trust.store import Store

    return Store.open(project_folder(args.project), create=False, read_only=read_only)


def _name(store: Store) -> str:
    from hauberk.lifecycle.settings import load

    return load(store.root.parent).project.name


def _runs(args: argparse.Namespace) -> int:
    store = _store(args)
    rows = _ask(args, store, "runs")
    return _print(args, rows, "runs")


def _show(args: argparse.Namespace) -> int:
    store = _store(args)
    wanted = _run_id(args, store, args.run)
    rows = _ask(args, store, f"runs/{wanted}/{args.field}")
    return _print(args, rows, args.field, whole=args.field in {"notes", "traces"})


def _compare(args: argparse.Namespace) -> int:
    store = _store(args)
    sides = [
        {str(row["name"]): row["value"] for row in _ask(args, store, f"runs/{name}/metrics")}
        for name in (_run_id(args, store, args.old), _run_id(args, store, args.new))
    ]
    rows = [
        {
            "metric": name,
            "old": sides[0].get(name),
            "new": sides[1].get(name),
            "change": _change(sides[0].get(name), sides[1].get(name)),
        }
        for name in sorted({*sides[0], *sides[1]})
    ]
    return _print(args, rows, "comparison")


def _change(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None else new - old


def _run_id(args: argparse.Namespace, store: Store, name: str) -> str:
    if name != "last":
        return name
    rows = _ask(args, store, "runs")
    if not rows:
        raise UsageError("there is no run yet", subject=str(store.root), hint="hauberk run")
    return str(rows[-1]["run"])


def _ask(args: argparse.Namespace, store: Store, path: str) -> Sequence[Any]:
    from hauberk.cli.words import configuration
    from hauberk.lifecycle.production import metadata_door

    token = None if args.token_file is None else _token(args.token_file)
    entries = metadata_door.ask(store, _name(store), configuration(), token=token, path=path)
    if entries is None:
        raise TrustError(
            "there is nothing of that name for you",
            subject=path,
            rule="whoever may not read a thing gets the same answer as for one that is not there",
            expected="an id that `hauberk metadata runs` lists, and a grant for the field",
            found="neither or one of the two",
            hint="name the token of your grant with --token-file, or ask the owner of the "
            "project for one: hauberk metadata grant",
        )
    return entries


def _token(path: Path) -> str:
    from hauberk.trust.durable import explained, read_small

    with explained(path):
        return read_small(path, max_bytes=1024).decode("ascii", "replace").strip()


def _print(
    args: argparse.Namespace, rows: Sequence[Any], title: str, *, whole: bool = False
) -> int:
    from hauberk.report.listing import listing

    print(listing(rows, args.format, title=title, whole=whole), end="")
    return 0


def _rebuild(args: argparse.Namespace) -> int:
    from hauberk.lifecycle.production import metadata_index

    store = _store(args, read_only=False)
    with store.lock(timeout_s=10):
        index = metadata_index.rebuild(store)
    print(f"{index.n_runs} runs from {index.n_records} records of the log")
    return 0


def _grant(args: argparse.Namespace) -> int:
    from hauberk.cli.words import clock, configuration
    from hauberk.trust import grants

    store = _store(args)
    fields = tuple(dict.fromkeys(args.field or ("runs", "metrics")))
    held = grants.load(configuration()) or grants.Grants()
    more, token = held.with_new(
        args.reader, objects=(_name(store),), fields=fields, days=args.days, at=clock()
    )
    path = grants.save(configuration(), more)
    print(token)
    print(f"{args.reader} may read {', '.join(fields)} for {args.days:g} days; kept in {path}")
    return 0


def _reads(args: argparse.Namespace) -> int:
    """The newest reads; 1 where somebody copies or probes."""
    import sys
    from collections import deque

    from hauberk.cli.words import configuration
    from hauberk.controls.log.bulk_reads import BulkReads
    from hauberk.core.artifact import LogSegment
    from hauberk.engine import assess
    from hauberk.lifecycle.production.metadata_door import OWNER, reads_log
    from hauberk.report.listing import listing
    from hauberk.trust.reading import reads

    log = reads_log(configuration())
    newest = deque(reads(log.records()), maxlen=_SHOWN_READS)
    rows = [
        {
            "at": _moment(read.at),
            "reader": read.reader,
            "object": read.name,
            "part": read.part,
            "n": read.n,
            "allowed": "yes" if read.allowed else "no",
        }
        for read in newest
    ]
    print(listing(rows, args.format, title="reads"), end="")
    segment = LogSegment(name="reads", records=log.records, heads=())
    result = assess(BulkReads(jobs=(OWNER, *args.job)), segment)
    for finding in result.findings:
        print(f"ALARM {finding.message}", file=sys.stderr)
    return 1 if result.findings else 0


def _moment(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="seconds")
