"""Attack the controls and measure how they hold.

Each threat is attacked over independent trials with seeds that nothing was tuned on. A
value is shown with its exact one-sided 95 % bounds, the false alarms on clean twins, and
the share of trials in which the attack works with the control off. Exit code 3 where
nothing that was asked for can be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hauberk import __version__
from hauberk.catalogue.load import threats
from hauberk.catalogue.measured import FOLDER, write_figures
from hauberk.cli._range import Bar, result, table
from hauberk.core.attack import Score
from hauberk.core.lifecycle import Component
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.range.measure import CANNOT_RUN, REPORTING_SEED
from hauberk.range.measure import run as run_scenarios
from hauberk.range.scenario import has_scenario

HELP = "attack the controls and measure how they hold"
EXAMPLE = "hauberk range --threat EX-1 --format json"

EXIT_NOT_ASSESSED = 3
EXIT_INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--threat", metavar="ID", action="append", default=[], help="only this threat; repeatable"
    )
    parser.add_argument("--component", metavar="C,..", help="only the threats of these components")
    parser.add_argument("--trials", metavar="N", type=int, help="trials of every scenario")
    parser.add_argument(
        "--seed",
        metavar="S",
        type=int,
        default=REPORTING_SEED,
        help=f"first seed; below {REPORTING_SEED} are the tuning seeds",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there instead")
    parser.add_argument(
        "--write", action="store_true", help="keep the result as the project's figures"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print, and give the exit code; finished rows survive an interruption."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see decision 0360
    asked = _asked(args)
    _refuse_partial_figures(args)
    measurable = [threat_id for threat_id in asked if has_scenario(threat_id)]
    _say_what_is_missing(asked, measurable)
    scores: list[Score] = []
    code = 0 if measurable else EXIT_NOT_ASSESSED
    try:
        _measure(measurable, args, scores)
    except KeyboardInterrupt:
        print("hauberk: interrupted; the finished rows follow", file=sys.stderr)
        code = EXIT_INTERRUPTED
    _show(scores, args)
    return code


def _asked(args: argparse.Namespace) -> tuple[ThreatId, ...]:
    """Ids of the threats that the arguments name, in lifecycle order.

    Raises:
        UsageError: An id or a component does not exist, or a number is not positive.
    """
    if (args.trials is not None and args.trials < 1) or args.seed < 0:
        raise UsageError(
            "trials and seeds are counts", expected="--trials 1 or more, --seed 0 or more"
        )
    ids = {_known(word.upper(), tuple(threats())) for word in args.threat}
    names = [word.strip() for word in (args.component or "").split(",") if word.strip()]
    components = {_known(word.lower().replace("_", "-"), tuple(Component)) for word in names}
    if not ids and not components:
        return tuple(threats())
    return tuple(
        threat_id
        for threat_id, threat in threats().items()
        if threat_id in ids or threat.component in components
    )


def _known(word: str, allowed: Sequence[str]) -> str:
    if word in allowed:
        return word
    raise UsageError(
        "there is no such threat or component",
        subject=word,
        expected=", ".join(allowed),
        found=word,
        hint="hauberk threats lists all of them",
    )


def _refuse_partial_figures(args: argparse.Namespace) -> None:
    if args.write and (args.trials is not None or args.seed != REPORTING_SEED):
        raise UsageError(
            "figures are kept from full runs on reporting seeds only",
            rule="--write goes with neither --trials nor --seed",
            hint="leave them out, or leave --write out",
        )


def _say_what_is_missing(asked: Sequence[ThreatId], measurable: Sequence[ThreatId]) -> None:
    missing = [threat_id for threat_id in asked if threat_id not in measurable]
    if missing and len(asked) < len(threats()):
        print(f"hauberk: no scenario yet, not measured: {', '.join(missing)}", file=sys.stderr)
    elif missing:
        print(f"hauberk: {len(missing)} threats have no scenario yet", file=sys.stderr)


def _measure(asked: Sequence[ThreatId], args: argparse.Namespace, scores: list[Score]) -> None:
    """Add the scores to ``scores`` as they come; write each threat's when it is whole."""
    with Bar(sys.stderr) as bar:
        for threat_id in asked:
            rows = list[Score]()
            for score in run_scenarios(
                [threat_id], trials=args.trials, seed=args.seed, progress=bar.advance
            ):
                scores.append(score)
                rows.append(score)
            if args.write:
                _write(threat_id, rows)


def _write(threat_id: ThreatId, rows: Sequence[Score]) -> None:
    """Keep the scores, unless some scenario could not run here: then what is there stays."""
    if missing := [row.note for row in rows if row.note.startswith(CANNOT_RUN)]:
        print(
            f"hauberk: figures of {threat_id} are left as they were: {missing[0]}", file=sys.stderr
        )
        return
    write_figures(threat_id, rows, version=__version__, folder=FOLDER)


def _show(scores: Sequence[Score], args: argparse.Namespace) -> None:
    if args.format == "json":
        rows = [result(score) for score in scores]
        text = json.dumps({"results": rows}, indent=1, ensure_ascii=False)
    else:
        text = "\n".join(table(scores))
    if args.output is None:
        print(text)
    else:
        args.output.write_text(text + "\n", "utf-8")
