"""Run one command of any orchestrator as a step: isolated, hashed, attested.

The command sees copies of its inputs in a fresh folder and no network; only declared outputs come
back. An input that an earlier step made must still be the same bytes. Secrets are handed over as
files (their paths in NAME_FILE), masked in what is printed, in base64, hex and other usual forms
too, and an output that holds one is refused. What looks like a credential that nobody handed out
is told; --refuse-secrets keeps nothing then. The statement lies unsigned in .hauberk/steps: sign
it in a job of its own (hauberk layout link), because whoever owns this job owns its keys.

Exit codes: the command's own, 1 where a changed input or an output with a secret is refused,
2 usage, 3 no isolation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "run one command of any orchestrator isolated, hashed and attested"
EXAMPLE = "hauberk step train --input train.py data.csv --output model.onnx -- python train.py"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--input", nargs="+", action="extend", default=[], metavar="PATH")
    parser.add_argument("--output", nargs="+", action="extend", default=[], metavar="PATH")
    parser.add_argument("--network", nargs="+", action="extend", default=[], metavar="HOST")
    parser.add_argument(
        "--secret",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="variables to hand over",
    )
    parser.add_argument(
        "--level", choices=("full", "landlock", "observe"), help="default: the best there is"
    )
    parser.add_argument(
        "--refuse-secrets",
        action="store_true",
        help="keep nothing when an output holds what looks like a credential",
    )
    parser.add_argument(
        "--image", default="", metavar="REF@sha256:...", help="container image that this runs in"
    )
    parser.add_argument("--project", type=Path, default=Path(), metavar="FOLDER")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND")


def run(args: argparse.Namespace) -> int:
    """Run the step and print what it printed, masked."""
    import os

    from hauberk.core.policy import Isolation
    from hauberk.errors import UsageError
    from hauberk.isolation.probing import best_level
    from hauberk.lifecycle.wrapping import Wrapped, wrap

    missing = [name for name in args.secret if name not in os.environ]
    if missing:
        raise UsageError("a secret is not set", subject=missing[0], expected="a variable")
    words = args.command[1:] if args.command[0] == "--" else args.command
    level = Isolation(args.level) if args.level else best_level()
    ended = wrap(
        Wrapped(
            name=args.name,
            command=tuple(words),
            root=args.project.resolve(),
            inputs=tuple(args.input),
            outputs=tuple(args.output),
            network=tuple(args.network),
            secrets={name: os.environ[name] for name in args.secret},
            level=level,
            image=args.image,
            refuses_secrets=args.refuse_secrets,
        )
    )
    sys.stdout.write(ended.stdout)
    sys.stderr.write(ended.stderr)
    for leak in ended.leaks:
        sys.stderr.write(f"step {args.name}: this looks like a credential: {leak}\n")
    if ended.statement is not None:
        sys.stderr.write(f"step {args.name}: {level.value}, statement {ended.statement}\n")
    return ended.exit_code
