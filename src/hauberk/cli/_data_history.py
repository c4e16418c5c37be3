"""``hauberk data history``: what has changed little by little over all versions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.lifecycle.datasets import Place

HELP = "judge all versions together: poison that trickles in, budgets, drift"


def configure(deed: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deed.add_argument("name", metavar="NAME[@VERSION]")
    deed.add_argument("--label", metavar="COL", help="default: the one that was recorded")
    deed.add_argument("--file", metavar="PATH", help="the table, where a version has several")


def run(args: argparse.Namespace, place: Place) -> int:
    """Judge and print; the exit code is that of a scan."""
    import sys
    from datetime import UTC, datetime

    from hauberk import report
    from hauberk.core.policy import Policy
    from hauberk.lifecycle.histories import opened_history
    from hauberk.scanner.locating import Located
    from hauberk.scanner.scanning import judge

    with opened_history(place, args.name, label=args.label, file=args.file) as history:
        located = Located(path=args.name, kind="versions of a table", open=lambda: history)
        today = datetime.fromtimestamp(place.clock(), UTC).date()
        result = judge([located], [args.name], policy=Policy(), today=today)
    writers: dict[str, Any] = {"json": report.scan_json, "text": report.scan_text}
    sys.stdout.write(writers[args.format](result))
    return int(result.summary["exit_code"])
