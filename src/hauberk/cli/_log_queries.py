"""What an investigator asks a guard's log: decisions that fit, and records that leak.

Decisions are shown by their fields alone; what was asked and answered is not in the log, and the
digests of it are not shown. A sender of a log that `--erasable` wrote is found by name only with
the keys; without them, by the pseudonym that the log shows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hauberk.cli._log_erasure import readable, vault_of
from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.monitor.store import Decided
    from hauberk.trust.erasure import Vault
    from hauberk.trust.log import Log

MOST: Final = 1_000_000


def configure_queries(deeds: Any) -> None:
    """Declare the arguments."""
    asked = deeds.add_parser("decisions", help="decisions by principal, model, time and action")
    asked.add_argument("--principal", default="", metavar="NAME", help="who asked")
    asked.add_argument("--model", default="", metavar="DIGEST", help="its digest's beginning")
    asked.add_argument("--action", default="", help="what was decided: allow, deny, ...")
    asked.add_argument("--rule", default="", help="the rule that a refusal names")
    asked.add_argument("--since", default="", metavar="TIME", help="2024-05-01T12:00, UTC")
    asked.add_argument("--until", default="", metavar="TIME")
    asked.add_argument("--count", type=int, default=200, metavar="N", help="the newest N that fit")
    asked.add_argument("--format", choices=("text", "csv", "json"), default="text")
    leaks = deeds.add_parser("leaks", help="look for credentials and personal data in records")
    leaks.add_argument("--format", choices=("text", "json"), default="text")
    for deed in (asked, leaks):
        deed.add_argument("--log", type=Path, required=True, metavar="FOLDER", help="a guard's log")
        deed.add_argument("--erasable", type=Path, metavar="FOLDER", help="keys of senders")


def decisions(args: argparse.Namespace) -> int:
    """Print the decisions that fit, newest first."""
    from hauberk.monitor.viewers import csv_of, terminal_line

    if not 0 < args.count <= MOST:
        raise UsageError(
            "not a number of decisions", found=str(args.count), expected=f"1 to {MOST}"
        )
    found = list(_fitting(args))[-args.count :][::-1]
    if args.format == "csv":
        sys.stdout.write(csv_of(found))
    elif args.format == "json":
        print(json.dumps({"schema": 1, "decisions": [asdict(item) for item in found]}, indent=1))
    else:
        for item in found:
            print(terminal_line(_line(item)))
        print(f"{len(found)} decisions")
    return 0


def leaks(args: argparse.Namespace) -> int:
    """Say which records hold what they must not; 1 where one does."""
    from hauberk import report
    from hauberk.controls.log.leaked_records import LeakedRecords
    from hauberk.core.artifact import LogSegment
    from hauberk.core.finding import Outcome
    from hauberk.engine import assess
    from hauberk.report import ScanResult

    log, vault = _log(args.log), _vault(args)
    segment = LogSegment(
        name=args.log.name,
        records=lambda: (readable(record, vault) for record in log.records()),
        heads=(),
    )
    found = assess(LeakedRecords(), segment, path=args.log.name)
    code = {Outcome.FLAGGED: 1, Outcome.CLEAN: 0}.get(found.outcome, 3)
    summary = {
        "paths": [str(args.log)],
        "exit_code": code,
        "decision": {0: "allow", 1: "deny"}.get(code, "undecided"),
        "unjudged": [],
        "n_unjudged": 0,
    }
    result = ScanResult(findings=found.findings, assessments=(found,), summary=summary)
    made = report.scan_json if args.format == "json" else report.scan_text
    sys.stdout.write(made(result))
    return code


def _fitting(args: argparse.Namespace) -> Iterator[Decided]:
    from hauberk.methods.decisions import decision_of
    from hauberk.monitor.intake import decided

    since, until = _moment(args.since, 0.0), _moment(args.until, float("inf"))
    log, vault = _log(args.log), _vault(args)
    for number, record in enumerate(log.records()):
        value = decision_of(readable(record, vault))
        if value is None or not since <= float(value["at"]) <= until:
            continue
        item = decided(number, args.log.name, str(value.get("model", "")), value)
        fits = (
            (not args.principal or item.principal == args.principal)
            and item.model.removeprefix("sha256:").startswith(args.model.removeprefix("sha256:"))
            and args.action in ("", item.action)
            and args.rule in ("", item.rule)
        )
        if fits:
            yield item


def _line(item: Decided) -> str:
    moment = datetime.fromtimestamp(item.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [moment, item.principal, item.model[:19], item.action, str(item.status)]
    noted = f"noted: {item.shadow}" if item.shadow else ""
    rest = [f"{item.rows} rows", item.rule, noted, f"record {item.number}"]
    return "  ".join([*parts, *(part for part in rest if part)])


def _moment(text: str, without: float) -> float:
    if not text:
        return without
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            "a time cannot be read",
            subject=text[:60],
            expected="2024-05-01T12:00",
            found=str(error),
        ) from error


def _log(folder: Path) -> Log:
    from hauberk.trust.log import Log

    return Log.open(folder, read_only=True)


def _vault(args: argparse.Namespace) -> Vault | None:
    return None if args.erasable is None else vault_of(args.erasable)
