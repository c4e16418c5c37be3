"""Make a small project from real data, run its whole lifecycle, attack it, write one page.

Needs no account, server, container or network. Everything goes into one folder: the
project, the keys made for it, and the page. Nothing outside that folder is touched.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from hauberk.core.attack import Score
    from hauberk.core.record import RunRecord
    from hauberk.range.trial import Played

HELP = "make a small project, run its lifecycle, attack it, write one page"
EXAMPLE = "hauberk try"
MAX_FOLDERS = 1_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--folder", default="hauberk-try", help="new folder to work in (default: hauberk-try)"
    )
    parser.add_argument("--seconds", type=float, default=35.0, help="time for the attacks")
    parser.add_argument("--quiet", action="store_true", help="print the result only")


def run(args: argparse.Namespace) -> int:
    """Lifecycle, attacks, page; 0 when the lifecycle ran and every forgery was refused."""
    from hauberk.cli.words import clock, colour
    from hauberk.range.trial import rehearse
    from hauberk.report import html, summary_text

    folder = _folder(Path(args.folder))
    say = _silent if args.quiet else _say
    done = rehearse(folder, clock=clock, seconds=args.seconds, say=say)
    page = folder / "report.html"
    page.write_text(html(done.record), encoding="utf-8")
    print(summary_text(done.record, colour=colour(sys.stdout)))
    _attacks(done.forgeries, done.scores)
    print(f"\npage: {page}")
    where = _short(folder)
    root = where / "configuration" / "roots" / f"{done.record.project}.json"
    print(f"next: hauberk verify {where / done.record.project} --root {root}")
    print("      hauberk init in a project of your own")
    return _exit_code(done.record, done.forgeries)


def _folder(wanted: Path) -> Path:
    """A new folder: the name asked for, or the next that is free."""
    for number in range(1, MAX_FOLDERS):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UnavailableError(
                "no folder can be made here",
                subject=str(folder),
                found=error.strerror or str(error),
                hint="name a place where you may write: hauberk try --folder /tmp/try",
            ) from error
        return folder.resolve()
    raise UsageError("there are too many such folders", subject=str(wanted))


def _short(folder: Path) -> Path:
    """The folder as one would type it here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _attacks(forgeries: tuple[Played, ...], scores: tuple[Score, ...]) -> None:
    print("\nForgeries of the finished project, each held against the pinned root:")
    for played in forgeries:
        word = "refused" if played.refused else "ACCEPTED"
        print(f"  {word:<8} {played.deed}: {played.words}")
    if scores:
        print("\nAttacks on single controls, few trials each (hauberk range measures them fully):")
    for score in scores:
        print(f"  {score.threat:<5} {score.attack:<28} {_measured(score)}")


def _measured(score: Score) -> str:
    if score.value is None:
        return score.note or score.state
    alarms = score.false_alarm_rate
    beside = "" if alarms is None else f", false alarms {alarms:.2g}"
    return f"{score.metric} {score.value:.2f} in {score.trials}{beside}"


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _silent(line: str) -> None:
    del line


def _exit_code(record: RunRecord, forgeries: tuple[Played, ...]) -> int:
    return record.exit_code or int(not all(played.refused for played in forgeries))
