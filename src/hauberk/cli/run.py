"""Run the lifecycle of a project: every step isolated, checked, signed and attested.

Steps that nothing changed for are skipped; a run that was stopped goes on where it was.
The first gate that refuses ends the run, and nothing is released.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hauberk.core.record import Event, RunRecord

HELP = "run the lifecycle: every step isolated, checked, signed and attested"
EXAMPLE = "hauberk run examples/loans"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("project", nargs="?", default=".", help="the project's folder")
    parser.add_argument(
        "--isolation",
        choices=("full", "landlock", "observe"),
        help="level to run steps at; the best that is there by default",
    )
    parser.add_argument("--root", metavar="FILE", help="root of trust, outside the project")
    parser.add_argument("--seed", type=int, default=0, help="seed of the run's own randomness")
    parser.add_argument(
        "--no-wait", action="store_true", help="refuse at once while another run holds the store"
    )
    parser.add_argument(
        "--observe",
        metavar="COMMAND",
        action="append",
        help="run COMMAND unmodified, watch it and propose a lifecycle file; may be repeated",
    )
    parser.add_argument(
        "--policy-from",
        metavar="BRANCH",
        help="judge by this branch's policy; in builds of pull requests, their base by default",
    )
    parser.add_argument("--quiet", action="store_true", help="print the result only")


def run(args: argparse.Namespace) -> int:
    """Run, show progress, print the summary."""
    from hauberk.cli._root import warn_ending
    from hauberk.cli.words import clock, colour, configuration, project_folder
    from hauberk.core.policy import Isolation
    from hauberk.lifecycle.run import Options
    from hauberk.lifecycle.run import run as run_lifecycle
    from hauberk.lifecycle.settings import load
    from hauberk.trust.ci import base

    root = project_folder(args.project)
    if args.observe:
        return _observe(root, args)
    record = run_lifecycle(
        load(root),
        Options(
            configuration=configuration(),
            clock=clock,
            level=Isolation(args.isolation) if args.isolation else None,
            root_file=Path(args.root) if args.root else None,
            seed=args.seed,
            environment=os.environ,
            policy_from=args.policy_from or base(os.environ),
            lock_timeout_s=0.0 if args.no_wait else 600.0,
            emit=_silent if args.quiet else show,
            waiting=lambda message: print(message, file=sys.stderr),
        ),
    )
    _summary(record, coloured=colour(sys.stdout))
    warn_ending(load(root).project.name, Path(args.root) if args.root else None)
    return record.exit_code


def _observe(root: Path, args: argparse.Namespace) -> int:
    """Watch the commands; the result is a proposal and an unsigned record."""
    from hauberk.cli.words import clock, colour
    from hauberk.lifecycle.observe import observe

    say = _quiet if args.quiet else _say
    record, target = observe(root, args.observe, python=Path(sys.executable), clock=clock, say=say)
    _summary(record, coloured=colour(sys.stdout))
    print(f"proposed: {target}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _quiet(line: str) -> None:
    del line


def show(event: Event) -> None:
    """Progress: one line as each component ends."""
    if event.kind != "component-done" or event.component is None:
        return
    state = str(event.facts.get("state", ""))
    seconds = float(event.facts.get("seconds", 0.0))
    print(f"  {event.component:<16} {state:<8} {seconds:6.1f} s  {event.message}", file=sys.stderr)


def _silent(event: Event) -> None:
    del event


def _summary(record: RunRecord, *, coloured: bool) -> None:
    from hauberk.report import summary_text

    print(summary_text(record, colour=coloured))
    print("next: hauberk report writes the page; hauberk verify checks the chain")
