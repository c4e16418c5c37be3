"""Watch served models: a live page, metrics and alerts; or one check with an exit code.

Without a deed it watches what its file names until it is told to end: logs of guards, tables
dropped into folders, signed batches of replicas. `profile` makes the reference from training
rows: counts and sketches, no rows. `check` holds a table of live rows against it, column by
column, with a test that knows both sample sizes and is corrected for the number of columns.
`once` does one round of watching and ends. `silence` says nothing of a cause for a time, in
somebody's name. `key` makes the key that requests to retrain are signed with. `export` writes the
dashboard and the alert rules for Grafana and Prometheus.

Exit codes of `check`: 0 nothing drifted, 1 something did, 2 usage, 3 too few rows to say; of
`once`: 1 where alerts of level high or worse are shown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli.words import share_of
from hauberk.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.monitor.batch import BatchVerdict
    from hauberk.report import ScanResult
    from hauberk.sketches.profile import Profile

HELP = "watch served models, or hold live rows against what training saw"
EXAMPLE = "hauberk monitor --config monitor.toml --port 9464"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from hauberk.cli._monitor import configure_watching

    deeds = parser.add_subparsers(dest="deed", metavar="DEED")
    configure_watching(parser, deeds)
    profile = deeds.add_parser("profile", help="make a reference from training rows")
    profile.add_argument("data", type=Path, metavar="DATA", help="the rows of training")
    profile.add_argument("--output", type=Path, required=True, metavar="FILE")
    profile.add_argument(
        "--time", metavar="COL", default="", help="column of times: keeps what days look like"
    )
    check = deeds.add_parser("check", help="hold live rows against a reference")
    check.add_argument("data", type=Path, metavar="DATA", help="live rows, in any table format")
    check.add_argument(
        "--reference", type=Path, required=True, metavar="PROFILE|DATA", help="what training saw"
    )
    check.add_argument(
        "--reference-key", type=Path, metavar="FILE", help="public key that has signed the profile"
    )
    check.add_argument(
        "--alpha", type=share_of, default=0.01, help="chance of any false alarm (default 0.01)"
    )
    check.add_argument(
        "--min-effect",
        type=share_of,
        default=0.05,
        help="smallest difference that matters, as a share of the rows (default 0.05)",
    )
    check.add_argument("--format", choices=("text", "json", "html"), default="text")
    check.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    for deed in (profile, check):
        deed.add_argument("--label", metavar="COL", help="column to predict")
        deed.add_argument("--sensitive", metavar="COLS", default="", help="protected: a,b,c")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; see the exit codes of the module."""
    from hauberk.cli import _monitor

    deeds = {
        None: _monitor.watch,
        "once": _monitor.once,
        "silence": _monitor.silence,
        "silences": _monitor.silences,
        "export": _monitor.export,
        "key": _monitor.key,
        "profile": _profile,
        "check": _check,
    }
    return deeds[args.deed](args)


def _profile(args: argparse.Namespace) -> int:
    from hauberk.sketches.profile import profile_of

    table = _table(args.data, args, needs_label=True)
    profile = profile_of(table)
    _write(args.output, profile.to_bytes())
    print(f"{args.output}: {profile.rows} rows, {len(profile.columns)} columns")
    if args.time:
        _write_days(args, table, profile)
    return 0


def _write_days(args: argparse.Namespace, table: Dataset, profile: Profile) -> None:
    from hauberk.methods.days import time_column
    from hauberk.monitor.references import days_path, training_days

    if time_column(table, args.time) is None:
        raise UsageError(
            "the column of times does not exist",
            subject=str(args.data),
            expected=", ".join(column.name for column in table.columns)[:200],
            found=args.time,
        )
    days = training_days(table, profile, args.time)
    path = days_path(args.output)
    _write(path, days.to_bytes())
    print(f"{path}: {len(days.days)} days")


def _check(args: argparse.Namespace) -> int:
    from hauberk import report
    from hauberk.controls.dataset.input_drift import InputDrift
    from hauberk.monitor.batch import check_batch

    reference = _reference(args.reference, args)
    live = _table(args.data, args, needs_label=False)
    drift = InputDrift(alpha=args.alpha, min_effect=args.min_effect)
    verdict = check_batch(reference, live, drift)
    result = _result(args.data, verdict)
    if args.format == "text":
        text = report.scan_text(result, colour=args.output is None and _colours())
    else:
        text = (report.scan_json if args.format == "json" else report.scan_html)(result)
    if args.output is None:
        sys.stdout.write(text)
    else:
        _write(args.output, text.encode("utf-8", "backslashreplace"))
    return verdict.exit_code


def _colours() -> bool:
    from hauberk.cli.words import colour

    return colour()


def _reference(path: Path, args: argparse.Namespace) -> Profile:
    """A profile as it was written, or the one of a table."""
    from hauberk.monitor.references import read_reference
    from hauberk.sketches.profile import profile_of

    try:
        with path.open("rb") as file:
            is_profile = file.read(1) == b"{" and path.suffix == ".json"
    except OSError as error:
        raise UsageError(
            "the reference cannot be read",
            subject=str(path),
            expected="a profile that `hauberk monitor profile` wrote, or a table",
            found=error.strerror or str(error),
        ) from error
    if is_profile:
        return read_reference(path, key=args.reference_key).profile
    if args.reference_key is not None:
        raise UsageError(
            "only a profile is signed",
            subject=str(path),
            expected="what `hauberk monitor profile` wrote",
            found="a table",
        )
    return profile_of(_table(path, args, needs_label=True))


def _table(path: Path, args: argparse.Namespace, *, needs_label: bool) -> Dataset:
    from hauberk.formats.tables import open_table

    table = open_table(path)
    present = {column.name for column in table.columns}
    label = args.label if needs_label or args.label in present else None
    sensitive = tuple(name for name in args.sensitive.split(",") if name)
    return open_table(path, label=label, sensitive=sensitive if needs_label else ())


def _result(path: Path, verdict: BatchVerdict) -> ScanResult:
    from hauberk.report import ScanResult

    summary = {
        "paths": [str(path)],
        "exit_code": verdict.exit_code,
        "decision": {0: "allow", 1: "deny"}.get(verdict.exit_code, "undecided"),
        "unjudged": [],
        "n_unjudged": 0,
    }
    findings = tuple(item for part in verdict.assessments for item in part.findings)
    return ScanResult(findings=findings, assessments=verdict.assessments, summary=summary)


def _write(path: Path, data: bytes) -> None:
    if not path.parent.is_dir():
        raise UsageError(
            "the result cannot be written there",
            subject=str(path),
            expected="a folder that exists",
            found=f"no folder {path.parent}",
        )
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UnavailableError(
            "the result cannot be written",
            subject=str(path),
            found=error.strerror or str(error),
            hint="name a file in a folder that exists and may be written",
        ) from error
