"""Do a wrapped training step again and compare what it made, bit for bit.

`hauberk step` leaves a statement of what a step took and made. Its code and inputs must still be
what the statement says. With a file of segments (see --callback), segments are drawn at random
and done again from the states between them; without one, or with --full, all of it is. Inside
`hauberk run` the same is asked for by replay = { segments = "train.segments" } in [training].

Exit codes: 0 the same, 1 something differs or is not what was attested, 2 usage, 3 not replayable.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "do a training again, in random segments or whole, and compare bit for bit"
EXAMPLE = "hauberk replay train --segments train.segments"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the step that hauberk step ran")
    parser.add_argument("--project", type=Path, default=Path(), metavar="FOLDER")
    parser.add_argument("--segments", metavar="FILE", help="output that the callback wrote")
    parser.add_argument("--count", type=int, default=8, metavar="N", help="segments to draw")
    parser.add_argument("--full", action="store_true", help="do all of it again")
    parser.add_argument(
        "--callback",
        type=Path,
        metavar="FILE",
        help="write the callback there, and do nothing else",
    )


def run(args: argparse.Namespace) -> int:
    """Replay a step, or write the callback."""
    from hauberk.errors import UsageError

    if args.callback:
        from hauberk.lifecycle import segments

        args.callback.write_bytes(Path(segments.__file__).read_bytes())
        sys.stdout.write(f"{args.callback}: import Segments from it in the training script\n")
        return 0
    if not args.name or args.count < 1:
        raise UsageError("there is nothing to replay", expected="NAME of a step, N from 1 on")
    from hauberk.cli.words import working
    from hauberk.controls.pipeline.tampered_training import TamperedTraining
    from hauberk.core.finding import Outcome
    from hauberk.engine import assess
    from hauberk.lifecycle.replay import replay
    from hauberk.lifecycle.wrapping import recipe_of

    recipe = recipe_of(args.project.resolve(), args.name, segments=args.segments or "")
    with working("doing the training again"):
        found = replay(recipe, count=args.count, full=args.full)
    judged = assess(TamperedTraining(), found)
    if judged.outcome is Outcome.CLEAN:
        drawn = ", ".join(map(str, found.drawn)) or "all of it"
        sys.stdout.write(
            f"the same: {args.name}, {len(found.committed)} results of {drawn}"
            + (f" (of {found.segments} segments)" if found.segments else "")
            + "\n"
        )
        return 0
    sys.stdout.write(f"{judged.outcome.value}: {judged.reason}\n")
    for finding in judged.findings:
        sys.stdout.write(f"next: {finding.remedy}\n")
    return 1 if judged.outcome is Outcome.FLAGGED else 3
