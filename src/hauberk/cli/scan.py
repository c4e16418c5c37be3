"""Check data, models, code and repositories that you already have.

What lies at a path is found out by its content. Model files are taken apart and read, never
loaded; folders are read as code and every file in them as what it is. Findings of level
review are shown and do not fail the scan by themselves.

Exit codes: 0 nothing at or above --fail-on, 1 a finding, 2 usage, 3 nothing was found but
something could not be judged.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.core.finding import Severity

if TYPE_CHECKING:
    from hauberk.report import ScanResult
    from hauberk.scanner import ScanOptions
    from hauberk.scanner.narrowing import Narrowing

HELP = "check data, models, code and repositories that you already have"
EXAMPLE = "hauberk scan models/ data/train.csv --label approve --format sarif --output scan.sarif"

_MAX_JOBS = 256


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH|URL",
        help="a file or a folder, or an https address; '#sha256=...' behind it pins its digest",
    )
    parser.add_argument("--format", choices=("text", "json", "sarif", "html"), default="text")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there, not to stdout")
    parser.add_argument(
        "--fail-on",
        choices=[severity.value for severity in reversed(Severity)],
        default=Severity.HIGH.value,
        help="mildest severity that makes exit code 1 (default: high)",
    )
    parser.add_argument(
        "--no-history", action="store_true", help="leave out the history of repositories"
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        default=None,
        help="worker processes that read model files (default: one for each core)",
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="read all code anew: keep nothing in the cache folder, and believe nothing there",
    )
    parser.add_argument(
        "--digest", action="store_true", help="tell the SHA-256 of each model file as well"
    )
    code = parser.add_argument_group("repositories")
    code.add_argument(
        "--diff", metavar="BASE", default="", help="only what changed since this commit"
    )
    code.add_argument(
        "--import-sarif",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="merge what another scanner found; may be given again",
    )
    code.add_argument(
        "--engine",
        metavar="NAME",
        action="append",
        default=[],
        help="also ask ruff, zizmor or betterleaks; auto for those installed; may be given again",
    )
    code.add_argument("--allow", metavar="FILE", type=Path, help="leave out what it allows")
    code.add_argument("--baseline", metavar="FILE", type=Path, help="leave out what it knows")
    code.add_argument("--write-baseline", metavar="FILE", type=Path, help="know all that is found")
    data = parser.add_argument_group("tables")
    data.add_argument("--label", metavar="COL", help="column to predict")
    data.add_argument(
        "--train",
        metavar="FILE",
        type=Path,
        help="training rows: a table PATH is tested against them, a text PATH must not show them",
    )
    data.add_argument(
        "--against", metavar="FILE", type=Path, help="an older version of PATH, a table or a model"
    )
    data.add_argument(
        "--changes",
        metavar="FILE",
        type=Path,
        help="write each row that changed since --against, as JSON lines",
    )
    data.add_argument(
        "--reference", metavar="FILE", type=Path, help="rows that somebody vouches for"
    )
    data.add_argument(
        "--control", metavar="FILE", type=Path, help="real rows that a generator never saw"
    )
    data.add_argument(
        "--transforms",
        metavar="FILE",
        type=Path,
        help="what a step says it made of --against, as JSON; done again and compared",
    )
    data.add_argument("--group", metavar="COL", help="may stand on one side of a split only")
    data.add_argument("--time", metavar="COL", help="training rows come before the others")
    data.add_argument(
        "--min-group",
        metavar="N",
        type=int,
        default=0,
        help="rows that each combination of --sensitive must have",
    )
    data.add_argument(
        "--outputs",
        metavar="LOG",
        type=Path,
        help="log of a guard: find rows that its models have said",
    )
    data.add_argument("--annotator", metavar="COL", help="column that names who labelled a row")
    data.add_argument("--source", metavar="COL", help="column that names who gave a row")
    data.add_argument("--sensitive", metavar="COLS", default="", help="protected groups: a,b,c")
    data.add_argument("--rows", metavar="FILE", type=Path, help="score every row: .csv, .parquet")
    data.add_argument(
        "--quarantine", metavar="FILE", type=Path, help="write the rows to set aside, as CSV"
    )
    data.add_argument(
        "--arrays", metavar="X=NAME,y=NAME", default="", help="arrays of npz files to use"
    )


def run(args: argparse.Namespace) -> int:
    """Scan and write the result; the exit code is that of the verdict."""
    from hauberk.cli._fetch import landed

    # Threads of linear algebra that wait for each other cost more than they save on small
    # matrices: decision 0360.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _check_rows(args.rows)
    for name in ("output", "rows", "write_baseline", "quarantine", "changes"):
        _check_folder(f"--{name.replace('_', '-')}", getattr(args, name))
    with landed(args.paths) as places:
        return _scan(args, places)


def _scan(args: argparse.Namespace, places: Mapping[Path, str]) -> int:
    from datetime import UTC, datetime

    from hauberk.core.policy import Policy
    from hauberk.scanner import ScanOptions, scan

    options = ScanOptions(
        label=args.label,
        annotator=args.annotator,
        source=args.source,
        sensitive=tuple(name for name in args.sensitive.split(",") if name),
        train=args.train,
        against=args.against,
        reference=args.reference,
        control=args.control,
        outputs=args.outputs,
        transforms=args.transforms,
        group=args.group,
        time=args.time,
        min_group=args.min_group,
        arrays=arrays(args.arrays),
        history=not args.no_history,
        narrowing=_narrowing(args),
        jobs=_jobs(args.jobs),
        digest=args.digest,
        cache=not args.no_cache,
        changes=_changes(args),
    )
    policy = Policy(fail_on=Severity(args.fail_on))
    result = scan(list(places), options=options, policy=policy, today=datetime.now(UTC).date())
    if args.quarantine is not None:
        _set_aside(args.quarantine, result, options, places)
    result = _named_as_asked(result, places)
    if args.rows is not None:
        from hauberk.scanner.rows import row_scores, write_rows

        write_rows(row_scores(result.assessments), args.rows)
    if args.write_baseline is not None:
        from hauberk.scanner.narrowing import baseline_text

        _keep(args.write_baseline, [baseline_text(result.findings)])
    _write(result, args)
    return int(result.summary["exit_code"])


def _changes(args: argparse.Namespace) -> Path | None:
    """Where the changes go; there are none without a version before."""
    if args.changes is not None and args.against is None:
        from hauberk.errors import UsageError

        raise UsageError(
            "--changes tells rows that changed since another version",
            subject="--changes",
            expected="--against OLD beside it",
            found="none",
        )
    path: Path | None = args.changes
    return path


def _set_aside(
    path: Path, result: ScanResult, options: ScanOptions, places: Mapping[Path, str]
) -> None:
    """Write the rows that the controls would set aside, under the names that were asked for."""
    from hauberk.scanner.data_sources import open_data
    from hauberk.scanner.quarantine import decisions, write_decisions

    lines = decisions(result.assessments, lambda name: open_data(Path(name), options))
    asked = {str(place): text for place, text in places.items()}
    write_decisions((replace(line, path=asked.get(line.path, line.path)) for line in lines), path)


def _named_as_asked(result: ScanResult, places: Mapping[Path, str]) -> ScanResult:
    """The result with addresses in place of the private files that were judged."""
    fetched = {str(path): text for path, text in places.items() if "://" in text}
    if not fetched:
        return result

    def named(text: str) -> str:
        for path, address in fetched.items():
            text = text.replace(path, address)
        return text

    findings = tuple(
        replace(item, path=named(item.path), message=named(item.message))
        for item in result.findings
    )
    assessments = tuple(
        replace(item, path=named(item.path), reason=named(item.reason))
        for item in result.assessments
    )
    paths = [named(path) for path in result.summary["paths"]]
    summary = {**result.summary, "paths": paths}
    return replace(result, findings=findings, assessments=assessments, summary=summary)


def _jobs(asked: int | None) -> int:
    """How many workers read files; at least one, so that none is read in this process."""
    import os

    if asked is None:
        is_told = hasattr(os, "sched_getaffinity")
        return len(os.sched_getaffinity(0)) if is_told else os.cpu_count() or 1
    if 1 <= asked <= _MAX_JOBS:
        return asked
    from hauberk.errors import UsageError

    raise UsageError(
        "--jobs is a number of processes",
        subject="--jobs",
        expected=f"1 to {_MAX_JOBS}",
        found=str(asked),
    )


def _narrowing(args: argparse.Namespace) -> Narrowing | None:
    """What refines the findings; ``None`` where nothing is asked for."""
    if not (args.import_sarif or args.engine or args.diff or args.baseline or args.allow):
        return None
    from hauberk.scanner.engines import chosen
    from hauberk.scanner.narrowing import Narrowing

    return Narrowing(
        imports=tuple(args.import_sarif),
        engines=chosen(args.engine),
        diff=args.diff,
        baseline=args.baseline,
        allow=args.allow,
    )


def _check_rows(path: Path | None) -> None:
    """Refuse an impossible ``--rows`` before the work and not after it."""
    if path is not None and path.suffix not in {".csv", ".parquet"}:
        from hauberk.errors import UsageError

        raise UsageError(
            "row scores are written as CSV or Parquet",
            subject="--rows",
            expected="a name ending in .csv or .parquet",
            found=str(path),
        )


def _check_folder(option: str, path: Path | None) -> None:
    """Refuse a result in a folder that is not there before the work and not after it."""
    if path is not None and not path.absolute().parent.is_dir():
        from hauberk.errors import UsageError

        raise UsageError(
            "there is no folder to write the result to",
            subject=option,
            expected="a file in a folder that exists",
            found=str(path),
            hint=f"make the folder first: mkdir -p {path.parent}",
        )


def arrays(text: str) -> tuple[str, str]:
    """``X=a,y=b`` as the two names."""
    from hauberk.errors import UsageError

    named = {"X": "X", "y": "y"}
    for part in filter(None, text.split(",")):
        role, mark, name = part.partition("=")
        if role not in named or not mark or not name:
            raise UsageError(
                "--arrays names the arrays of features and of labels",
                subject="--arrays",
                expected="X=NAME,y=NAME",
                found=text,
            )
        named[role] = name
    return named["X"], named["y"]


def _write(result: ScanResult, args: argparse.Namespace) -> None:
    pieces = _rendered(result, args)
    if args.output is None:
        sys.stdout.writelines(pieces)
        return
    _keep(args.output, pieces)


def _keep(path: Path, pieces: Iterable[str]) -> None:
    is_device = path.exists() and not path.is_file()
    partial = path if is_device else path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        if partial != path:
            partial.replace(path)
    except OSError as error:
        if partial != path:
            partial.unlink(missing_ok=True)
        from hauberk.errors import UnavailableError

        reason = error.strerror or str(error)
        raise UnavailableError(
            f"the result cannot be written: {reason}", subject=str(path)
        ) from error


def _rendered(result: ScanResult, args: argparse.Namespace) -> Iterable[str]:
    from hauberk import report

    if args.format == "text":
        from hauberk.cli.words import colour

        return report.scan_text_pieces(result, colour=args.output is None and colour())
    if args.format == "html":
        return [report.scan_html(result)]
    is_sarif = args.format == "sarif"
    return report.scan_sarif_pieces(result) if is_sarif else report.scan_json_pieces(result)
